"""Losses of DELU (Chen et al., ECCV 2022): one on evidence for video labels, one on attention, weighted by uncertainty.

Evidence for a class is ``exp(logit)``; a snippet or a video with little evidence for all classes is uncertain.
"""

from collections.abc import Sequence

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from fsptal_mm.utils.errors import InputError, check_numbers

from .video_level import largest_of_video

_LARGEST_LOGIT = 10  # as in the public code: evidence exp(logit) lies between exp(-10) and exp(10)
_COURSES = ('rank', 'gather')


def concentrations(logits: Tensor) -> Tensor:
    """Parameters of a Dirichlet distribution over classes, ``alpha = 1 + exp(logit)``, in float32."""
    return 1 + logits.float().clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT).exp()


def evidence_loss(video_logits: Tensor, video_labels: Tensor) -> Tensor:
    """Compute ``sum_c g_c (log S - log alpha_c)`` with ``S = sum_c alpha_c``: small if evidence fits the video labels.

    Here ``alpha_c = 1 + exp(logit_c)``, and ``g_c = (1 - C / S) |y| (y_c / alpha_c) / sum_j (y_j / alpha_j)``. So a
    certain video counts more than an uncertain one, and within a video, a class with little evidence counts more. The
    certainty ``1 - C / S`` has no gradient, as in the public code.

    Args:
        video_logits (Tensor): ``(B, C)``, without background.
        video_labels (Tensor): ``(B, C)`` 0/1, y.

    Returns:
        Tensor: Scalar, mean over the videos that have a label.
    """
    alpha = concentrations(video_logits)
    total, count = alpha.sum(1, keepdim=True), video_labels.sum(1, keepdim=True)
    certainty = 1 - alpha.shape[1] / total.detach()
    share = video_labels / alpha
    share = share / share.sum(1, keepdim=True).where(count > 0, 1)
    loss = (certainty * count * share * (total.log() - alpha.log())).sum(1)
    return loss.sum() / (count > 0).sum().clamp(min=1)


def course_weights(
    uncertainty: Tensor, mask: Tensor, progress: float, amplitude: float = 0.7, course: str = 'rank'
) -> Tensor:
    """Weights of snippets: at first the uncertain ones of a video count more, in the end the certain ones.

    A weight is ``1 + amplitude tanh(theta delta)``. Theta goes from -1 for the most certain snippet of a video to 1 for
    the most uncertain one; delta goes from 1 to -1 over the training.

    Args:
        uncertainty (Tensor): ``(B, T)``.
        mask (Tensor): ``(B, T)`` bool.
        progress: Share of the training that is over, from 0 to 1.
        amplitude: A weight differs from 1 by less than this.
        course: ``'rank'``: theta grows with the rank of a snippet, 0 for the most certain one. ``'gather'``, as in the
            public code: theta of snippet t grows with the index of the snippet of rank t. Example: uncertainties of
            0.9, 0.1 and 0.5 have the ranks 2, 0, 1; ``'gather'`` takes 1, 2, 0 in their place.

    Returns:
        Tensor: ``(B, T)``, arbitrary but finite on padded snippets.
    """
    order = uncertainty.detach().masked_fill(~mask, torch.inf).argsort(dim=1, stable=True)
    place = order
    if course == 'rank':
        rank = torch.arange(mask.shape[1], device=mask.device).expand_as(order)
        place = torch.empty_like(order).scatter_(1, order, rank)
    theta = 2 * (place + 0.5) / mask.sum(1, keepdim=True) - 1
    return 1 + amplitude * (theta * (1 - 2 * progress)).tanh()


def guide_distances(attentions: Sequence[Tensor], background_scores: Tensor) -> Tensor:
    """Mean of ``|1 - a - b|`` over the attentions a, which should be high where the background score b is low.

    All arguments and the result are ``(B, T)``.
    """
    return sum((1 - attention - background_scores).abs() for attention in attentions) / len(attentions)


def video_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``(B, T)`` values over the snippets of each video (where the bool mask is true), then over videos."""
    return (values.masked_fill(~mask, 0).sum(1) / mask.sum(1)).mean()


@MODELS.register_module()
class EvidenceLoss(nn.Module):
    """Module of :func:`evidence_loss`, on mean logits at the ``max(1, T // topk_divisor)`` most attended snippets.

    Args:
        topk_divisor: Divisor of the number T of snippets of a video.
        loss_weight: Factor of the loss.
    """

    def __init__(self, topk_divisor: float = 9, loss_weight: float = 1.0) -> None:
        super().__init__()
        check_numbers('EvidenceLoss', 1, topk_divisor=topk_divisor)
        check_numbers('EvidenceLoss', 0, loss_weight=loss_weight)
        self.topk_divisor = topk_divisor
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, attention: Tensor, mask: Tensor, video_labels: Tensor) -> Tensor:
        """Compute the loss.

        Args:
            logits (Tensor): ``(B, T, C + 1)``, background last; background is not used.
            attention (Tensor): ``(B, T)``.
            mask (Tensor): ``(B, T)`` bool.
            video_labels (Tensor): ``(B, C)`` 0/1, y.

        Returns:
            Tensor: Scalar.
        """
        chosen = largest_of_video(attention.detach()[..., None], mask, self.topk_divisor)
        video_logits = logits[..., :-1].masked_fill(~chosen, 0).sum(1) / chosen.sum(1)
        return self.loss_weight * evidence_loss(video_logits, video_labels)


@MODELS.register_module()
class UncertaintyGuideLoss(nn.Module):
    """Mean of :func:`guide_distances`, weighted by :func:`course_weights`; a snippet with little evidence is uncertain.

    Args:
        amplitude: See :func:`course_weights`.
        course: See :func:`course_weights`.
        loss_weight: Factor of the loss.
    """

    def __init__(self, amplitude: float = 0.7, course: str = 'rank', loss_weight: float = 1.0) -> None:
        super().__init__()
        check_numbers('UncertaintyGuideLoss', 0, amplitude=amplitude, loss_weight=loss_weight)
        if course not in _COURSES:
            raise InputError(f'one of {_COURSES}', field='UncertaintyGuideLoss.course', found=course)
        self.amplitude = amplitude
        self.course = course
        self.loss_weight = loss_weight

    def forward(self, logits: Tensor, distances: Tensor, mask: Tensor, progress: float) -> Tensor:
        """Compute the loss.

        Args:
            logits (Tensor): ``(B, T, C + 1)``; the sum of evidence over all classes tells how certain a snippet is.
            distances (Tensor): ``(B, T)``, see :func:`guide_distances`.
            mask (Tensor): ``(B, T)`` bool.
            progress: Share of the training that is over, from 0 to 1.

        Returns:
            Tensor: Scalar.
        """
        uncertainty = 1 / concentrations(logits).sum(-1)  # without the factor C of DELU, since only the order counts
        weights = course_weights(uncertainty, mask, progress, self.amplitude, self.course)
        return self.loss_weight * video_mean(weights * distances, mask)
