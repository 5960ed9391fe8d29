"""Video-level loss (paper: Sec. 3.2, Eq. 2-4)."""

from fractions import Fraction
from typing import TypeVar

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.utils.errors import InputError, check_flags, check_numbers

_SCORE_EPS = 1e-6  # scores are kept this far from 0 and 1 before a logarithm or a power
_LARGEST_DENOMINATOR = 100  # of the fraction by which a divisor is replaced
_Count = TypeVar('_Count', int, Tensor)


def top_count(num_snippets: _Count, divisor: float, round_up: bool = False) -> _Count:
    """Compute ``T / divisor``, rounded to a whole number; the result may be 0.

    The divisor is taken as the nearest fraction with a denominator of at most 100, so that no rounding error decides:
    1.667 and ``1 / 0.6`` are both 5/3, and give 60 for T = 100.

    Args:
        num_snippets (int | Tensor): T, int64.
        divisor: A real number >= 1.
        round_up: Whether to round up; otherwise down.
    """
    fraction = Fraction(float(divisor)).limit_denominator(_LARGEST_DENOMINATOR)
    if fraction.denominator > 1:
        num_snippets = num_snippets * fraction.denominator
    return (num_snippets + (fraction.numerator - 1 if round_up else 0)) // fraction.numerator


def pool_video_scores(
    scores: Tensor, mask: Tensor, topk_divisor: float = 8, labels: Tensor | None = None, round_up: bool = False
) -> Tensor:
    """Video-level scores: the mean of each class's ``max(1, T // topk_divisor)`` largest snippet scores.

    Args:
        scores (Tensor): ``(B, T, K)``, of any range.
        mask (Tensor): ``(B, T)`` bool, true on real snippets.
        topk_divisor: 8 in the paper's setting; any number >= 1, see ``top_count`` in this module.
        labels (Tensor, optional): ``(B, K)`` 0/1. If given, the score of a class that is absent from the video is its
            mean over all snippets, as in LACP.
        round_up: Whether ``T / topk_divisor`` is rounded up, as in SF-Net.

    Returns:
        Tensor: ``(B, K)``.
    """
    num_snippets = mask.sum(1)
    top_counts = top_count(num_snippets, topk_divisor, round_up).clamp(min=1)
    most = max(1, top_count(mask.shape[1], topk_divisor, round_up))
    is_padding = ~mask[..., None]
    top = scores.masked_fill(is_padding, -torch.inf).topk(most, dim=1).values  # as many as the longest video needs
    beyond = torch.arange(top.shape[1], device=top.device) >= top_counts[:, None]  # more than the video needs
    pooled = top.masked_fill(beyond[..., None], 0).sum(1) / top_counts[:, None]
    if labels is None:
        return pooled
    mean = scores.masked_fill(is_padding, 0).sum(1) / num_snippets[:, None]
    return torch.where(labels > 0, pooled, mean)


def largest_of_video(scores: Tensor, mask: Tensor, divisor: float) -> Tensor:
    """Choose the ``max(1, T // divisor)`` snippets with the largest scores, by video and class; ``(B, T, C)`` bool."""
    count = top_count(mask.sum(1), divisor).clamp(min=1)
    order = scores.masked_fill(~mask[..., None], -torch.inf).argsort(dim=1, descending=True, stable=True)
    place = torch.arange(mask.shape[1], device=mask.device)[None, :, None].expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, place)
    return (rank < count[:, None, None]) & mask[..., None]


def bounded_cross_entropy(scores: Tensor, labels: Tensor, reduction: str = 'mean') -> tuple[Tensor, Tensor]:
    """Binary cross-entropy of scores that are clamped away from 0 and 1, where its value and slope are infinite.

    Args:
        scores (Tensor): Any shape, in [0, 1].
        labels (Tensor): 0/1, of the same shape and data type.
        reduction: ``'mean'`` or ``'none'``.

    Returns:
        tuple[Tensor, Tensor]: The clamped scores, and the loss.
    """
    scores = F.hardtanh(scores, _SCORE_EPS, 1 - _SCORE_EPS)  # a clamp with a short backward pass
    with torch.autocast(scores.device.type, enabled=False):  # autocast refuses this loss; scores are float32 anyway
        return scores, F.binary_cross_entropy(scores, labels, reduction=reduction)


