"""Search for the segments of the highest outer-inner contrast (method: Sec. 3.4)."""

import numpy as np
import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor
from torch.nn import functional as F

from fsptal_mm.structures import PointTargets, SegmentLabels
from fsptal_mm.utils.errors import check_flags, check_numbers

from .exact import search_switches
from .switches import Switches


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
        max_combinations: A segment is heavy if its start, its end, the end before and the start after have more
            combinations of places than this. Heavy segments are searched around the best that a beam search finds. A
            million is 32 places for each; on THUMOS14 at most 1 % of the segments are heavier in the first steps, and
            none later. It bounds the memory of the search, too.
        beam_width: Candidates that the search with background segments keeps at every switch; it is exact where there
            are never more that differ in what later segments depend on.
    """

    def __init__(
        self,
        outer_ratio: float = 0.25,
        original: bool = False,
        background_segments: bool = False,
        max_combinations: int = 2**20,
        beam_width: int = 100,
    ) -> None:
        check_numbers('SegmentSearcher', 0, outer_ratio=outer_ratio)
        check_numbers('SegmentSearcher', 1, whole=True, max_combinations=max_combinations, beam_width=beam_width)
        check_flags('SegmentSearcher', original=original, background_segments=background_segments)
        self.outer_ratio = outer_ratio
        self.original = original
        self.background_segments = background_segments
        self.max_combinations = max_combinations
        self.beam_width = beam_width

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
        run, *bounds = switches.scored_runs(positions)
        left, start, end, right = bounds - switches.begin[run]
        found = np.stack([switches.chain[run], start, end, left, right, switches.background[run]])
        group, start, end, left, right, background = torch.from_numpy(found).to(scores.device, non_blocking=True)
        return SegmentLabels(video, label, group, start, end, left, right, background.bool())
