"""Class-wise foreground confidence Q_f (paper: Sec. 3.2, after Huang et al., FAC-Net, ICCV 2021)."""

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import check_numbers

# Least number by which pooled features are divided to compute cosines, so that gradients of short features fit into
# float16.
_NORM_EPS = 1e-4


@MODELS.register_module()
class ForegroundBranch(BaseModule):
    """Branch that computes Q_f, for each class ``sigmoid(scale * cos(sum_t a_t F_t, centre))``.

    The attention a of a class is the softmax of its class activations over the snippets t of a video. The centre is a
    learnt vector for the foreground of all classes.

    Args:
        in_channels: Dimension of F.
        scale: Initial value of the learnt factor on the cosine.
        init_cfg: As in ``mmengine.model.BaseModule``.
    """

    def __init__(self, in_channels: int, scale: float = 10.0, init_cfg: dict | list[dict] | None = None) -> None:
        super().__init__(init_cfg)
        check_numbers('ForegroundBranch', 1, whole=True, in_channels=in_channels)
        check_numbers('ForegroundBranch', 0, scale=scale)
        self.centre = nn.Parameter(torch.empty(in_channels))
        nn.init.normal_(self.centre, std=in_channels**-0.5)
        self.scale = nn.Parameter(torch.tensor(float(scale)))

    def forward(self, batch: SnippetBatch, logits: Tensor) -> Tensor:
        """Compute Q_f of every video.

        Args:
            batch (SnippetBatch): Embedded features F, ``(R, D)`` rows.
            logits (Tensor): ``(R, C + 1)`` class activations M, background last.

        Returns:
            Tensor: ``(B, C + 1)`` in (0, 1).
        """
        pooled = [  # (C + 1, D) each: attention is a softmax over time, one for each class
            attention.softmax(0).t() @ features
            for features, attention in zip(batch.split(batch.features), batch.split(logits))
        ]
        cosine = F.cosine_similarity(torch.stack(pooled).float(), self.centre, dim=-1, eps=_NORM_EPS)
        return (self.scale * cosine).sigmoid()
