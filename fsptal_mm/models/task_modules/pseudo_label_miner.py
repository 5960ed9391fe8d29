"""Pseudo-label mining (method: Sec. 3.3, Algorithm 2)."""

from dataclasses import replace

import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor

from fsptal_mm.structures import NO_INSTANCE, PointTargets
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
        between = Neighbours(targets.is_action)
        background = self._mine_background(background_scores, targets, between)
        instances = targets.snippet_instances
        if self.action_threshold is not None:
            instances = self._mine_actions(scores, background_scores, background, targets, between)
        return replace(targets, snippet_instances=instances, background_labels=background)

    def _mine_background(self, background_scores, targets, points):
        free = targets.mask & ~points.here
        background = targets.background_labels & free
        if self.background_threshold is not None:
            background = background | (free & (background_scores > self.background_threshold))
        background = background | self._best_of_empty_intervals(background_scores, background, free, targets, points)
        own = Neighbours(background)
        joined = (own.left > points.left) & (own.right < points.right)  # rule 3: no point in between
        return background | (joined & free)

    @staticmethod
    def _best_of_empty_intervals(background_scores, background, free, targets, points):
        """Rule 2: the best background snippet of every interval between points that has none so far."""
        num_snippets = free.shape[1]
        inside_instance = _continue_the_last_point(targets, points).gather(1, points.right.clamp(max=num_snippets - 1))
        interval = points.here.cumsum(1)  # k for the snippets between the k-th and the next point
        bins = len(free), num_snippets + 1
        # Where an interval has background, that is the best one of it: no other snippet is named.
        level = background_scores.masked_fill(~free | inside_instance, -1).masked_fill(background, _ABOVE_SCORES)
        best = level.new_full(bins, -1).scatter_reduce(1, interval, level, 'amax').gather(1, interval)
        is_best = (level == best) & (level >= 0)
        position = torch.arange(num_snippets, device=free.device).expand_as(interval)
        position = position.masked_fill(~is_best, num_snippets)
        first = position.new_full(bins, num_snippets).scatter_reduce(1, interval, position, 'amin').gather(1, interval)
        return is_best & (position == first)

    def _mine_actions(self, scores, background_scores, background, targets, points):
        """Rule 4: snippets that look like the nearest given point, with no background in between."""
        own = Neighbours(background)
        candidate = targets.mask & ~points.here & ~background & (background_scores <= self.action_threshold)
        instances, top_class = targets.snippet_instances, scores.argmax(-1)
        num_snippets, num_classes = instances.shape[1:]
        first_of_video = torch.arange(len(instances), device=instances.device)[:, None] * num_snippets
        source = torch.arange(num_snippets, device=instances.device)  # the snippet whose label each one takes
        # The left neighbour is written last: the two can both apply only within one run of one instance.
        for point, reachable in ((points.right, own.right > points.right), (points.left, own.left < points.left)):
            inside = first_of_video + point.clamp(0, num_snippets - 1)
            alike = instances.take(inside * num_classes + top_class) != NO_INSTANCE
            source = torch.where(candidate & reachable & alike, point, source)
        return instances.take_along_dim(source[..., None], 1)


def _continue_the_last_point(targets, points):
    """``(B, T)`` bool: points that share an instance with the point before them."""
    last = points.before
    same = targets.snippet_instances.take_along_dim(last.clamp(min=0)[..., None], 1) == targets.snippet_instances
    return (same & targets.labels).any(-1) & (last >= 0)
