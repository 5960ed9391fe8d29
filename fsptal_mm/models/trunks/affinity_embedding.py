"""A trunk whose convolution is weighted by the similarity of snippets, for module D of the paper (paper: Sec. 3.5)."""

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError, check_flags, check_numbers

from ..directions import directions
from .snippet_embedding import PackedConv1d, SnippetEmbedding


class MaskedConv1d(PackedConv1d):
    """Convolution over packed rows with a weight a_tj for each row t and tap j: ``sum_j a_tj W_j x_{t+j} + bias``."""

    def forward(self, batch: SnippetBatch, weights: Tensor | None = None) -> Tensor:
        """Convolve a :class:`.SnippetBatch`.

        Args:
            batch (SnippetBatch): ``(R, D_in)`` features.
            weights (Tensor, optional): a, ``(R, K)``: one weight for each row and each of the K taps, from the earliest
                snippet to the latest. ``(R, K, D_in)``: one for each row, tap and input channel. ``None``: all are 1.

        Returns:
            Tensor: ``(R, D_out)`` with zero gaps.
        """
        if weights is None:
            return super().forward(batch)
        self.check(batch)
        convolve = self._weight_inputs if weights.ndim == 3 else self._weight_products
        return convolve(batch.features, weights).index_fill_(0, batch.gaps, 0)

    def _weight_inputs(self, rows, weights):
        seen = _neighbours(rows, self.kernel_size[0])  # (R, K, D_in)
        kernel = self.weight.transpose(1, 2).flatten(1)  # (D_out, K * D_in)
        return F.linear((seen * weights.to(seen.dtype)).flatten(1), kernel, self.bias)

    def _weight_products(self, rows, weights):
        """Multiply ``W_j x`` by the weights, and not x: the gradient of the weights then needs no matrix product."""
        num_taps, reach = self.kernel_size[0], self.padding[0]
        taps = F.linear(rows, self.weight.permute(2, 0, 1).flatten(0, 1)).unflatten(1, (num_taps, -1))  # (R, K, D_out)
        out = taps.new_zeros(self.out_channels) if self.bias is None else self.bias.to(taps.dtype)
        for tap, products in enumerate(taps.unbind(1)):
            # Shift by j = tap - reach rows: row t gets W_j x_{t+j}. Negative padding cuts rows off.
            seen = F.pad(products, (0, 0, reach - tap, tap - reach))
            out = torch.addcmul(out, weights[:, tap, None].to(taps.dtype), seen)
        return out


class AffinityConvs(nn.ModuleList):
    """Embedding E of snippet features: two convolutions of 3 snippets with a leaky ReLU in between.

    Args:
        in_channels: Dimension D of the snippet features.
        hidden_channels: Dimension between the two convolutions.
        embed_channels: D_e, dimension of E.
    """

    def __init__(self, in_channels: int, hidden_channels: int, embed_channels: int) -> None:
        super().__init__(
            [PackedConv1d(in_channels, hidden_channels, 3), PackedConv1d(hidden_channels, embed_channels, 3)]
        )

    def forward(self, batch: SnippetBatch) -> Tensor:
        """E of a :class:`.SnippetBatch`, ``(R, D_e)`` rows with zero gaps."""
        first, second = self
        return second(batch.with_features(F.leaky_relu(first(batch), inplace=True)))


def tap_cosines(embedding: Tensor, kernel_size: int) -> Tensor:
    """Cosines (Eq. 10) of each row of E ``(R, D_e)`` with the K rows that a kernel sees there, ``(R, K)`` float32."""
    direction = directions(embedding)
    # Zero rows between videos have no direction: their cosine with every row is 0.
    return (direction[:, None] * _neighbours(direction, kernel_size)).sum(-1)


