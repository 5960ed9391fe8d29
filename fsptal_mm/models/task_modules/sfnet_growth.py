"""Growth of point labels: similar snippets near a point take its labels (SF-Net: Ma et al., ECCV 2020)."""

from dataclasses import replace

import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor
from torch.nn import functional as F

from fsptal_mm.structures import PointTargets
from fsptal_mm.utils.errors import check_flags, check_numbers


@TASK_UTILS.register_module()
class SFNetGrowth:
    """Growth of the labels of a point to similar snippets near it; the host does not wait for the device.

    From a point p in direction v = -1, +1, snippets q = p + v, p + 2 v, ... are visited, up to a labelled snippet or
    to the last but one of the video. Snippet q takes p's labels if p + v, q and q + v have the same best class, and if
    the mean logit of p's classes at q is at least ``ratio`` times the mean logit at p. If q does not take them, the
    next q is visited all the same.

    Args:
        radius: Number of snippets that are visited in each direction.
        ratio: Least ratio of the mean logits at q and at p. If the mean logit at p is negative, this demands a higher
            one at q.
        compare_with_first: Compare the best class of q and q + v with the best class of p + v, as in the public code.
            ``False``: with the best class of q - v, the neighbour of q on the other side.
        needs_class: Whether the best class must also be one of p's classes.
    """

    def __init__(
        self, radius: int = 3, ratio: float = 0.95, compare_with_first: bool = True, needs_class: bool = False
    ) -> None:
        check_numbers('SFNetGrowth', 0, whole=True, radius=radius)
        check_numbers('SFNetGrowth', 0, ratio=ratio)
        check_flags('SFNetGrowth', compare_with_first=compare_with_first, needs_class=needs_class)
        self.radius = radius
        self.ratio = ratio
        self.compare_with_first = compare_with_first
        self.needs_class = needs_class

    @torch.no_grad()
    def __call__(self, logits: Tensor, targets: PointTargets) -> PointTargets:
        """Grow the given labels.

        Args:
            logits (Tensor): ``(B, T, C)`` class logits without dropout.
            targets (PointTargets): The given labels.

        Returns:
            PointTargets: Given and grown labels.
        """
        given, mask = targets.snippet_instances, targets.mask
        # By definition, points grow one by one in time order, each to its left and then to its right. Only growths of
        # two neighbouring points can meet: the first point has grown to its right before the second point grows to its
        # left and stops there. So all points may grow to their right at once, and then to their left.
        to_right = self._grow_to_right(logits, given, targets.is_action, mask)
        grown = torch.where(to_right >= 0, to_right, given)
        occupied = grown.amax(-1) >= 0
        backwards = (part.flip(1) for part in (logits, given, occupied, mask))
        to_left = self._grow_to_right(*backwards).flip(1)
        return replace(targets, snippet_instances=torch.where(to_left >= 0, to_left, grown))

    def _grow_to_right(self, logits, given, occupied, mask):
        """Instances ``(B, T, C)`` of the snippets to the right of given points that take their labels; -1 elsewhere."""
        labels = given >= 0
        count = labels.sum(-1)
        best = logits.argmax(-1)

        def score(values):
            """Mean of ``(B, T, C)`` values over the classes of the point at each snippet."""
            return (values * labels).sum(-1) / count.clamp(min=1)

        # All points at once: entry t of each array is about the point p at t, and each step about q = p + step.
        grown, visits = torch.full_like(given, -1), count > 0
        for step in range(1, self.radius + 1):
            here, behind = _ahead(best, step), _ahead(best, step + 1)
            visits = visits & _ahead(mask, step + 1) & ~_ahead(occupied, step)
            before = _ahead(best, 1 if self.compare_with_first else step - 1)
            takes = visits & (before == here) & (here == behind)
            takes = takes & (score(_ahead(logits, step)) >= self.ratio * score(logits))
            if self.needs_class:
                takes = takes & labels.gather(-1, here[..., None])[..., 0]
            taken = given.masked_fill(~takes[..., None], -1)  # at the place of p; the next line moves it to q
            grown = torch.maximum(grown, F.pad(taken, (0, 0, step, 0), value=-1)[:, : given.shape[1]])
        return grown


def _ahead(values, step):
    """Shift ``(B, T, ...)`` values: entry t becomes that of snippet ``t + step``; 0 or False beyond the last one."""
    padding = values.new_zeros(len(values), step, *values.shape[2:])
    return torch.cat([values, padding], 1)[:, step:]
