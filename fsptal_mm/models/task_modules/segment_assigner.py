"""Targets of candidate segments, from the pseudo segments that they overlap."""

from dataclasses import dataclass

import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor

from fsptal_mm.structures import SegmentBatch, paired_tiou
from fsptal_mm.utils.errors import check_numbers


@dataclass(frozen=True)
class SegmentTargets:
    """Targets of N candidates.

    Attributes:
        quality: ``(N, C)`` in [0, 1]: target of each class, the largest tIoU with a pseudo segment of the class.
        segments: ``(N, 2)`` start and end of the pseudo segment with the largest tIoU, of any class, in snippets; those
            of the candidate itself if its video has no pseudo segment.
        tiou: ``(N,)`` tIoU with that pseudo segment.
        weights: ``(N,)`` weight of that pseudo segment; 1 if the candidate overlaps none.
    """

    quality: Tensor
    segments: Tensor
    tiou: Tensor
    weights: Tensor

    def __getitem__(self, index: Tensor) -> 'SegmentTargets':
        """Targets of some candidates, by a tensor of indices."""
        return SegmentTargets(*(part[index] for part in vars(self).values()))


@TASK_UTILS.register_module()
class SegmentAssigner:
    """Assigner of targets: for each class, the tIoU of a candidate with the best (pseudo) segment of the class.

    Args:
        min_quality: If the tIoU is smaller than this, the target is 0: the candidate is background for the class.
    """

    def __init__(self, min_quality: float = 0.2) -> None:
        check_numbers('SegmentAssigner', 0, 1, min_quality=min_quality)
        self.min_quality = min_quality

    def __call__(self, video: Tensor, candidates: Tensor, segments: SegmentBatch, num_classes: int) -> SegmentTargets:
        """Compare candidates with the segments of their videos.

        Args:
            video (Tensor): ``(N,)`` int64, the video of each candidate.
            candidates (Tensor): ``(N, 2)`` starts and ends in snippets.
            segments (SegmentBatch): Of the same videos; their scores are weights.
            num_classes: Number of classes, C.

        Returns:
            SegmentTargets: On the device of the candidates.
        """
        quality = candidates.new_zeros(len(candidates), num_classes)
        if not len(segments):
            nothing = candidates.new_zeros(len(candidates))
            return SegmentTargets(quality, candidates, nothing, nothing + 1)
        slots = segments.slots[video]  # (N, M), the segments of each candidate's video, -1 behind the last one
        is_segment, slots = slots >= 0, slots.clamp(min=0)
        tiou = paired_tiou(candidates[:, None], segments.segments[slots]).masked_fill_(~is_segment, 0)
        quality.scatter_reduce_(1, segments.labels[slots], tiou, 'amax')
        best_tiou, place = tiou.max(1)
        best = slots.gather(1, place[:, None])[:, 0]
        has_segment = is_segment.any(1)
        return SegmentTargets(
            torch.where(quality >= self.min_quality, quality, 0),
            torch.where(has_segment[:, None], segments.segments[best], candidates),
            best_tiou,
            torch.where(best_tiou > 0, segments.scores[best], 1),
        )
