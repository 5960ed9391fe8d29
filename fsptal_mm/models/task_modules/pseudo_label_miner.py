"""Pseudo-label mining (method: Sec. 3.3, Algorithm 2)."""

from dataclasses import replace

import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor

from fsptal_mm.structures import PointTargets
from fsptal_mm.utils.errors import check_numbers

from .neighbours import Neighbours

_ABOVE_SCORES = 2.0  # which lie in [0, 1]


@TASK_UTILS.register_module()
class PseudoLabelMiner:
    """Finds background and action snippets between the given points, for a whole batch at once.

    Work and memory grow linearly with the number of snippets; nothing waits for the device.

    Args:
        background_threshold: gamma_bkg, above which a snippet without a point is background (rule 1). ``None`` leaves
            only the best background snippet of each interval (rule 2).
        action_threshold: gamma_act, up to which the background score of a mined action snippet may go (rule 4).
            ``None`` mines no action. Both ``None`` is module B switched off.
    """

    def __init__(self, background_threshold: float | None = 0.85, action_threshold: float | None = 0.25) -> None:
        thresholds = dict(background_threshold=background_threshold, action_threshold=action_threshold)
        check_numbers(type(self).__name__, 0, optional=True, **thresholds)
        self.background_threshold = background_threshold
        self.action_threshold = action_threshold

    @torch.no_grad()
    def __call__(self, scores: Tensor, background_scores: Tensor, targets: PointTargets) -> PointTargets:
        """Mine labels from scores that saw no dropout.

        Args:
            scores (Tensor): ``(B, T, C)`` final scores, q-hat.
            background_scores (Tensor): ``(B, T)``, b.
            targets (PointTargets): The given labels.

        Returns:
            PointTargets: Given and mined labels.
        """
        points = Neighbours(targets.is_action)
        background, found = self._mine_background(background_scores, targets, points)
        instances = targets.snippet_instances
        if self.action_threshold is not None:
            instances = self._mine_actions(scores, background_scores, background, targets, points, found)
        return replace(targets, snippet_instances=instances, background_labels=background)

    def _mine_background(self, background_scores, targets, points):
        """Rules 1 to 3: background ``(B, T)``, and what rules 1 and 2 found of it, as :class:`Neighbours`."""
        free = targets.mask.masked_fill(points.here, False)
        background = targets.background_labels
        if self.background_threshold is not None:
            background = background | (background_scores > self.background_threshold)
        background = background & free
        background = background | self._best_of_empty_intervals(background_scores, background, free, targets, points)
        found = Neighbours(background)
        # Rule 3: what has background on both sides before a point comes, such as all background itself.
        return (found.left > points.left) & (found.right < points.right), found

    @staticmethod
    def _best_of_empty_intervals(background_scores, background, free, targets, points):
        """Rule 2: the best background snippet of every interval between points that has none so far."""
        num_snippets = free.shape[1]
        inside_instance = _continue_the_last_point(targets, points).gather(1, points.right.clamp(max=num_snippets - 1))
        interval = points.here.cumsum(1)  # k for the snippets between the k-th and the next point
        bins = len(free), num_snippets + 1
        # Where an interval has background, that is the best one of it: no other snippet is named.
        level = background_scores.masked_fill(~free | inside_instance, -1).masked_fill(background, _ABOVE_SCORES)
        best = level.new_zeros(bins).scatter_reduce(1, interval, level, 'amax').gather(1, interval)
        place = points.index.masked_fill(level != best, num_snippets)
        first = place.new_full(bins, num_snippets).scatter_reduce(1, interval, place, 'amin').gather(1, interval)
        return points.index == first

    def _mine_actions(self, scores, background_scores, background, targets, points, found):
        """Rule 4: snippets that look like the nearest given point, with no background in between."""
        labelled = points.here | background
        candidate = targets.mask.masked_fill(labelled, False) & (background_scores <= self.action_threshold)
        num_videos, num_snippets, _ = targets.labels.shape
        video = torch.arange(num_videos, device=candidate.device)[:, None]
        nearest = torch.stack([points.left, points.right])  # (2, B, T)
        # Rule 3 fills gaps in background: the nearest background of a candidate is the one of rules 1 and 2.
        reachable = torch.stack([found.left < points.left, found.right > points.right])
        alike = targets.labels[video, nearest.clamp(0, num_snippets - 1), scores.argmax(-1)]
        takes_left, takes_right = candidate & reachable & alike
        # The snippet whose label each one takes. The two can both apply only within one run of one instance.
        source = torch.where(takes_left, points.left, torch.where(takes_right, points.right, points.index))
        return targets.snippet_instances.gather(1, source[..., None].expand_as(targets.snippet_instances))


def _continue_the_last_point(targets, points):
    """``(B, T)`` bool: points that share an instance with the point before them; arbitrary for the first snippet."""
    last = points.before.clamp(min=0)[..., None].expand_as(targets.labels)
    return ((targets.snippet_instances.gather(1, last) == targets.snippet_instances) & targets.labels).any(-1)
