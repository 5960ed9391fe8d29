"""Losses of the refinement stage: quality focal loss of the classes, GIoU loss of the boundaries."""

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.utils.errors import check_numbers


def quality_focal_loss(logits: Tensor, quality: Tensor, exponent: float = 2.0) -> Tensor:
    """Compute the quality focal loss ``sum_c |quality - p|^exponent BCE(p, quality)`` with ``p = sigmoid(logits)``.

    BCE is the binary cross-entropy. Source: Li et al., "Generalized Focal Loss", NeurIPS 2020, Eq. 4.

    Args:
        logits (Tensor): ``(..., N, C)`` class activations.
        quality (Tensor): ``(..., N, C)`` soft targets in [0, 1], the tIoU with the best segment of each class.
        exponent: Exponent of the distance from the target, beta.

    Returns:
        Tensor: ``(..., N)`` float32.
    """
    logits = logits.float()
    cross_entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction='none')
    return (cross_entropy * (quality - logits.sigmoid()).abs() ** exponent).sum(-1)


def segment_giou_loss(segments: Tensor, targets: Tensor) -> Tensor:
    """Compute the GIoU loss ``1 - GIoU`` of segments and targets (Rezatofighi et al., CVPR 2019, in one dimension).

    In one dimension, GIoU is ``intersection / hull``; the hull reaches from the first start to the last end. If there
    is a gap between two segments, minus the length of the gap stands for the intersection. Otherwise, the hull is the
    union, and GIoU is IoU.

    Args:
        segments (Tensor): ``(..., N, 2)`` predicted starts and ends.
        targets (Tensor): ``(..., N, 2)`` in the same unit, ends after starts.

    Returns:
        Tensor: ``(..., N)`` in [0, 2]. A segment whose end lies before its start counts as the point where it starts.
    """
    (start, end), (first, last) = segments.float().unbind(-1), targets.float().unbind(-1)
    end = torch.maximum(end, start)
    intersection = torch.minimum(end, last) - torch.maximum(start, first)
    hull = (end - start) + (last - first) - intersection
    return 1 - intersection / hull.clamp(min=torch.finfo(hull.dtype).eps)


@MODELS.register_module()
class QualityFocalLoss(nn.Module):
    """Quality focal loss of candidates, see :func:`quality_focal_loss`.

    Args:
        exponent: Exponent beta of the distance from the target.
        loss_weight: Factor of the loss.
    """

    def __init__(self, exponent: float = 2.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        check_numbers('QualityFocalLoss', 0, exponent=exponent, loss_weight=loss_weight)
        self.exponent = exponent
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, quality: Tensor) -> Tensor:
        """Loss ``(..., N)`` of each candidate, from logits and their targets ``quality``, both ``(..., N, C)``."""
        return self.loss_weight * quality_focal_loss(logits, quality, self.exponent)


@MODELS.register_module()
class SegmentGIoULoss(nn.Module):
    """GIoU loss of refined segments, see :func:`segment_giou_loss`.

    Args:
        loss_weight: Factor of the loss.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        check_numbers('SegmentGIoULoss', 0, loss_weight=loss_weight)
        self.loss_weight = loss_weight

    def forward(self, segments: Tensor, targets: Tensor) -> Tensor:
        """Loss ``(..., N)`` of each segment, from refined segments and targets, both ``(..., N, 2)``."""
        return self.loss_weight * segment_giou_loss(segments, targets)
