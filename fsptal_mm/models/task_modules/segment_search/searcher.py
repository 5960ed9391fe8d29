"""Search for the segments of the highest outer-inner contrast (method: Sec. 3.4)."""

from dataclasses import dataclass

import numpy as np
import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor
from torch.nn import functional as F

from fsptal_mm.utils.errors import check_flags, check_numbers

from .exact import search_switches
from .switches import Switches


@dataclass(frozen=True)
class SegmentLabels:
    """Pseudo segment labels SL of a batch: N segments in G groups; a group is one class of one video.

    Attributes:
        video: ``(G,)`` int64 video of each group.
        label: ``(G,)`` int64 class of each group.
        group: ``(N,)`` int64 group of each segment, ascending; the segments of a group are in time order.
        start: ``(N,)`` int64 first snippet.
        end: ``(N,)`` int64 last snippet.
        left: ``(N,)`` int64 first snippet of the outer range on the left, which is ``[left, start - 1]`` (Eq. 8).
        right: ``(N,)`` int64 last snippet of the one on the right, ``[end + 1, right]``.
        background: ``(N,)`` bool, a segment without the class: scored by 1 - q-hat.
    """

    video: Tensor
    label: Tensor
    group: Tensor
    start: Tensor
    end: Tensor
    left: Tensor
    right: Tensor
    background: Tensor

    def of_video(self, video):
        """The segments of one video of the batch, numbered as those of a batch of it alone."""
        groups = self.video == video
        chosen = groups[self.group]
        return SegmentLabels(
            torch.zeros_like(self.video[groups]),
            self.label[groups],
            self.group[chosen] - (self.video < video).sum(),
            *(getattr(self, name)[chosen] for name in ('start', 'end', 'left', 'right', 'background')),
        )

    @classmethod
    def join(cls, videos, device=None):
        """The segments of a batch from those of its videos, as :meth:`of_video` gives them."""
        sizes = torch.tensor([len(segments.video) for segments in videos])
        video = torch.arange(len(videos)).repeat_interleave(sizes)
        before = (sizes.cumsum(0) - sizes).repeat_interleave(torch.tensor([len(segments.group) for segments in videos]))
        group = torch.cat([segments.group for segments in videos]) + before
        joined = {
            name: torch.cat([getattr(segments, name) for segments in videos]).to(device, non_blocking=True)
            for name in ('label', 'start', 'end', 'left', 'right', 'background')
        }
        return cls(video=video.to(device, non_blocking=True), group=group.to(device, non_blocking=True), **joined)

    def away_from_actions(self, mask, margin):
        """Snippets that are far from every action segment of their video.

        Args:
            mask (Tensor): ``(B, T)`` bool, true on real snippets.
            margin: How far, as a share of the segment's length, rounded up.

        Returns:
            Tensor: ``(B, T)`` bool, within ``mask``.
        """
        num_videos, num_snippets = mask.shape
        reach = ((self.end + 1 - self.start) * margin).ceil().long()
        first = (self.start - reach).clamp(min=0)
        stop = (self.end + 1 + reach).clamp(max=num_snippets)
        # The number of segments that reach over a snippet is the sum of those that began minus those that ended.
        row = self.video[self.group] * (num_snippets + 1)
        step = (~self.background).long()
        change = row.new_zeros(num_videos * (num_snippets + 1))
        change = change.index_add(0, row + first, step).index_add(0, row + stop, -step)
        return mask & (change.view(num_videos, -1).cumsum(1)[:, :-1] == 0)


@TASK_UTILS.register_module()
class SegmentSearcher:
    """Turns mined snippets into segments: the candidate of the highest contrast of every class present in a video.

    Seeds of a class: its labelled snippets are action; background, and snippets of other classes only, are background,
    and so is what lies outside the video. A candidate agrees with all seeds and switches once in each gap between seeds
    of different kind. Neighbouring action seeds of different instances belong to different segments, which have no
    outer range towards each other. A class without action seeds has no segments.

    The search runs on the host, for a whole batch at once, with one transfer back. It is exact where only action
    segments are scored and none has more combinations than ``max_combinations``; otherwise it is never worse than
    LACP's beam search with a budget of 25.

    Args:
        outer_ratio: delta, length of each outer range as a share of the segment (Sec. 3.4), rounded up.
        original: Outer ranges that do not stop at the neighbouring segments (Table 7).
        background_segments: Score the runs of background that hold a seed, too, by 1 - q-hat (LACP's practice).
        max_combinations: A segment is heavy if its start, its end, the end before and the start after can be placed in
            more ways than this. Heavy segments are searched around the best that a beam search finds. A million is 32
            places for each; on THUMOS14 at most 1 % of the segments are heavier in the first steps, and none later.
        beam_width: Candidates that the search with background segments keeps at every switch; it is exact where there
            are never more that differ in what later segments depend on.
    """

    def __init__(
        self,
        outer_ratio=0.25,
        original=False,
        background_segments=False,
        max_combinations=2**20,
        beam_width=100,
    ):
        check_numbers('SegmentSearcher', 0, outer_ratio=outer_ratio)
        check_numbers('SegmentSearcher', 1, whole=True, max_combinations=max_combinations, beam_width=beam_width)
        check_flags('SegmentSearcher', original=original, background_segments=background_segments)
        self.outer_ratio = outer_ratio
        self.original = original
        self.background_segments = background_segments
        self.max_combinations = max_combinations
        self.beam_width = beam_width

    @torch.no_grad()
    def __call__(self, scores, targets):
        """Search all videos of a batch.

        Args:
            scores (Tensor): ``(B, T, C)`` final scores, q-hat, in [0, 1]; NaN counts as 0, others are clamped.
            targets (PointTargets): Given and mined labels.

        Returns:
            SegmentLabels: On the device of the scores.
        """
        seeded = (targets.video_labels > 0) & (targets.instances.amax(1) >= 0)
        video, label = seeded.nonzero(as_tuple=True)
        instances = targets.instances[video, :, label]
        others = (targets.background | targets.is_action)[video] & targets.mask[video] & (instances < 0)
        rows = scores[video, :, label].cpu().double()  # on the host: not every device has float64
        total = F.pad(rows.nan_to_num(0).clamp(0, 1).cumsum(1), (1, 0))
        lengths = targets.mask.sum(1)[video]
        switches = Switches.from_seeds(
            *(part.cpu().numpy() for part in (instances, others, lengths)),
            total.numpy(),
            background_segments=self.background_segments,
            outer_ratio=self.outer_ratio,
            original=self.original,
        )
        if len(switches.action):
            positions = search_switches(switches, self.max_combinations, self.beam_width)
        else:
            positions = switches.first
        run, left, start, end, right = switches.scored_runs(positions)
        found = np.stack([switches.chain[run], start, end - 1, left, right - 1, switches.background[run]])
        group, start, end, left, right, background = torch.from_numpy(found).to(scores.device, non_blocking=True)
        return SegmentLabels(video, label, group, start, end, left, right, background.bool())
