"""Search for segments of a high outer-inner contrast (method: Sec. 3.4)."""

from dataclasses import dataclass

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
        others = (targets.background_labels | targets.is_action)[video] & targets.mask[video] & (instances < 0)
        gaps = _Gaps.between(instances, others, targets.mask.sum(1)[video])
        levels = (scores[video, :, label].float().nan_to_num(0).clamp(0, 1) * _LEVELS).round().long().cumsum(1)
        sums = F.pad(levels, (1, 0)).flatten().to(dtype_of_sums(scores.device)) / _LEVELS  # of all before a position
        boundaries = torch.stack([gaps.first[:, 0], gaps.last[:, 1]], 1)  # at first as long as possible
        reach = gaps.last - gaps.first
        for _ in range(self.num_rounds):
            low = torch.maximum(boundaries - reach, gaps.first)
            high = torch.minimum(boundaries + reach, gaps.last)
            share = torch.arange(self.num_places, device=low.device)
            tried = low[..., None] + (high - low)[..., None] * share // (self.num_places - 1)  # (N, 2, K)
            for half in gaps.halves:
                boundaries[half] = self._place(half, tried, boundaries, gaps, sums)
            reach = (2 * reach // (self.num_places - 1)).clamp(min=self.num_places // 2)
        return self._labels(video, label, boundaries, gaps)

    def _place(self, half, tried, boundaries, gaps, sums):
        """Best boundaries ``(n, 2)`` of half of the segments, no two of which are neighbours.

        Args:
            half (Tensor): ``(n,)`` which ones of the N segments.
            tried (Tensor): ``(N, 2, K)`` places for their starts and ends.
            boundaries (Tensor): ``(N, 2)`` start and end of all segments so far.
            gaps (_Gaps): Of all segments.
            sums (Tensor): ``(G * (T + 1),)`` sums of the scores, row after row.
        """
        tried = tried[half]
        pairs = len(half), 1, self.num_places, self.num_places  # start by end
        places = tried[:, 0, None, :, None].expand(pairs), tried[:, 1, None, None].expand(pairs)
        around = gaps.around(boundaries)[half, :, None, None].expand(-1, -1, *pairs[2:])
        around = torch.cat([around[:, :3], *places, around[:, 5:]], 1)
        before, start, end, after = (around[:, shift : shift + 5][:, self._runs] for shift in range(4))
        left, right = self._outer_range(before, start, end, after, gaps.begin[half], gaps.stop[half])
        length = end - start
        outer_length = right - left - length
        inner = sums[end] - sums[start]
        outer = sums[right] - sums[left] - inner
        contrast = inner / length.clamp(min=1) - outer / outer_length.clamp(min=1)
        if self.background_segments:  # of 1 - q-hat
            opposite = (outer_length == 0).to(contrast.dtype) - contrast
            contrast = torch.where(gaps.is_background[self._runs, None, None], opposite, contrast)
            contrast = contrast * gaps.is_scored[half][:, self._runs, None, None]
        best = contrast.sum(1).flatten(1).argmax(1)
        best = torch.stack([best // self.num_places, best % self.num_places], 1)
        return tried.gather(2, best[..., None])[..., 0]

    def _outer_range(self, before, start, end, after, begin, stop):
        """First snippet of the left and snippet after the right outer range of runs ``[start, end)`` of a video.

        The runs beside them are ``[before, start)``, which is empty where two segments are cut apart, and
        ``[end, after)``; the video is ``[begin, stop)``.
        """
        if self.original:
            begin, stop = (edge.view(-1, *[1] * (start.dim() - 1)) for edge in (begin, stop))
            before, after = torch.where(before == start, start, begin), torch.where(after == end, end, stop)
        reach = outer_length(end - start, self.outer_ratio)
        return torch.maximum(start - reach, before), torch.minimum(end + reach, after)

    def _labels(self, video, label, boundaries, gaps):
        """The runs that are scored, as :class:`.SegmentLabels`."""
        # Three runs of each segment in time order: the background before it, itself and, if it is the last of its row,
        # the background after it.
        around = gaps.around(boundaries)
        runs = around.unfold(1, 4, 1)[:, 1:4].unbind(2)
        left, right = self._outer_range(*runs, gaps.begin, gaps.stop)
        index = 3 * torch.arange(len(left), device=left.device) + 1
        if self.background_segments:
            is_last = around[:, 5] == gaps.stop
            scored = torch.cat([gaps.is_scored[:, 1:3], (gaps.is_scored[:, 3] & is_last)[:, None]], 1)
            index = _indices(scored.flatten(), gaps.num_runs)
        segment = index // 3
        bounds = (part.flatten()[index] - gaps.begin[segment] for part in (*runs[1:3], left, right))
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
        is_background: ``(5,)`` bool, see ``is_scored``.
        is_scored: ``(N, 5)`` bool: that a run counts: the segment before, background, the segment, background and the
            next segment. Background counts where it has a seed.
        halves: The segments of odd and of even number in their row.
        num_runs: Number of segments and of runs of background seeds, on the host.
    """

    group: Tensor
    first: Tensor
    last: Tensor
    begin: Tensor
    stop: Tensor
    is_background: Tensor
    is_scored: Tensor
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
        outside = F.pad(kind, (1, 1), value=NO_INSTANCE)
        kind_before, kind_after = outside.gather(1, seeds.before + 1), outside.gather(1, seeds.after + 1)
        opens, closes = ((kind > NO_INSTANCE) & (kind != beside) for beside in (kind_before, kind_after))
        odd = opens & (opens.cumsum(1) % 2 == 1)  # the first segment of its row, the third and so on
        counts = torch.stack([opens.sum(), odd.sum(), (background & (kind_before != kind)).sum()])
        count, num_odd, num_background = counts.tolist()
        opens, closes = (_indices(mask.flatten(), count) for mask in (opens, closes))
        odd = odd.flatten()[opens]
        halves = _indices(odd, num_odd), _indices(~odd, count - num_odd)
        group = opens // num_snippets
        own = torch.stack([opens, closes], 1) - group[:, None] * num_snippets  # its first and last seed
        beside = torch.stack([kind_before.flatten()[opens], kind_after.flatten()[closes]], 1)
        following = seeds.after.minimum(lengths[:, None])
        other = torch.stack([seeds.before.flatten()[opens], following.flatten()[closes]], 1)  # seeds beside them
        # A boundary lies after the earlier and at most at the later seed, in the middle between two instances.
        earlier, later = own.minimum(other), own.maximum(other)
        begin = group * (num_snippets + 1)
        is_cut, middle = beside > NO_INSTANCE, (earlier + later) // 2 + 1
        first, last = (torch.where(is_cut, middle, gap) + begin[:, None] for gap in (earlier + 1, later))
        is_background = torch.arange(5, device=group.device) % 2 == 1
        is_scored = is_cut.new_ones(count, 5)
        is_scored[:, 1::2] = beside == _BACKGROUND
        stop = begin + lengths[group]
        return cls(group, first, last, begin, stop, is_background, is_scored, halves, count + num_background)

    def around(self, boundaries: Tensor) -> Tensor:
        """Eight boundaries around each segment.

        Args:
            boundaries (Tensor): ``(N, 2)`` start and end of each segment.

        Returns:
            Tensor: ``(N, 8)``: end of the last but one before it; start and end of the last before it, of its own and
            of the next; start of the next but one. The ends of the video stand for those that there are not.
        """
        padded = F.pad(F.pad(boundaries.flatten(), (3, 0)), (0, 5), value=_BEYOND)
        # What lies in other rows is beyond the ends of the video, too.
        return padded.unfold(0, 8, 2)[:-1].maximum(self.begin[:, None]).minimum(self.stop[:, None])


def _indices(mask, count):
    """``(count,)`` indices at which a ``(L,)`` mask is true; the host knows their number, so it need not wait."""
    index = torch.arange(len(mask), device=mask.device)
    place = (mask.cumsum(0) - 1).masked_fill(~mask, count)
    return index.new_empty(count + 1).scatter_(0, place, index)[:count]
