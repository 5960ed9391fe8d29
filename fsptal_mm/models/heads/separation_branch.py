"""Embedding E in which actions and background are to be told apart (method: Sec. 3.5)."""

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch.nn import functional as F

from fsptal_mm.errors import check_numbers
from fsptal_mm.models.embeddings import PackedConv1d

_NORM_EPS = 1e-4  # shorter features count as similar to nothing, which bounds the gradient of their direction


@MODELS.register_module()
class SeparationBranch(BaseModule):
    """``h = ReLU(Conv1d(F))``, feature masked attention, ``E = Conv1d(h + A h)``.

    ``A = softmax_j(cos(h_i, h_j) / temperature)`` over the snippets of one video. Its memory grows linearly with T.

    Args:
        in_channels: Dimension of F.
        embed_channels: D_e, dimension of h and E; the paper gives none. A multiple of 8 where training runs on a GPU:
            for others the attention kernels that need no T x T matrix are not available there.
        temperature: Divides the cosines; the paper gives none. At 1 the weights are nearly uniform, and the attention
            adds the mean of the video.
        kernel_size: Snippets that each of the two convolutions sees.
        init_cfg: As in ``mmengine.model.BaseModule``.
    """

    def __init__(self, in_channels, embed_channels=256, temperature=0.1, kernel_size=3, init_cfg=None):
        super().__init__(init_cfg)
        check_numbers('SeparationBranch', 1e-6, temperature=temperature)
        self.temperature = temperature
        self.hidden = PackedConv1d(in_channels, embed_channels, kernel_size)
        self.embedding = PackedConv1d(embed_channels, embed_channels, kernel_size)

    def forward(self, batch):
        """Embed a :class:`SnippetBatch` of F: ``(R, D)`` to ``(R, D_e)`` rows, zero gaps stay zero."""
        hidden = F.relu(self.hidden(batch))
        gap = hidden.new_zeros(batch.gap, hidden.shape[1])
        rows = [gap]
        for video in batch.split(hidden):
            rows += [video + self._attend(video), gap]
        return batch.with_features(self.embedding(batch.with_features(torch.cat(rows))))

    def _attend(self, video):
        """``A h`` of one video, ``(T, D_e)``."""
        # In half precision a small norm would underflow to 0.
        direction = F.normalize(video.float(), dim=-1, eps=_NORM_EPS).to(video.dtype)
        # Only with batch and head dimension does the CPU kernel run that never holds the T x T weights.
        query, value = direction[None, None], video[None, None]
        return F.scaled_dot_product_attention(query, query, value, scale=1 / self.temperature)[0, 0]
