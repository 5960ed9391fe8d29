"""Losses of the refinement stage: quality focal loss of the classes, GIoU loss of the boundaries."""

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.utils.errors import check_numbers


def quality_focal_loss(logits: Tensor, quality: Tensor, exponent: float = 2.0) -> Tensor:
    """Binary cross-entropy with soft targets, weighted by the distance from them (Li et al., NeurIPS 2020, Eq. 4).

    Args:
        logits (Tensor): ``(N, C)`` class activations.
        quality (Tensor): ``(N, C)`` in [0, 1], the tIoU with the best segment of each class.
        exponent: Exponent of the distance, beta.

    Returns:
        Tensor: ``(N,)``, the sum over classes; always float32.
    """
    logits = logits.float()
    cross_entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction='none')
    return (cross_entropy * (quality - logits.sigmoid()).abs() ** exponent).sum(-1)


def segment_giou_loss(segments: Tensor, targets: Tensor) -> Tensor:
    """``1 - GIoU`` of segments and targets (Rezatofighi et al., CVPR 2019, in one dimension).

    Args:
        segments (Tensor): ``(N, 2)`` predicted starts and ends.
        targets (Tensor): ``(N, 2)`` in the same unit, ends after starts.

    Returns:
        Tensor: ``(N,)`` in [0, 2]; a segment whose end lies before its start is too short by as much.
    """
    (start, end), (first, last) = segments.float().unbind(-1), targets.float().unbind(-1)
    intersection = torch.minimum(end, last) - torch.maximum(start, first)
    hull = torch.maximum(end, last) - torch.minimum(start, first)
    # In one dimension, hull and union differ by the gap between two segments, a negative intersection.
    union = (end - start).clamp(min=0) + (last - first) - intersection.clamp(min=0)
    hull, union = (length.clamp(min=torch.finfo(length.dtype).eps) for length in (hull, union))
    return 1 - intersection.clamp(min=0) / union + (hull - union).clamp(min=0) / hull


@MODELS.register_module()
class QualityFocalLoss(nn.Module):
    """Quality focal loss of candidates, see :func:`quality_focal_loss`.

    Args:
        exponent: beta.
        loss_weight: Factor.
    """

    def __init__(self, exponent: float = 2.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        check_numbers('QualityFocalLoss', 0, exponent=exponent, loss_weight=loss_weight)
        self.exponent = exponent
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, quality: Tensor) -> Tensor:
        """Loss ``(N,)`` of each candidate from logits and targets ``(N, C)``."""
        return self.loss_weight * quality_focal_loss(logits, quality, self.exponent)


@MODELS.register_module()
class SegmentGIoULoss(nn.Module):
    """GIoU loss of refined segments, see :func:`segment_giou_loss`.

    Args:
        loss_weight: Factor.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        check_numbers('SegmentGIoULoss', 0, loss_weight=loss_weight)
        self.loss_weight = loss_weight

    def forward(self, segments: Tensor, targets: Tensor) -> Tensor:
        """Loss ``(N,)`` of each segment from segments and targets ``(N, 2)``."""
        return self.loss_weight * segment_giou_loss(segments, targets)
