"""Branch for the embedding E, in which the loss separates actions from background (paper: Sec. 3.5)."""

from collections.abc import Sequence

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor
from torch.nn import functional as F

from fsptal_mm.models.directions import directions
from fsptal_mm.models.trunks.snippet_embedding import PackedConv1d
from fsptal_mm.models.video_attention import video_attention
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import check_numbers


@MODELS.register_module()
class SeparationBranch(BaseModule):
    """Branch that computes ``E = Conv1d(h + A h)`` with ``h = ReLU(Conv1d(F))`` and feature masked attention A.

    ``A_ij = softmax_j(cos(h_i, h_j) / temperature)`` over the snippets j of one video. Memory grows linearly with T.

    Args:
        in_channels: Dimension of F.
        embed_channels: D_e, dimension of h and E. The paper gives no number; 256 was no better than 128 on held-out
            videos. Take a multiple of 8 for training on a GPU: otherwise no attention kernel works there without a
            T x T matrix.
        temperature: Divides the cosines; the paper gives no number. At 1, the weights are nearly uniform, so that the
            attention adds little more than the mean of the video.
        kernel_size: Kernel of both convolutions, in snippets.
        init_cfg: As in ``mmengine.model.BaseModule``.
    """

    def __init__(
        self,
        in_channels: int,
        embed_channels: int = 128,
        temperature: float = 0.1,
        kernel_size: int = 3,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        check_numbers('SeparationBranch', 1e-6, temperature=temperature)
        self.temperature = temperature
        self.hidden = PackedConv1d(in_channels, embed_channels, kernel_size)
        self.embedding = PackedConv1d(embed_channels, embed_channels, kernel_size)

    def forward(
        self, batch: SnippetBatch, needed: Tensor | None = None, counts: Sequence[int] | None = None
    ) -> SnippetBatch:
        """Embed snippets.

        Args:
            batch (SnippetBatch): F, ``(R, D)`` rows.
            needed (Tensor, optional): ``(B, T)`` bool, snippets whose attention is computed: what :meth:`needed`
                returns for the snippets to embed; by default all. They attend to all snippets of their video.
            counts (Sequence[int], optional): Number of needed snippets of each video; by default they are fetched from
                the device, for which the host waits.

        Returns:
            SnippetBatch: E, ``(R, D_e)`` rows, arbitrary but finite on snippets that were not to be embedded.
        """
        hidden = F.relu(self.hidden(batch), inplace=True)  # h
        key_value = torch.stack([directions(hidden).to(hidden.dtype), hidden], 1)  # (R, 2, D_e)
        # The needed snippets alone, as a batch of R' rows; the n-th of these is row rows[n] of the whole batch.
        near, rows = batch.with_features(key_value).select(batch.mask if needed is None else needed, counts)
        query, own = near.features.unbind(1)
        scale = 1 / self.temperature
        attended = video_attention(batch, query[:, None], key_value[:, :, None], asking=near, scale=scale).squeeze(1)
        embedded = self.embedding(near.with_features(own + attended))
        return batch.with_features(embedded.new_zeros(len(hidden), embedded.shape[1]).index_add(0, rows, embedded))

    def needed(self, wanted: Tensor, mask: Tensor) -> Tensor:
        """Snippets to embed, and their neighbours that the last convolution sees; all masks are ``(B, T)`` bool."""
        reach = self.embedding.padding[0]
        return F.max_pool1d(wanted.float(), 2 * reach + 1, 1, reach).bool() & mask
