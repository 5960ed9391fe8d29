"""Point-level focal loss (paper: Sec. 3.3, Eq. 5-7)."""

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.structures import PointTargets
from fsptal_mm.utils.errors import check_numbers

from .video_level import bounded_cross_entropy


def point_focal_loss(
    scores: Tensor, background_scores: Tensor, targets: PointTargets, exponent: float = 2
) -> tuple[Tensor, Tensor]:
    """Focal binary cross-entropy on labelled snippets.

    Args:
        scores (Tensor): ``(B, T, C)`` final scores, q-hat.
        background_scores (Tensor): ``(B, T)`` background scores, b.
        targets (PointTargets): Given and mined labels.
        exponent: Focusing exponent.

    Returns:
        tuple[Tensor, Tensor]: Eq. 5 over action snippets and Eq. 6 over background snippets. Each is summed over
        classes, then averaged over the labelled snippets of this kind in a video (0 if there are none), then over
        videos.
    """
    # One array of targets serves both kinds of snippets: on background, all classes are 0 and b is 1; on actions, the
    # target of b is not used.
    scores = torch.cat([scores, background_scores[..., None]], -1)
    labels = F.pad(targets.labels.to(scores.dtype), (0, 1), value=1.0)
    scores, loss = bounded_cross_entropy(scores, labels, reduction='none')
    squared_distance = F.mse_loss(scores, labels, reduction='none')
    return _snippet_means(targets, loss * squared_distance ** (exponent / 2))


def _snippet_means(targets, loss):
    """Average ``(B, T, C + 1)`` losses over the labelled snippets of a video, then over videos; a scalar for each kind.

    The kinds are action snippets, on which the loss of b does not count (Eq. 5), and background snippets (Eq. 6).
    """
    of_classes, of_background = loss.split([loss.shape[-1] - 1, 1], -1)
    on_action = of_classes.sum(-1)
    on_background = on_action + of_background.squeeze(-1)
    # (2, B, T): 1 / number of snippets of the kind in the video, and 0 on other snippets.
    share = targets.kinds / targets.kinds.sum(-1, keepdim=True).clamp(min=1)
    return tuple((torch.stack([on_action, on_background]) * share).sum(-1).mean(-1).unbind())


@MODELS.register_module()
class PointFocalLoss(nn.Module):
    """Point-level loss ``L_point = L_p_act + L_p_bkg`` (Eq. 5-7), see :func:`point_focal_loss`.

    Args:
        exponent: Focusing exponent, 2 in the paper.
        background_weight: Weight of Eq. 6 relative to Eq. 5; 1 in the paper. A larger weight makes up for easy
            background among the labels, which makes the mean of Eq. 6 small.
        loss_weight: lambda_2 of Eq. 15.
    """

    def __init__(self, exponent: float = 2, background_weight: float = 1.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        weights = dict(background_weight=background_weight, loss_weight=loss_weight)
        check_numbers('PointFocalLoss', 0, exponent=exponent, **weights)
        self.exponent = exponent
        self.background_weight = background_weight
        self.loss_weight = loss_weight

    def forward(self, scores: Tensor, background_scores: Tensor, targets: PointTargets) -> dict[str, Tensor]:
        """Compute :func:`point_focal_loss`; returns a dict with ``loss_point_action`` and ``loss_point_background``."""
        on_action, on_background = point_focal_loss(scores, background_scores, targets, self.exponent)
        return dict(
            loss_point_action=self.loss_weight * on_action,
            loss_point_background=self.loss_weight * self.background_weight * on_background,
        )


@MODELS.register_module()
class ElementwisePointLoss(nn.Module):
    """Point-level loss by an element-wise loss of OpenMMLab, such as ``mmdet.FocalLoss``, averaged as in Eq. 5-7.

    Args:
        loss (dict): Config of a module ``(pred, target, reduction_override='none')`` on ``(N, C + 1)`` probabilities
            and 0/1 targets, background last; e.g. ``dict(type='mmdet.FocalLoss', activated=True)``.
        background_weight: Weight of the mean over background snippets; that over action snippets has the weight 1.
    """

    def __init__(self, loss: dict, background_weight: float = 1.0) -> None:
        super().__init__()
        check_numbers('ElementwisePointLoss', 0, background_weight=background_weight)
        self.loss = MODELS.build(loss)
        self.background_weight = background_weight

    def forward(self, scores: Tensor, background_scores: Tensor, targets: PointTargets) -> dict[str, Tensor]:
        """Compute the loss; arguments and result as in :meth:`PointFocalLoss.forward`."""
        pred = torch.cat([scores, background_scores[..., None]], -1)
        target = torch.cat([targets.labels, targets.background_labels[..., None]], -1).to(pred.dtype)
        loss = self.loss(pred.flatten(0, 1), target.flatten(0, 1), reduction_override='none').view_as(pred)
        on_action, on_background = _snippet_means(targets, loss)
        return dict(loss_point_action=on_action, loss_point_background=self.background_weight * on_background)
