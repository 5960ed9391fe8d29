"""Search for segments of a high outer-inner contrast (paper: Sec. 3.4)."""

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

_BACKGROUND = NO_INSTANCE - 1  # marks background seeds in an array that holds the instance of every action seed
_BEYOND = 2**40  # a position after all others
_LEVELS = 2**30  # scores are rounded to multiples of 1 / 2**30 and summed as integers, so that all devices agree


@TASK_UTILS.register_module()
class SegmentSearcher:
    """Search for segments of each class of a video that agree with its labels and have a high outer-inner contrast.

    Seeds are the snippets whose kind is known. For a class, its labelled snippets are action seeds. Snippets labelled
    as background or with other classes only are background seeds, and so is what lies outside the video. The segments
    of a class agree with all its seeds, and have one boundary in each gap between seeds of different kind. Neighbouring
    action seeds of different instances belong to different segments, which have no outer range towards each other. A
    class without action seeds has no segments.

    Example: with an action seed at snippet 3 and background seeds at 0 and 7, the segment starts at 1, 2 or 3 and stops
    at 4, 5, 6 or 7.

    The search is block coordinate ascent. Start and end of a segment are placed together, such that the sum of the
    contrasts of the segment and its neighbours is the highest, while the neighbours stay as they are. The first, third,
    fifth ... segments of all classes and videos are placed at once, then the second, fourth ... ones. The first round
    tries places spread evenly over each gap, later rounds try places closer and closer around the best place so far. If
    a class has a single segment whose gaps have at most ``num_places`` places, its best place is found for certain.

    The search computes on the device of the scores, in a fixed number of operations; the host waits twice, to learn how
    many classes and how many segments there are. Memory grows linearly with both numbers and with the length of the
    videos.

    Args:
        outer_ratio: delta, length of each outer range as a share of the segment (Sec. 3.4), rounded up.
        original: Variant of Table 7: outer ranges do not stop at the neighbouring segments.
        background_segments: Stretches of background between the segments count, too, if they hold a background seed:
            their contrast, computed from 1 - q-hat, is added to the sum, as in LACP.
        num_places: Places that a round tries for each boundary, K.
        num_rounds: Number of rounds; each of them places all segments.
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
        # The boundaries of a segment touch five runs: 0 the segment before, 1 background, 2 itself, 3 background, 4 the
        # next segment. Their contrasts are compared: of runs 0, 2, 4, or of all if background counts. In the original
        # variant, the outer ranges of the other segments, and so the contrasts of runs 0 and 4, stay the same.
        edge = original * (1 if background_segments else 2)
        self._runs = slice(edge, 5 - edge, 1 if background_segments else 2)

    @torch.no_grad()
    def __call__(self, scores: Tensor, targets: PointTargets) -> SegmentLabels:
        """Search all videos of a batch.

        Args:
            scores (Tensor): ``(B, T, C)`` final scores, q-hat, in [0, 1]; NaN counts as 0, other values are clamped.
            targets (PointTargets): Given and mined labels.

        Returns:
            SegmentLabels: On the device of the scores.
        """
        seeded = (targets.video_labels > 0) & (targets.snippet_instances.amax(1) >= 0)
        video, label = seeded.nonzero(as_tuple=True)  # (G,) each: a row is one class of one video
        instances = targets.snippet_instances[video, :, label]  # (G, T)
        background = (targets.background_labels | targets.is_action)[video] & (instances < 0)
        gaps = _Gaps.between(instances, background, targets.mask.sum(1)[video])
        levels = (scores[video, :, label].float().nan_to_num(0).clamp(0, 1) * _LEVELS).round().long().cumsum(1)
        # Entry p is the sum of the scores before position p: a sum over [start, stop) is sums[stop] - sums[start].
        sums = F.pad(levels, (1, 0)).flatten().to(dtype_of_sums(scores.device)) / _LEVELS  # (G * (T + 1),)
        # A table of the lengths of outer ranges, by the length of the run, since a division of whole numbers is slow.
        reaches = outer_length(torch.arange(levels.shape[1] + 1, device=sums.device), self.outer_ratio)
        # At first, the segments are as long as possible. `windows` are views of the boundaries around each segment, and
        # change with them.
        boundaries, windows = _with_windows(torch.stack([gaps.first[:, 0], gaps.last[:, 1]], 1))
        halves = [_Half.of(gaps, index, sums.dtype) for index in gaps.halves]
        steps = torch.arange(self.num_places, device=sums.device)
        width = gaps.last - gaps.first  # (N, 2), how far places on both sides of a boundary are tried
        for round_number in range(self.num_rounds):
            if round_number:  # search one or two steps of the round before, on each side
                width = (2 * width // (self.num_places - 1)).clamp(min=self.num_places // 2)
            low = torch.maximum(boundaries - width, gaps.first)
            high = torch.minimum(boundaries + width, gaps.last)
            tried = low[..., None] + (high - low)[..., None] * steps // (self.num_places - 1)  # (N, 2, K)
            for half in halves:
                boundaries[half.index] = self._place(half, tried[half.index], windows[half.index], sums, reaches)
        return self._labels(video, label, windows, gaps, reaches)

    def _place(self, half, tried, around, sums, reaches):
        """Best boundaries ``(n, 2)`` of half of the segments, no two of which are neighbours.

        Args:
            half (_Half): The segments.
            tried (Tensor): ``(n, 2, K)`` places for their starts and ends.
            around (Tensor): ``(n, 8)`` boundaries around them so far, see :func:`_with_windows`.
            sums (Tensor): ``(G * (T + 1),)`` sums of the scores before each position, row after row.
            reaches (Tensor): ``(T + 1,)`` reach of the outer ranges of a run, by its length.
        """
        # Every start with every end: entry [i, :, j, k] belongs to segment i with its j-th start and its k-th end.
        pairs = len(tried), 1, self.num_places, self.num_places
        places = tried[:, 0, None, :, None].expand(pairs), tried[:, 1, None, None].expand(pairs)
        around = _inside(around, half)[..., None, None].expand(-1, -1, *pairs[2:])
        around = torch.cat([around[:, :3], *places, around[:, 5:]], 1)  # (n, 8, K, K)
        # Entries 1 to 6 bound the five runs. Run r lies between entries r + 1 and r + 2; r and r + 3 bound the runs
        # beside it.
        runs = (around[:, shift : shift + 5][:, self._runs] for shift in range(4))  # before, start, end, after
        length, left, right = self._outer_range(*runs, half, reaches)
        # In place: on a CPU, allocation of new tensors takes most of the time.
        outer_length = (right - left).sub_(length)
        inner = sums[around[:, 1:7]].diff(dim=1)[:, self._runs]  # sum of the scores inside each run
        outer = sums[right].sub_(sums[left]).sub_(inner)
        contrast = inner.div_(length.clamp_(min=1)).sub_(outer.div_(outer_length.clamp(min=1)))
        if self.background_segments:
            weight, constant = (part[:, self._runs, None, None] for part in (half.weight, half.constant))
            contrast = torch.addcmul(constant * (outer_length == 0), weight, contrast)
        best = contrast.sum(1).flatten(1).argmax(1)  # (n,), the best of the K * K pairs
        return around[:, 3:5].flatten(2).gather(2, best[:, None, None].expand(-1, 2, 1))[..., 0]

    def _outer_range(self, before, start, end, after, limits, reaches):
        """Outer ranges (Eq. 8) of runs ``[start, end)``.

        An outer range stops at the end of the video ``[limits.begin, limits.stop)`` and, unless ``original``, at the
        far end of the neighbouring run. The neighbours are ``[before, start)`` and ``[end, after)``. Where two segments
        touch, the neighbour of each is the empty stretch of background between them.

        Returns:
            tuple[Tensor, Tensor, Tensor]: Length of each run; the first snippet of its left outer range; the snippet
            after the last one of its right outer range.
        """
        if self.original:  # as far as the video goes, but not at all where two segments touch
            begin, stop = (edge.view(-1, *[1] * (start.dim() - 1)) for edge in (limits.begin, limits.stop))
            before, after = torch.where(before == start, start, begin), torch.where(after == end, end, stop)
        length = end - start
        reach = reaches[length]
        return length, (start - reach).clamp_(min=before), (end + reach).clamp_(max=after)

    def _labels(self, video, label, windows, gaps, reaches):
        """The segments, and the runs of background if they count, as :class:`.SegmentLabels`."""
        # Each segment has three runs in time order: 0 the background before it, 1 itself, 2 the background after it.
        # Among all runs, number 3 i + r is run r of segment i.
        around = _inside(windows, gaps)
        runs = around.unfold(1, 4, 1)[:, 1:4].unbind(2)  # before, start, end and after, (N, 3) each
        _, left, right = self._outer_range(*runs, gaps, reaches)
        index = torch.arange(1, 3 * len(around) + 1, 3, device=around.device)  # runs to return: segments
        if self.background_segments:
            # Background between two segments is run 0 of the second one; only the last segment of a row adds its run 2.
            is_last = around[:, 5] == gaps.stop
            before, after = gaps.has_background.unbind(1)
            scored = torch.stack([before, torch.ones_like(before), after & is_last], 1)
            (index,) = _indices(scored.flatten()[None], gaps.num_runs)
        segment = index // 3
        bounds = torch.stack([*runs[1:3], left, right]).flatten(1)[:, index] - gaps.begin[segment]
        return SegmentLabels(video, label, gaps.group[segment], *bounds, index % 3 != 1)


@dataclass
class _Gaps:
    """The gaps between seeds in which the boundaries of N segments may lie, in G rows: one class of one video each.

    A row has T + 1 positions, and position p of row g is the number ``g * (T + 1) + p``. The end of a segment is the
    position after its last snippet.

    Attributes:
        group: ``(N,)`` row of each segment, ascending.
        first: ``(N, 2)`` first position at which the start of each segment may lie, and first position for its end.
        last: ``(N, 2)`` last position for the start, and last position for the end.
        begin: ``(N,)`` position of the video's first snippet.
        stop: ``(N,)`` position after the video's last snippet.
        has_background: ``(N, 2)`` bool: whether a background seed lies between the segment and the one before it (or
            the start of the video), and between it and the next one (or the end of the video).
        halves: Indices of the first, third, fifth ... segments of all rows, and of the second, fourth ... ones.
        num_runs: Number of segments plus number of stretches of background with a seed, on the host.
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
        """Find the gaps between seeds.

        Args:
            instances (Tensor): ``(G, T)`` instance of each action seed, ``NO_INSTANCE`` elsewhere; no row is without
                action seeds.
            background (Tensor): ``(G, T)`` bool background seeds, none of them an action seed.
            lengths (Tensor): ``(G,)`` number of snippets of each row's video; no seed lies beyond.
        """
        num_snippets = instances.shape[1]
        kind = instances.long().masked_fill(background, _BACKGROUND)
        seeds = Neighbours(kind != NO_INSTANCE)
        # The nearest seed before each snippet and the nearest one after it, and their kinds: (2, G, T). Outside of the
        # video, the kind is NO_INSTANCE; `+ 1` because of the padding there.
        beside = torch.stack([seeds.before, seeds.after])
        padded = F.pad(kind, (1, 1), value=NO_INSTANCE).expand(2, -1, -1)
        kind_beside = padded.gather(2, beside + 1)
        differs = kind != kind_beside
        edges = differs & (kind > NO_INSTANCE)  # first and last seed of each segment
        parity = edges[0].cumsum(1) % 2  # 1 from the first seed of the first segment, 0 from that of the second ...
        counts = torch.stack([edges[0], edges[0] & parity, background & differs[0]]).sum((1, 2))
        count, num_odd, num_background = counts.tolist()
        index = _indices(edges.flatten(1), count)  # (2, N), where the first and the last seed of each segment are
        group, own = index[0] // num_snippets, index % num_snippets
        halves = parity.flatten()[index[0]].sort(descending=True, stable=True).indices
        # For each boundary: `own` seed inside the segment, `other` seed beyond the boundary.
        other, kind_beside = (part.flatten(1).gather(1, index) for part in (beside, kind_beside))
        length = lengths[group]
        # Between seeds at 3 and 7, a boundary may lie at the positions 4 to 7; if the two seeds are of different
        # instances, only in the middle, at 6.
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
    """Segments that are placed at once, and the weights of the contrasts of the five runs around each.

    The five runs are the segment before, background, itself, background and the next segment. The contrast of
    background is that of 1 - q-hat. It follows from R, the contrast of q-hat. With the means inner and outer of q-hat,
    it is ``(1 - inner) - (1 - outer) = -R``; without an outer range, it is ``1 - inner = 1 - R``.

    Attributes:
        index: ``(n,)`` indices of these segments among all N.
        begin: ``(n,)`` position of the video's first snippet.
        stop: ``(n,)`` position after the video's last snippet.
        has_background: ``(n, 2)`` 1 if the background before the segment, or after it, has a seed, else 0.
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
        """Factor ``(n, 5)`` of each run's R, which is 1 for segments, -1 for background with a seed, else 0."""
        weight = self.has_background.new_ones(len(self.index), 5)
        weight[:, 1::2] = -self.has_background
        return weight

    @cached_property
    def constant(self) -> Tensor:
        """Number ``(n, 5)`` to add if a run has no outer range, which is 1 for background with a seed, else 0."""
        constant = self.has_background.new_zeros(len(self.index), 5)
        constant[:, 1::2] = self.has_background
        return constant


