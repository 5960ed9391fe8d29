"""Video-level multiple-instance learning, a baseline on the same trunk and proposals that never sees a point."""

from typing import Any

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor

from fsptal_mm.models.losses import pool_video_scores
from fsptal_mm.structures import SnippetBatch

from .snippet_head import SnippetHead, SnippetScores


@MODELS.register_module()
class MILHead(SnippetHead):
    """Head with top-k pooling and a background class, trained with video labels alone.

    It follows BaS-Net (Lee, Uh & Byun, AAAI 2020). Its loss has two terms, cross-entropies of pooled scores. Every
    video shows its classes and background, so the target of the pooled ``[q, b]`` is ``[y, 1]``. The factor ``1 - b``
    removes background, so the target of the pooled ``[q, b] (1 - b)`` is ``[y, 0]``. This second term keeps b low where
    an action shows.

    Args:
        *args: As in :class:`SnippetHead`; ``topk_divisor`` also pools the scores of the second term.
        video_loss (dict): Config of ``VideoLevelLoss``.
        **kwargs: As in :class:`SnippetHead`.
    """

    supervision = 'video labels'

    def __init__(self, *args: Any, video_loss: dict[str, Any] = dict(type='VideoLevelLoss'), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.video_loss = MODELS.build(video_loss)

    def loss(self, batch: SnippetBatch, data_samples: list[ActionDataSample]) -> dict[str, Tensor]:
        """Losses of a training batch; of the labels only ``gt_video_labels (C,)`` of each data sample is read."""
        labels = torch.stack([sample.gt_video_labels for sample in data_samples]).to(batch.mask.device)
        self.check_classes(labels)
        return self.loss_by_feat(SnippetScores.from_logits(batch.pad(self(batch))), batch.mask, labels)

    def loss_by_feat(self, scores: SnippetScores, mask: Tensor, video_labels: Tensor) -> dict[str, Tensor]:
        """Losses from scores.

        Args:
            scores (SnippetScores): Scores with gradient.
            mask (Tensor): ``(B, T)`` bool.
            video_labels (Tensor): ``(B, C)`` 0/1, y.

        Returns:
            dict[str, Tensor]: ``loss_background``, the first term, and ``loss_foreground``, the second one.
        """
        b = scores.background_scores[..., None]
        foreground = torch.cat([scores.final, b * (1 - b)], -1)
        pooled = pool_video_scores(foreground, mask, self.topk_divisor)
        return self.video_loss(scores.classes, scores.background_scores, mask, video_labels, pooled)
