"""Score contrast loss (paper: Sec. 3.4, Eq. 8-9)."""

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.models.precision import dtype_of_sums
from fsptal_mm.structures import SegmentLabels
from fsptal_mm.utils.errors import check_numbers


def outer_inner_contrast(scores: Tensor, segments: SegmentLabels) -> Tensor:
    """Outer-inner contrast ``R(SL_c)``, averaged over the segments of a group.

    Args:
        scores (Tensor): ``(B, T, C)`` final scores, q-hat.
        segments (SegmentLabels): N segments in G groups.

    Returns:
        Tensor: ``(G,)`` float32 in [-1, 1]; see :func:`segment_contrast`.
    """
    return group_mean(segment_contrast(scores, segments), segments.group, len(segments.video)).float()


def segment_contrast(scores: Tensor, segments: SegmentLabels) -> Tensor:
    """Mean score inside each segment minus the mean in its outer ranges; memory grows with ``G T + N``, not ``N T``.

    Args:
        scores (Tensor): ``(B, T, C)`` final scores, q-hat.
        segments (SegmentLabels): N segments in G groups; for a segment of background, the scores are 1 - q-hat. If
            both outer ranges of a segment are empty, their mean counts as 0.

    Returns:
        Tensor: ``(N,)`` float64 in [-1, 1]; float32 on a device that has no float64.
    """
    _, num_snippets, num_classes = scores.shape
    rows = F.pad(scores.mT, (1, 0)).flatten(0, 1)  # (B * C, T + 1), a zero before the first snippet
    rows = rows.index_select(0, torch.add(segments.label, segments.video, alpha=num_classes))  # (G, T + 1)
    cumulated = rows.cumsum(1, dtype=dtype_of_sums(rows.device))  # entry p: sum of all scores before position p
    edges = torch.stack([segments.outer_start, segments.start, segments.stop, segments.outer_stop])  # (4, N)
    place = torch.add(edges, segments.group, alpha=num_snippets + 1)
    sums = cumulated.flatten().index_select(0, place.flatten()).view_as(place)
    left, length, right = edges.diff(dim=0).to(cumulated.dtype)
    outer_length = left + right
    # With the sums S0, S1, S2 and S3 before the four edges, the contrast is
    # (S2 - S1) / length - (S1 - S0 + S3 - S2) / outer_length. These are the factors of the four sums in it.
    outer = outer_length.clamp(min=1).reciprocal()
    both = length.reciprocal() + outer
    factors = torch.stack([outer, -both, both, -outer])
    # The contrast of 1 - q-hat is (1 - inner) - (1 - outer) = -(inner - outer); without outer range, it is 1 - inner.
    factors = torch.where(segments.is_background, -factors, factors)
    constant = segments.is_background & (outer_length == 0)
    return (sums * factors).sum(0) + constant


def group_mean(values: Tensor, group: Tensor, num_groups: int, chosen: Tensor | None = None) -> Tensor:
    """Mean of the values of each group.

    Args:
        values (Tensor): ``(..., N)``.
        group (Tensor): ``(N,)`` int64, the group of each value.
        num_groups: Number of groups, G.
        chosen (Tensor, optional): ``(..., N)`` bool, which values count; all by default.

    Returns:
        Tensor: ``(..., G)``, 0 for a group without a value that counts.
    """
    zeros, counted = values.new_zeros(*values.shape[:-1], num_groups), torch.ones_like(values)
    if chosen is not None:
        values, counted = values.masked_fill(~chosen, 0), chosen.to(values.dtype)
    return zeros.index_add(-1, group, values) / zeros.index_add(-1, group, counted).clamp(min=1)


@MODELS.register_module()
class OICLoss(nn.Module):
    """Score contrast loss ``L_score``: squared distance of the contrast of each class from 1 (Eq. 9).

    Args:
        loss_weight: lambda_3 of Eq. 15.
    """

    def __init__(self, loss_weight: float = 1.0) -> None:
        super().__init__()
        check_numbers('OICLoss', 0, loss_weight=loss_weight)
        self.loss_weight = loss_weight

    def forward(self, scores: Tensor, segments: SegmentLabels) -> dict[str, Tensor]:
        """Compute the loss.

        Args:
            scores (Tensor): ``(B, T, C)`` final scores, q-hat, with gradient.
            segments (SegmentLabels): The best segments; see ``SegmentSearcher``.

        Returns:
            dict[str, Tensor]: ``loss_score``: mean over the groups of a video, which are its classes that have segments
            (0 if there is none), then mean over videos.
        """
        contrast = outer_inner_contrast(scores, segments)
        distance = F.mse_loss(contrast, torch.ones_like(contrast), reduction='none')
        return dict(loss_score=self.loss_weight * group_mean(distance, segments.video, len(scores)).mean())