def _with_windows(boundaries):
    """Starts and ends ``(N, 2)`` of segments, and a window ``(N, 8)`` around each of them, views of one memory.

    As they share memory, a change of the starts and ends changes the windows, too. With starts s and ends e, window i
    is ``e[i-2], s[i-1], e[i-1], s[i], e[i], s[i+1], e[i+1], s[i+2]``.
    """
    padded = F.pad(F.pad(boundaries.flatten(), (3, 0)), (0, 5), value=_BEYOND)
    return padded[3:-5].view_as(boundaries), padded.unfold(0, 8, 2)[:-1]


def _inside(windows, segments):
    """Windows, clamped to the video: boundaries of segments of other rows become the ends of the video."""
    return windows.clamp(segments.begin[:, None], segments.stop[:, None])


def _indices(masks, count):
    """Find the indices ``(K, count)`` at which ``(K, L)`` masks are true.

    Unlike ``nonzero``, this does not make the host wait, since the number of indices is given.
    """
    index = torch.arange(masks.shape[1], device=masks.device).expand_as(masks)
    place = masks.cumsum(1) * masks  # 1 for the first true entry, 2 for the second ...; 0, thrown away, for the others
    return index.new_empty(len(masks), count + 1).scatter_(1, place, index)[:, 1:]