@MODELS.register_module()
class VideoLevelLoss(nn.Module):
    """Video-level loss ``L_vid = L_fore + L_back``, binary cross-entropies of video-level scores (Eq. 2-4).

    Args:
        topk_divisor: Video-level scores are means of the ``T // topk_divisor`` largest snippet scores.
        absent_classes: How classes absent from the video are pooled: ``'topk'``, as present classes, or ``'mean'`` over
            all snippets (LACP).
        reduction: Reduction over the C + 1 classes. ``'sum'`` is what the paper prints. ``'mean'`` keeps the loss in
            balance with the other terms at lambda_1 = 1. Over videos, the loss is always a mean.
        loss_weight: lambda_1 of Eq. 15.
    """

    def __init__(
        self, topk_divisor: float = 8, absent_classes: str = 'topk', reduction: str = 'mean', loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        check_numbers('VideoLevelLoss', 1, topk_divisor=topk_divisor)
        check_numbers('VideoLevelLoss', 0, loss_weight=loss_weight)
        if absent_classes not in ('topk', 'mean'):
            raise InputError("'topk' or 'mean'", field='VideoLevelLoss.absent_classes', found=absent_classes)
        if reduction not in ('mean', 'sum'):
            raise InputError("'mean' or 'sum'", field='VideoLevelLoss.reduction', found=reduction)
        self.topk_divisor = topk_divisor
        self.absent_classes = absent_classes
        self.reduction = reduction
        self.loss_weight = loss_weight

    def forward(
        self,
        class_scores: Tensor,
        background_scores: Tensor,
        mask: Tensor,
        video_labels: Tensor,
        foreground_scores: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the two terms.

        Args:
            class_scores (Tensor): ``(B, T, C)``, q.
            background_scores (Tensor): ``(B, T)``, b.
            mask (Tensor): ``(B, T)`` bool.
            video_labels (Tensor): ``(B, C)`` 0/1, y.
            foreground_scores (Tensor, optional): ``(B, C + 1)``, Q_f; without it there is no ``loss_foreground``.

        Returns:
            dict[str, Tensor]: ``loss_background`` (Eq. 3) and ``loss_foreground`` (Eq. 2), scalars.
        """
        labels = F.pad(video_labels, (0, 1), value=1.0)  # every video has some background
        scores = torch.cat([class_scores, background_scores[..., None]], -1)
        pooling_labels = labels if self.absent_classes == 'mean' else None
        losses = dict(
            loss_background=self._cross_entropy(
                pool_video_scores(scores, mask, self.topk_divisor, pooling_labels), labels
            )
        )
        if foreground_scores is not None:
            labels = F.pad(video_labels, (0, 1), value=0.0)  # Q_f is the foreground: background is absent
            losses['loss_foreground'] = self._cross_entropy(foreground_scores, labels)
        return losses

    def _cross_entropy(self, scores, labels):
        _, loss = bounded_cross_entropy(scores, labels.to(scores.dtype))
        # The sum over classes is the number of classes times the mean.
        return self.loss_weight * (loss if self.reduction == 'mean' else loss * labels.shape[1])


def video_cross_entropy(video_logits: Tensor, video_labels: Tensor, background: bool) -> Tensor:
    """Cross-entropy of a softmax over classes and background; in the target, the video's classes have equal shares.

    Args:
        video_logits (Tensor): ``(B, C + 1)`` video-level logits, background last.
        video_labels (Tensor): ``(B, C)`` 0/1, y.
        background: Whether background counts as one more class that every video shows.

    Returns:
        Tensor: Scalar, mean over the videos that have a label.
    """
    labels = F.pad(video_labels, (0, 1), value=float(background))
    count = labels.sum(1)
    loss = -(labels * video_logits.float().log_softmax(1)).sum(1) / count.clamp(min=1)
    return loss.sum() / (count > 0).sum().clamp(min=1)


@MODELS.register_module()
class VideoSoftmaxLoss(nn.Module):
    """Video-level loss of methods whose classes compete: :func:`video_cross_entropy` of top-k pooled logits.

    Args:
        background: Whether background counts as a class that every video shows.
        topk_divisor: A video-level logit is the mean of the ``T / topk_divisor`` largest snippet logits.
        round_up: Whether ``T / topk_divisor`` is rounded up; otherwise down, but to at least 1.
        loss_weight: Factor of the loss.
    """

    def __init__(
        self, background: bool = False, topk_divisor: float = 8, round_up: bool = False, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        check_numbers('VideoSoftmaxLoss', 1, topk_divisor=topk_divisor)
        check_numbers('VideoSoftmaxLoss', 0, loss_weight=loss_weight)
        check_flags('VideoSoftmaxLoss', background=background, round_up=round_up)
        self.background = background
        self.topk_divisor = topk_divisor
        self.round_up = round_up
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, mask: Tensor, video_labels: Tensor) -> Tensor:
        """Loss of padded logits.

        Args:
            logits (Tensor): ``(B, T, C + 1)``, background last.
            mask (Tensor): ``(B, T)`` bool.
            video_labels (Tensor): ``(B, C)`` 0/1, y.

        Returns:
            Tensor: Scalar.
        """
        pooled = pool_video_scores(logits, mask, self.topk_divisor, round_up=self.round_up)
        return self.loss_weight * video_cross_entropy(pooled, video_labels, self.background)
