"""Segments of the videos of a batch, as tensors: proposals, candidates and pseudo segments."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class SegmentBatch:
    """N segments of B videos, video after video.

    Attributes:
        counts: Number of segments of each of the B videos, on the host, so that nothing here waits for the device.
        segments: ``(N, 2)`` float32 starts and ends in snippets; snippet t covers ``[t, t + 1)``.
        labels: ``(N,)`` int64 class indices.
        scores: ``(N,)`` float32; for pseudo segments, the weight of each in training.
    """

    counts: tuple
    segments: Tensor
    labels: Tensor
    scores: Tensor

    @classmethod
    def join(cls, videos: list['SegmentBatch'], device: torch.device | None = None) -> 'SegmentBatch':
        """Join batches of segments on the host, and move the result to a device at once.

        Args:
            videos (list[SegmentBatch]): Segments of one video each, or of several videos.
            device (torch.device, optional): By default the result stays on the host.
        """
        parts = (torch.cat([getattr(video, name) for video in videos]) for name in ('segments', 'labels', 'scores'))
        counts = tuple(count for video in videos for count in video.counts)
        return cls(counts, *(part.to(device, non_blocking=True) for part in parts))

    @classmethod
    def of_video(
        cls,
        segments: Tensor | np.ndarray,
        labels: Tensor | np.ndarray | None = None,
        scores: Tensor | np.ndarray | None = None,
    ) -> 'SegmentBatch':
        """Build a batch of one video from its segments, on the host.

        Args:
            segments (Tensor | np.ndarray): ``(N, 2)`` in snippets.
            labels (Tensor | np.ndarray, optional): ``(N,)``; all 0 where classes do not matter.
            scores (Tensor | np.ndarray, optional): ``(N,)``; by default 1.
        """
        segments = torch.as_tensor(segments, dtype=torch.float32).reshape(-1, 2)
        labels = segments.new_zeros(len(segments)) if labels is None else torch.as_tensor(labels)
        scores = segments.new_ones(len(segments)) if scores is None else torch.as_tensor(scores)
        return cls((len(segments),), segments, labels.long(), scores.float())

    def __getitem__(self, index: slice | Tensor) -> 'SegmentBatch':
        """Select segments by a slice or a tensor of indices; works only in a batch of one video."""
        labels = self.labels[index]
        return SegmentBatch((len(labels),), self.segments[index], labels, self.scores[index])

    def places(self) -> tuple[Tensor, Tensor]:
        """Distinct segments, on the host: segments of different classes may have the same start and end.

        Returns:
            tuple[Tensor, Tensor]: ``(K, 2)`` distinct starts and ends; and ``(N,)`` int64, for each segment the index
            of its start and end among these.
        """
        # A start and an end, read as one complex number: numpy sorts numbers faster than rows.
        pairs = self.segments.numpy().view(np.complex64)[:, 0]
        places, inverse = np.unique(pairs, return_inverse=True)
        return torch.from_numpy(places[:, None].view(np.float32)), torch.from_numpy(inverse)

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def video(self) -> Tensor:
        """Index of the video of each segment, ``(N,)`` int64."""
        video = torch.from_numpy(np.repeat(np.arange(len(self.counts)), self.counts))
        return video.to(self.labels.device, non_blocking=True)

    @cached_property
    def slots(self) -> Tensor:
        """Indices of the segments of each video, ``(B, M)`` int64; M is the largest count, and -1 fills shorter rows.

        Example: ``((0, 1, -1), (2, 3, 4))`` for counts of 2 and 3.
        """
        counts = np.array(self.counts, dtype=np.int64)
        place, first = np.arange(counts.max(initial=0)), counts.cumsum() - counts
        slots = torch.from_numpy(np.where(place < counts[:, None], first[:, None] + place, -1))
        return slots.to(self.labels.device, non_blocking=True)


def paired_tiou(first: Tensor, second: Tensor) -> Tensor:
    """Temporal IoU of ``first[i]`` with ``second[i]``, both ``(..., 2)``; 0 where both segments have no length."""
    intersection = torch.minimum(first[..., 1], second[..., 1]) - torch.maximum(first[..., 0], second[..., 0])
    intersection = intersection.clamp(min=0)
    union = (first[..., 1] - first[..., 0]) + (second[..., 1] - second[..., 0]) - intersection
    return intersection / union.clamp(min=torch.finfo(union.dtype).tiny)