@MODELS.register_module()
class AffinityEmbedding(SnippetEmbedding):
    """Trunk in which similarity weights the neighbours: ``F_t = ReLU(sum_j cos(e_t, e_{t+j}) W_j x_{t+j} + bias)``.

    This is the paper's feature masked attention, understood as BackTAL's affinity module (Yang et al., TPAMI 2022),
    which Sec. 3.5 follows. Two convolutions of 3 snippets make E from the snippet features. The output batch carries E
    as ``affinity_embedding``; ``FSPTALHead`` separates actions from background in E (Eq. 11-14). These terms train E,
    and so do all other losses, through F. At test time, the cosines weight the convolution, too. The centre of the
    kernel always has the weight 1; snippets beyond the ends of a video have the weight 0. Memory and time grow linearly
    with T.

    Args:
        in_channels: Dimension D of the snippet features.
        out_channels: Dimension of F; ``in_channels`` by default.
        kernel_size: Snippets that one embedded feature sees.
        hidden_channels: Dimension between the two convolutions of E; BackTAL's number, the paper gives none.
        embed_channels: D_e, dimension of E; BackTAL's number, the paper gives none.
        mask: Whether the cosines weight the convolution. ``False``: F does not depend on E, and Eq. 11-14 alone train
            E.
        masked_taps: Odd number of taps in the middle of the kernel that the cosines weight; ``None`` for all.
        clamp_negative: Take negative cosines as 0: dissimilar neighbours are ignored instead of subtracted.
        mask_gradient: Whether gradients reach E through the weights. ``False``: Eq. 11-14 alone train E.
        input_dropout: As in :class:`SnippetEmbedding`.
        norm_cfg (dict, optional): As in :class:`SnippetEmbedding`.
        init_cfg: As in ``mmengine.model.BaseModule``.

    Raises:
        InputError: ``masked_taps`` is even or larger than the kernel.
    """

    convolution = MaskedConv1d
    makes_affinity_embedding = True  # a head that needs E and does not make it asks for this

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        kernel_size: int = 3,
        hidden_channels: int = 512,
        embed_channels: int = 32,
        mask: bool = True,
        masked_taps: int | None = None,
        clamp_negative: bool = False,
        mask_gradient: bool = True,
        input_dropout: float = 0.0,
        norm_cfg: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, input_dropout, norm_cfg, init_cfg=init_cfg)
        owner = type(self).__name__
        check_numbers(owner, 1, whole=True, hidden_channels=hidden_channels, embed_channels=embed_channels)
        check_numbers(owner, 1, whole=True, optional=True, masked_taps=masked_taps)
        check_flags(owner, mask=mask, clamp_negative=clamp_negative, mask_gradient=mask_gradient)
        masked_taps = kernel_size if masked_taps is None else masked_taps
        if masked_taps % 2 == 0 or masked_taps > kernel_size:
            expected = f'an odd number, at most {kernel_size}, the number of taps'
            raise InputError(expected, field=f'{owner}.masked_taps', found=masked_taps)
        self.affinity = AffinityConvs(in_channels, hidden_channels, embed_channels)
        self.mask = mask
        self.clamp_negative = clamp_negative
        self.mask_gradient = mask_gradient
        distance = (torch.arange(kernel_size) - kernel_size // 2).abs()  # of each tap from the centre
        self.register_buffer('is_masked', (distance > 0) & (distance <= masked_taps // 2), persistent=False)

    def forward(self, batch: SnippetBatch) -> SnippetBatch:
        """Embed a batch: X ``(R, D)`` becomes F ``(R, D')``, and E ``(R, D_e)`` is added; gaps are zero in both."""
        batch = batch.with_features(self.input_dropout(batch.features))
        embedding = self.embed_affinity(batch)
        weights = self.tap_weights(embedding) if self.mask else None
        return self.activate(batch, self.conv(batch, weights)).with_affinity(embedding)

    def embed_affinity(self, batch: SnippetBatch) -> Tensor:
        """E of a :class:`.SnippetBatch` of snippet features, ``(R, D_e)`` rows with zero gaps."""
        return self.affinity(batch)

    def tap_weights(self, embedding: Tensor) -> Tensor:
        """Weights of the K taps, ``(R, K)`` float32: cosines (Eq. 10) for masked taps, and 1 for the others."""
        cosine = tap_cosines(embedding if self.mask_gradient else embedding.detach(), len(self.is_masked))
        return torch.where(self.is_masked, cosine.clamp(min=0) if self.clamp_negative else cosine, 1.0)


def no_embedding_error() -> InputError:
    """InputError for a head with a feature separation loss if neither the head nor the trunk makes E."""
    expected = 'a branch such as SeparationBranch, or a trunk that makes the embedding E, such as AffinityEmbedding'
    return InputError(expected, field='model.head.separation', found='None')


def _neighbours(rows, kernel_size):
    """For each of ``(R, D)`` rows, the K rows that a kernel sees there, ``(R, K, D)``; zero rows beyond both ends.

    The result is a view: no row is copied K times.
    """
    reach = kernel_size // 2
    return F.pad(rows, (0, 0, reach, reach)).unfold(0, kernel_size, 1).transpose(1, 2)
