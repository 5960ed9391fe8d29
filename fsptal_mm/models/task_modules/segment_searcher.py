"""Search for segments of a high outer-inner contrast (method: Sec. 3.4)."""

from dataclasses import dataclass
from functools import cached_property

import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor
from torch.nn import functional as F

from fsptal_mm.models.precision import dtype_of_sums
from fsptal_mm.structures import NO_INSTANCE, PointTargets, SegmentLabels, outer_length
from fsptal_mm.utils.errors import check_flags, check_numbers

from .neighbours import Neighbours

_BACKGROUND = NO_INSTANCE - 1  # among the instances of action seeds
_BEYOND = 2**40  # all positions
_LEVELS = 2**30  # scores are summed as whole numbers of this unit, which gives the same sums on every device


@TASK_UTILS.register_module()
class SegmentSearcher:
    """Turns mined snippets into segments: a candidate of high contrast for every class present in a video.

    Seeds of a class: its labelled snippets are action; background, and snippets of other classes only, are background,
    and so is what lies outside the video. A candidate agrees with all seeds and has one boundary in each gap between
    seeds of different kind. Neighbouring action seeds of different instances belong to different segments, which have
    no outer range towards each other. A class without action seeds has no segments.

    The search is block coordinate ascent. Start and end of a segment are placed together, where the sum of contrasts is
    the highest as long as its neighbours stay. All segments of odd number in their row, a class of a video, are placed
    at once, then all of even number. The first round tries places spread evenly over each gap, later ones lie closer
    around the best so far. A single segment whose gaps have at most ``num_places`` places is placed exactly.

    All runs on the device of the scores, in a fixed number of operations; the host waits twice, to learn how many
    classes and how many segments there are. Memory grows linearly with both and with the snippets of the classes.

    Args:
        outer_ratio: delta, length of each outer range as a share of the segment (Sec. 3.4), rounded up.
        original: Outer ranges that do not stop at the neighbouring segments (Table 7).
        background_segments: Score the runs of background that hold a seed, too, by 1 - q-hat (LACP's practice).
        num_places: Places that a round tries for each boundary, K.
        num_rounds: How often all segments are placed.
    """

    def __init__(
        self,
        outer_ratio: float = 0.25,
        original: bool = False,
        background_segments: bool = False,
        num_places: int = 15,
        num_rounds: int = 4,
    ) -> None:
        check_numbers('SegmentSearcher', 0, outer_ratio=outer_ratio)
        check_numbers('SegmentSearcher', 3, whole=True, num_places=num_places)
        check_numbers('SegmentSearcher', 1, whole=True, num_rounds=num_rounds)
        check_flags('SegmentSearcher', original=original, background_segments=background_segments)
        self.outer_ratio = outer_ratio
        self.original = original
        self.background_segments = background_segments
        self.num_places = num_places
        self.num_rounds = num_rounds
        # Five runs depend on the boundaries of a segment: itself in the middle, background on both sides of it and the
        # segments beside that. In the original variant, the latter do not.
        edge = original * (1 if background_segments else 2)
        self._runs = slice(edge, 5 - edge, 1 if background_segments else 2)

    @torch.no_grad()
    def __call__(self, scores: Tensor, targets: PointTargets) -> SegmentLabels:
        """Search all videos of a batch.

        Args:
            scores (Tensor): ``(B, T, C)`` final scores, q-hat, in [0, 1]; NaN counts as 0, others are clamped.
            targets (PointTargets): Given and mined labels.

        Returns:
            SegmentLabels: On the device of the scores.
        """
        seeded = (targets.video_labels > 0) & (targets.snippet_instances.amax(1) >= 0)
        video, label = seeded.nonzero(as_tuple=True)
        instances = targets.snippet_instances[video, :, label]
        others = (targets.background_labels | targets.is_action)[video] & (instances < 0)
        gaps = _Gaps.between(instances, others, targets.mask.sum(1)[video])
        levels = (scores[video, :, label].float().nan_to_num(0).clamp(0, 1) * _LEVELS).round().long().cumsum(1)
        sums = F.pad(levels, (1, 0)).flatten().to(dtype_of_sums(scores.device)) / _LEVELS  # of all before a position
        # How far an outer range reaches, looked up by the length of its run: whole numbers are slow to divide.
        reaches = outer_length(torch.arange(levels.shape[1] + 1, device=sums.device), self.outer_ratio)
        boundaries, windows = _with_windows(torch.stack([gaps.first[:, 0], gaps.last[:, 1]], 1))  # as long as possible
        halves = [_Half.of(gaps, index, sums.dtype) for index in gaps.halves]
        share = torch.arange(self.num_places, device=sums.device)
        width = gaps.last - gaps.first
        for number in range(self.num_rounds):
            if number:
                width = (2 * width // (self.num_places - 1)).clamp(min=self.num_places // 2)
            low = torch.maximum(boundaries - width, gaps.first)
            high = torch.minimum(boundaries + width, gaps.last)
            tried = low[..., None] + (high - low)[..., None] * share // (self.num_places - 1)  # (N, 2, K)
            for half in halves:
                boundaries[half.index] = self._place(half, tried[half.index], windows[half.index], sums, reaches)
        return self._labels(video, label, windows, gaps, reaches)

    def _place(self, half, tried, around, sums, reaches):
        """Best boundaries ``(n, 2)`` of half of the segments, no two of which are neighbours.

        Args:
            half (_Half): These segments.
            tried (Tensor): ``(n, 2, K)`` places for their starts and ends.
            around (Tensor): ``(n, 8)`` boundaries around them so far, see :func:`_with_windows`.
            sums (Tensor): ``(G * (T + 1),)`` sums of the scores, row after row.
            reaches (Tensor): ``(T + 1,)`` reach of the outer ranges of a run, by its length.
        """
        pairs = len(tried), 1, self.num_places, self.num_places  # start by end
        places = tried[:, 0, None, :, None].expand(pairs), tried[:, 1, None, None].expand(pairs)
        around = _inside(around, half)[..., None, None].expand(-1, -1, *pairs[2:])
        around = torch.cat([around[:, :3], *places, around[:, 5:]], 1)
        runs = (around[:, shift : shift + 5][:, self._runs] for shift in range(4))
        length, left, right = self._outer_range(*runs, half, reaches)
        # In place: most of the time of a processor goes into memory for new tensors.
        outer_length = (right - left).sub_(length)
        inner = sums[around[:, 1:7]].diff(dim=1)[:, self._runs]
        outer = sums[right].sub_(sums[left]).sub_(inner)
        contrast = inner.div_(length.clamp_(min=1)).sub_(outer.div_(outer_length.clamp(min=1)))
        if self.background_segments:
            weight, constant = (part[:, self._runs, None, None] for part in (half.weight, half.constant))
            contrast = torch.addcmul(constant * (outer_length == 0), weight, contrast)
        best = contrast.sum(1).flatten(1).argmax(1)
        return around[:, 3:5].flatten(2).gather(2, best[:, None, None].expand(-1, 2, 1))[..., 0]

    def _outer_range(self, before, start, end, after, limits, reaches):
        """Outer ranges (Eq. 8) of runs ``[start, end)``.

        An outer range stops at the end of the video ``[limits.begin, limits.stop)`` and, unless ``original``, at the
        end of the neighbouring run. The neighbours are ``[before, start)``, which is empty where two segments touch,
        and ``[end, after)``.

        Returns:
            tuple[Tensor, Tensor, Tensor]: Length of each run; the first snippet of its left outer range; the snippet
            after the last one of its right outer range.
        """
        if self.original:
            begin, stop = (edge.view(-1, *[1] * (start.dim() - 1)) for edge in (limits.begin, limits.stop))
            before, after = torch.where(before == start, start, begin), torch.where(after == end, end, stop)
        length = end - start
        reach = reaches[length]
        return length, (start - reach).clamp_(min=before), (end + reach).clamp_(max=after)

    def _labels(self, video, label, windows, gaps, reaches):
        """The runs that are scored, as :class:`.SegmentLabels`."""
        # Three runs of each segment in time order: the background before it, itself and, if it is the last of its row,
        # the background after it.
        around = _inside(windows, gaps)
        runs = around.unfold(1, 4, 1)[:, 1:4].unbind(2)
        _, left, right = self._outer_range(*runs, gaps, reaches)
        index = torch.arange(1, 3 * len(around) + 1, 3, device=around.device)
        if self.background_segments:
            is_last = around[:, 5] == gaps.stop
            before, after = gaps.has_background.unbind(1)
            scored = torch.stack([before, torch.ones_like(before), after & is_last], 1)
            (index,) = _indices(scored.flatten()[None], gaps.num_runs)
        segment = index // 3
        bounds = torch.stack([*runs[1:3], left, right]).flatten(1)[:, index] - gaps.begin[segment]
        return SegmentLabels(video, label, gaps.group[segment], *bounds, index % 3 != 1)


@dataclass
class _Gaps:
    """The gaps between seeds in which the boundaries of N segments may lie, in G rows, a class of a video each.

    Positions count through all rows, which have T + 1 each.

    Attributes:
        group: ``(N,)`` row of each segment, ascending.
        first: ``(N, 2)`` first position of its start and of its end, the position after its last snippet.
        last: ``(N, 2)`` last position.
        begin: ``(N,)`` position of the first snippet of the video.
        stop: ``(N,)`` position after its last snippet.
        has_background: ``(N, 2)`` bool: that there is a background seed before and after it, up to the next segment.
        halves: The segments of odd and of even number in their row.
        num_runs: Number of segments and of runs of background seeds, on the host.
    """

    group: Tensor
    first: Tensor
    last: Tensor
    begin: Tensor
    stop: Tensor
    has_background: Tensor
    halves: tuple[Tensor, Tensor]
    num_runs: int

    @classmethod
    def between(cls, instances: Tensor, background: Tensor, lengths: Tensor) -> '_Gaps':
        """Gaps of seeds.

        Args:
            instances (Tensor): ``(G, T)`` instance of each action seed, ``NO_INSTANCE`` elsewhere; no row without.
            background (Tensor): ``(G, T)`` bool background seeds, none of them an action seed.
            lengths (Tensor): ``(G,)`` snippets of the videos; no seed lies beyond.
        """
        num_snippets = instances.shape[1]
        kind = instances.long().masked_fill(background, _BACKGROUND)
        seeds = Neighbours(kind != NO_INSTANCE)
        # On either side, in the first dimension: the seed beside each snippet, and its kind.
        beside = torch.stack([seeds.before, seeds.after])
        outside = F.pad(kind, (1, 1), value=NO_INSTANCE).expand(2, -1, -1)
        kind_beside = outside.gather(2, beside + 1)
        differs = kind != kind_beside
        edges = differs & (kind > NO_INSTANCE)  # first and last seeds of segments
        parity = edges[0].cumsum(1) % 2  # 1 of the first segment of its row, the third and so on
        counts = torch.stack([edges[0], edges[0] & parity, background & differs[0]]).sum((1, 2))
        count, num_odd, num_background = counts.tolist()
        index = _indices(edges.flatten(1), count)
        group, own = index[0] // num_snippets, index % num_snippets
        halves = parity.flatten()[index[0]].sort(descending=True, stable=True).indices
        other, kind_beside = (part.flatten(1).gather(1, index) for part in (beside, kind_beside))
        length = lengths[group]
        # A boundary lies after the earlier and at most at the later seed, in the middle between two instances.
        other = other.minimum(length)
        earlier, later = own.minimum(other), own.maximum(other)
        begin = group * (num_snippets + 1)
        is_cut, middle = kind_beside > NO_INSTANCE, (earlier + later) // 2 + 1
        first, last = ((torch.where(is_cut, middle, gap) + begin).t() for gap in (earlier + 1, later))
        has_background = (kind_beside == _BACKGROUND).t()
        halves = halves.split([num_odd, count - num_odd])
        return cls(group, first, last, begin, begin + length, has_background, halves, count + num_background)


@dataclass
class _Half:
    """Segments that are placed at once.

    Five runs depend on the boundaries of each: the segment before it, background, itself, background and the next one.
    Runs of background are scored by the contrast of 1 - q-hat: the opposite of that of q-hat, and 1 more without an
    outer range.

    Attributes:
        index: ``(n,)`` which ones of the N segments.
        begin: ``(n,)`` position of the first snippet of the video.
        stop: ``(n,)`` position after its last snippet.
        has_background: ``(n, 2)`` 1 where background before or after it has a seed, else 0.
    """

    index: Tensor
    begin: Tensor
    stop: Tensor
    has_background: Tensor

    @classmethod
    def of(cls, gaps: _Gaps, index: Tensor, dtype: torch.dtype) -> '_Half':
        """The segments of an index, with weights of a data type."""
        return cls(index, gaps.begin[index], gaps.stop[index], gaps.has_background[index].to(dtype))

    @cached_property
    def weight(self) -> Tensor:
        """``(n, 5)`` of the contrast of q-hat in each run: 1, of background with a seed -1 and without one 0."""
        weight = self.has_background.new_ones(len(self.index), 5)
        weight[:, 1::2] = -self.has_background
        return weight

    @cached_property
    def constant(self) -> Tensor:
        """``(n, 5)`` what each run counts besides where there is no outer range: 1 for background with a seed."""
        constant = self.has_background.new_zeros(len(self.index), 5)
        constant[:, 1::2] = self.has_background
        return constant


def _with_windows(boundaries):
    """Starts and ends ``(N, 2)`` of segments, and a window ``(N, 8)`` around each of them, views of one memory.

    A window is the end of the last but one before the segment; start and end of the last before it, of its own and of
    the next; and the start of the next but one.
    """
    padded = F.pad(F.pad(boundaries.flatten(), (3, 0)), (0, 5), value=_BEYOND)
    return padded[3:-5].view_as(boundaries), padded.unfold(0, 8, 2)[:-1]


def _inside(windows, segments):
    """Windows whose boundaries in other rows, which lie beyond the video, have become the ends of the video."""
    return windows.clamp(segments.begin[:, None], segments.stop[:, None])


def _indices(masks, count):
    """``(K, count)`` indices at which ``(K, L)`` masks are true; the host knows their number and does not wait."""
    index = torch.arange(masks.shape[1], device=masks.device).expand_as(masks)
    place = masks.cumsum(1) * masks  # from 1; all others are written to 0
    return index.new_empty(len(masks), count + 1).scatter_(1, place, index)[:, 1:]
