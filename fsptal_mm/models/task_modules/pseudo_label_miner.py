"""Pseudo-label mining (paper: Sec. 3.3, Algorithm 2)."""

from dataclasses import replace

import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor

from fsptal_mm.structures import PointTargets
from fsptal_mm.utils.errors import check_numbers

from .neighbours import Neighbours

_ABOVE_SCORES = 2.0  # higher than every score; scores lie in [0, 1]


@TASK_UTILS.register_module()
class PseudoLabelMiner:
    """Miner of background and action snippets between the given points, for a whole batch at once.

    An interval is the stretch between two neighbouring points, before the first point or after the last one. The rules:

    1. A snippet without a point is background if its background score b is above ``background_threshold``.
    2. In an interval without background so far, the snippet of the highest b is background, unless both points belong
       to the same instance.
    3. All snippets between the first and the last background snippet of an interval are background.
    4. A snippet takes the label of the nearest point on one side if its b is at most ``action_threshold``, its best
       class is one of the point's, and no background lies between snippet and point.

    Work and memory grow linearly with the number of snippets; nothing waits for the device.

    Args:
        background_threshold: gamma_bkg. ``None`` switches rule 1 off.
        action_threshold: gamma_act. ``None`` switches rule 4 off. If both are ``None``, module B is off.
    """

    def __init__(self, background_threshold: float | None = 0.85, action_threshold: float | None = 0.25) -> None:
        thresholds = dict(background_threshold=background_threshold, action_threshold=action_threshold)
        check_numbers(type(self).__name__, 0, optional=True, **thresholds)
        self.background_threshold = background_threshold
        self.action_threshold = action_threshold

    @torch.no_grad()
    def __call__(self, scores: Tensor, background_scores: Tensor, targets: PointTargets) -> PointTargets:
        """Mine labels from scores that were computed without dropout.

        Args:
            scores (Tensor): ``(B, T, C)`` final scores, q-hat.
            background_scores (Tensor): ``(B, T)``, b.
            targets (PointTargets): The given labels.

        Returns:
            PointTargets: Given and mined labels.
        """
        points = Neighbours(targets.is_action)
        background, ends = self._mine_background(background_scores, targets, points)
        instances = targets.snippet_instances
        if self.action_threshold is not None:
            instances = self._mine_actions(scores, background_scores, background, targets, points, ends)
        return replace(targets, snippet_instances=instances, background_labels=background)

    def _mine_background(self, background_scores, targets, points):
        """Apply rules 1 to 3.

        Returns:
            tuple: Background ``(B, T)``; and, as a pair ``(B, T)`` and ``(B, T)``, its first and its last snippet in
            the interval of each snippet: T and -1 where an interval has no background.
        """
        free = targets.mask.masked_fill(points.here, False)
        background = targets.background_labels
        if self.background_threshold is not None:
            background = background | (background_scores > self.background_threshold)
        background = background & free
        num_snippets = free.shape[1]
        # Rule 2: `first` is the first snippet of the highest b in every interval. On background so far, b counts as 2,
        # so that in an interval with background, `first` is background already. Between two points of one instance, b
        # counts as -1, as on points, and no snippet is chosen.
        inside_instance = _continue_the_last_point(targets, points).gather(1, points.right.clamp(max=num_snippets - 1))
        level = background_scores.masked_fill(~free | inside_instance, -1).masked_fill(background, _ABOVE_SCORES)
        interval = points.here.cumsum(1)  # 0 before the first point, k from the k-th point to the next one
        place = points.index.masked_fill(level != _reduce(level, interval, 'amax', 0), num_snippets)
        first = _reduce(place, interval, 'amin', num_snippets)
        background = background | (points.index == first)
        last = _reduce(points.index.masked_fill(~background, -1), interval, 'amax', -1)
        # Rule 3.
        return (points.index >= first) & (points.index <= last), (first, last)

    def _mine_actions(self, scores, background_scores, background, targets, points, ends):
        """Rule 4: snippets that look like the nearest given point, with no background in between."""
        labelled = points.here | background
        candidate = targets.mask.masked_fill(labelled, False) & (background_scores <= self.action_threshold)
        num_videos, num_snippets, _ = targets.labels.shape
        video = torch.arange(num_videos, device=candidate.device)[:, None]
        first, last = ends
        # (2, B, T), for the left and the right point: is there no background on the way to it, and does it have the
        # best class of the snippet?
        reachable = torch.stack([points.index < first, points.index > last])
        # Without a point on that side, `nearest` is the first or last snippet, which then has no label.
        nearest = torch.stack([points.left, points.right]).clamp(0, num_snippets - 1)
        alike = targets.labels[video, nearest, scores.argmax(-1)]
        takes_left, takes_right = candidate & reachable & alike
        # The snippet whose label each snippet takes; itself if it takes none. Both sides apply at once only between two
        # points of one instance without background in between, so that the choice of the left point changes nothing.
        source = torch.where(takes_left, points.left, torch.where(takes_right, points.right, points.index))
        return targets.snippet_instances.gather(1, source[..., None].expand_as(targets.snippet_instances))


def _reduce(values, interval, how, empty):
    """For every snippet, the least or largest among ``empty`` and the ``(B, T)`` values in its interval."""
    bins = values.new_full((len(values), values.shape[1] + 1), empty)
    return bins.scatter_reduce(1, interval, values, how).gather(1, interval)


def _continue_the_last_point(targets, points):
    """Points that belong to the instance of the point before them, ``(B, T)`` bool; arbitrary for the first snippet."""
    last = points.before.clamp(min=0)[..., None].expand_as(targets.labels)
    return ((targets.snippet_instances.gather(1, last) == targets.snippet_instances) & targets.labels).any(-1)
