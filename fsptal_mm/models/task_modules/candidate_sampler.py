"""Candidates that the refinement stage is trained on."""

import math
from collections.abc import Callable, Sequence

import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor

from fsptal_mm.structures import SegmentBatch
from fsptal_mm.utils.errors import InputError, check_numbers

from .segment_assigner import SegmentTargets


@TASK_UTILS.register_module()
class CandidateSampler:
    """Sampler of candidates: proposals of stage 1, pseudo segments, jittered copies of these, and random segments.

    Candidates are sorted by their tIoU with the best pseudo segment into ranges, which ``tiou_edges`` bounds. Equally
    many are drawn from each range, since candidates on background would otherwise outnumber the others. Every pseudo
    segment itself is a candidate, however many there are, so that no labelled instance is left out.

    All videos of a batch are sampled at once, in a constant number of operations and without waiting for the device.

    Args:
        num_per_range: Largest number of candidates of a video in each range of tIoU.
        tiou_edges: Ascending edges between the ranges of tIoU.
        num_jittered: Number of jittered copies of every pseudo segment.
        jitter: Each end of a copy moves by at most this share of the segment's length.
        num_random: Number of random segments in every video, at least 1.
        random_snippets: Length of the shortest and of the longest random segment, in snippets; lengths are drawn
            uniformly on a logarithmic axis.
    """

    def __init__(
        self,
        num_per_range: int = 48,
        tiou_edges: Sequence[float] = (0.2, 0.5),
        num_jittered: int = 6,
        jitter: float = 0.5,
        num_random: int = 64,
        random_snippets: Sequence[float] = (2, 80),
    ) -> None:
        check_numbers('CandidateSampler', 1, whole=True, num_per_range=num_per_range)
        check_numbers('CandidateSampler', 0, whole=True, num_jittered=num_jittered)
        check_numbers('CandidateSampler', 1, whole=True, num_random=num_random)
        check_numbers('CandidateSampler', 0, 0.5, jitter=jitter)
        edges, lengths = tuple(tiou_edges), tuple(random_snippets)
        if sorted(set(edges)) != list(edges) or not all(0 < edge < 1 for edge in edges):
            raise InputError('ascending numbers between 0 and 1', field='CandidateSampler.tiou_edges', found=tiou_edges)
        if len(lengths) != 2 or not 0 < lengths[0] <= lengths[1]:
            expected = 'two positive numbers, the smaller one first'
            raise InputError(expected, field='CandidateSampler.random_snippets', found=random_snippets)
        self.num_per_range = num_per_range
        self.tiou_edges = edges
        self.num_jittered = num_jittered
        self.jitter = jitter
        self.num_random = num_random
        self.random_snippets = lengths

    def __call__(
        self, proposals: SegmentBatch, segments: SegmentBatch, num_snippets: Tensor, assign: Callable
    ) -> tuple[Tensor, Tensor, SegmentTargets, Tensor]:
        """Draw candidates and give them their targets.

        Every video gets the same number of rows for each range of tIoU: ``num_per_range``, or the largest number of
        pseudo segments of any video if that is more. A range with fewer candidates has empty rows at its end.

        Args:
            proposals (SegmentBatch): Proposals of stage 1. No two proposals of a video have the same start and end.
            segments (SegmentBatch): Pseudo segments.
            num_snippets (Tensor): ``(B,)`` lengths of the videos.
            assign (Callable): Function that assigns targets: takes the video indices ``(N,)`` and the candidates
                ``(N, 2)``, and returns :class:`SegmentTargets`.

        Returns:
            tuple[Tensor, Tensor, SegmentTargets, Tensor]: Video indices ``(S,)`` int64; candidates ``(S, 2)`` in
            snippets; their targets; and ``(S,)`` bool, false on the empty rows, whose values mean nothing.
        """
        own, copies = self._jittered(segments)
        random_video, random = self._random(num_snippets, segments.segments)
        video = torch.cat([segments.video, segments.video.repeat(self.num_jittered), proposals.video, random_video])
        candidates = torch.cat([own, copies, proposals.segments, random])
        end = num_snippets.to(candidates.dtype)[video]
        candidates = torch.minimum(candidates.clamp(min=0), end[:, None])
        # Jitter may reverse a copy, or move it beyond the end of the video: such copies are left out.
        is_candidate = candidates[:, 1] > candidates[:, 0]
        # Pseudo segments come first, other candidates in random order.
        order = torch.rand(len(candidates), device=candidates.device)
        order[: len(segments)] = 0
        edges = candidates.new_tensor(self.tiou_edges)
        targets = assign(video, candidates)
        tiou_range = torch.bucketize(targets.tiou, edges, right=True)
        num_ranges = len(edges) + 1
        # A group is one range of one video; the number behind the last group is for copies that are left out.
        group = torch.where(is_candidate, video * num_ranges + tiou_range, len(num_snippets) * num_ranges)
        quota = max(self.num_per_range, *segments.counts, 0)
        chosen, exists = _first_of_groups(group, order, len(num_snippets) * num_ranges, quota)
        anything = candidates.new_tensor([0.0, 1.0])  # for empty rows: finite, so that no gradient can be NaN
        chosen_candidates = torch.where(exists[:, None], candidates[chosen], anything)
        return video[chosen], chosen_candidates, targets[chosen], exists

    def _jittered(self, segments):
        """Pseudo segments themselves ``(N, 2)`` and their copies ``(num_jittered * N, 2)``."""
        own = segments.segments
        shift = own.new_empty(self.num_jittered, *own.shape).uniform_(-self.jitter, self.jitter)
        return own, (own + shift * (own[:, 1:] - own[:, :1])).flatten(0, 1)

    def _random(self, num_snippets, like):
        """Random segments: their videos ``(num_random * B,)``, and starts and ends ``(num_random * B, 2)``."""
        low, high = map(math.log, self.random_snippets)
        shape = (len(num_snippets), self.num_random)
        length, place = torch.rand(2, *shape, device=like.device, dtype=like.dtype)
        length = torch.minimum((low + (high - low) * length).exp(), num_snippets[:, None].to(like.dtype))
        start = place * (num_snippets[:, None] - length)
        video = torch.arange(len(num_snippets), device=like.device).repeat_interleave(self.num_random)
        return video, torch.stack([start, start + length], -1).flatten(0, 1)


def _first_of_groups(group, order, num_groups, count):
    """Indices of the first items of each group, at most ``count`` of a group.

    Args:
        group (Tensor): ``(N,)`` int64, group of each item; items of group ``num_groups`` are never taken.
        order (Tensor): ``(N,)`` in [0, 1), by which the items of a group are sorted.
        num_groups: Number of groups, G.
        count: Largest number of items of each group.

    Returns:
        tuple[Tensor, Tensor]: ``(G * count,)`` indices of the items, and whether there is such an item. Example: for
        groups ``(1, 0, 1)``, ascending order and a count of 2, ``(1, any, 0, 2)`` and ``(true, false, true, true)``.
    """
    by_order = order.argsort(stable=True)
    index = by_order[group[by_order].argsort(stable=True)]  # group after group, sorted by `order` within each
    bounds = torch.searchsorted(group[index], torch.arange(num_groups + 1, device=group.device))
    place = bounds[:-1, None] + torch.arange(count, device=group.device)
    exists = place < bounds[1:, None]
    return index[place.clamp(max=len(index) - 1)].flatten(), exists.flatten()
