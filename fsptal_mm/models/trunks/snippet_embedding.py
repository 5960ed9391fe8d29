"""Trunks that turn snippet features into embedded features F (paper: Sec. 3.2)."""

from mmaction.registry import MODELS
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError, check_numbers


class PackedConv1d(nn.Conv1d):
    """``nn.Conv1d`` over the rows of a packed sequence, as if they were one long video; zero gaps keep videos apart.

    Args:
        in_channels: Dimension D_in of the input rows.
        out_channels: Dimension D_out of the output rows.
        kernel_size: Odd number of rows.
        bias: Whether a bias is learnt.
        groups: As in ``nn.Conv1d``.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, bias: bool = True, groups: int = 1
    ) -> None:
        check_numbers('convolution', 1, whole=True, in_channels=in_channels, out_channels=out_channels)
        check_numbers('convolution', 1, whole=True, kernel_size=kernel_size)
        if kernel_size % 2 == 0:
            raise InputError('an odd number', field='convolution.kernel_size', found=kernel_size)
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias, groups=groups)

    def forward(self, batch: SnippetBatch) -> Tensor:
        """Convolve a :class:`.SnippetBatch` of ``(R, D_in)`` features; returns ``(R, D_out)`` with zero gaps."""
        self.check(batch)
        out = super().forward(batch.features.t()[None]).squeeze(0).t().contiguous()  # on (1, D_in, R)
        return out.index_fill_(0, batch.gaps, 0)

    def check(self, batch: SnippetBatch) -> None:
        """Raise an InputError if the features of a batch have another dimension, or its gaps are too narrow."""
        reach, dimension = self.padding[0], batch.features.shape[1]
        if dimension != self.in_channels:
            expected = f'{self.in_channels}, the `in_channels` of the model'
            raise InputError(expected, field='dimension of the snippet features', found=dimension)
        if batch.gap < reach:
            expected = f'at least {reach}, for a kernel of {self.kernel_size[0]}'
            raise InputError(expected, field='SnippetDataPreprocessor.gap_snippets', found=batch.gap)


@MODELS.register_module()
class SnippetEmbedding(BaseModule):
    """Trunk of the base model: ``F = ReLU(Conv1d(X))``, the embedded features of Sec. 3.2.

    Args:
        in_channels: Dimension D of the snippet features.
        out_channels: Dimension of F; ``in_channels`` by default (2048 -> 2048 in the paper).
        kernel_size: Snippets that one embedded feature sees.
        input_dropout: Rate of dropout on the snippet features, in training. It helps if the feature extractor was
            trained with labels of the training videos: the features then tell more about these videos than about
            others.
        norm_cfg (dict, optional): Normalisation before the ReLU, ``dict(type='LN')`` or ``dict(type='GN',
            num_groups=...)``. Each snippet is normalised by itself, so that videos stay independent of one another.
        num_streams: 2: the first half of the features (RGB) and the second (flow) are embedded apart, each into its
            half of F, for heads that take two streams.
        init_cfg: As in ``mmengine.model.BaseModule``.

    Raises:
        InputError: ``norm_cfg`` is of another type, or ``num_groups`` or ``num_streams`` does not divide the channels.
    """

    convolution = PackedConv1d

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        kernel_size: int = 3,
        input_dropout: float = 0.0,
        norm_cfg: dict | None = None,
        num_streams: int = 1,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        owner = type(self).__name__
        check_numbers(owner, 0, 1, input_dropout=input_dropout)
        check_numbers(owner, 1, whole=True, num_streams=num_streams)
        out_channels = in_channels if out_channels is None else out_channels
        for name, channels in (('in_channels', in_channels), ('out_channels', out_channels)):
            check_numbers(owner, 1, whole=True, **{name: channels})
            if channels % num_streams:
                raise InputError(f'a multiple of {num_streams} streams', field=f'{owner}.{name}', found=channels)
        self.input_dropout = nn.Dropout(input_dropout)
        self.conv = self.convolution(in_channels, out_channels, kernel_size, groups=num_streams)
        self.norm = None if norm_cfg is None else _build_norm(norm_cfg, out_channels)

    def forward(self, batch: SnippetBatch) -> SnippetBatch:
        """Embed a batch: X ``(R, D)`` becomes F ``(R, D')``; zero gaps stay zero."""
        rows = self.conv(batch.with_features(self.input_dropout(batch.features)))
        return self.activate(batch, rows)

    def activate(self, batch: SnippetBatch, rows: Tensor) -> SnippetBatch:
        """Apply norm and ReLU to a convolution's output ``(R, D')``; the result is the batch's new features."""
        if self.norm is not None:
            rows = batch.zero_gaps(self.norm(rows))
        return batch.with_features(F.relu(rows, inplace=True))


def _build_norm(config, channels):
    """Build a layer that normalises each snippet by itself; InputError if the config is of another type."""
    is_dict = isinstance(config, dict)
    kind = config.get('type', 'none') if is_dict else config
    if not is_dict or kind not in ('LN', 'GN'):
        expected = 'a dict with type LN or GN, which normalise each snippet by itself'
        field = 'SnippetEmbedding.norm_cfg.type' if is_dict else 'SnippetEmbedding.norm_cfg'
        raise InputError(expected, field=field, found=kind)
    if kind == 'GN':
        groups = config.get('num_groups')
        check_numbers('SnippetEmbedding.norm_cfg', 1, whole=True, num_groups=groups)
        if channels % groups:
            field = 'SnippetEmbedding.norm_cfg.num_groups'
            raise InputError(f'a divisor of the {channels} channels', field=field, found=groups)
    return build_norm_layer(config, channels)[1]
