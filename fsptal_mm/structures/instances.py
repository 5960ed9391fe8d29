"""Segments with class, score and video: ground truth, points, mined labels and detections, in flat arrays."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

NO_CLASS = -1  # label of background, and of classes that are not in the list of classes


@dataclass(frozen=True, eq=False)
class Instances:
    """N segments of a video or of many: the ground truth, point labels, mined labels, or detections.

    Attributes:
        videos (np.ndarray): ``(N,)`` int64, index of each segment's video; all 0 for one video.
        labels (np.ndarray): ``(N,)`` int64 class indices; ``NO_CLASS`` for background.
        segments (np.ndarray): ``(N, 2)`` float64, start and end, in any one unit (seconds throughout this package). A
            point is a segment without length.
        scores (np.ndarray, optional): ``(N,)`` float64 confidences; ``None`` for segments without scores.
    """

    videos: np.ndarray
    labels: np.ndarray
    segments: np.ndarray
    scores: np.ndarray | None = None

    @classmethod
    def of_video(
        cls, segments: ArrayLike, labels: ArrayLike | None = None, scores: ArrayLike | None = None
    ) -> 'Instances':
        """Build the instances of one video from arrays.

        Args:
            segments (np.ndarray | Tensor | list): ``(N, 2)``.
            labels (np.ndarray | Tensor | list, optional): ``(N,)``; all 0 where classes do not matter.
            scores (np.ndarray | Tensor | list, optional): ``(N,)``.
        """
        segments = to_numpy(segments).reshape(-1, 2)
        videos = np.zeros(len(segments), dtype=np.int64)
        labels = videos if labels is None else to_numpy(labels, np.int64).reshape(-1)
        return cls(videos, labels, segments, None if scores is None else to_numpy(scores).reshape(-1))

    @classmethod
    def of_points(cls, times_sec: ArrayLike, labels: ArrayLike, background_sec: ArrayLike = ()) -> 'Instances':
        """Build segments without length from the points of one video: points on actions, then background clicks."""
        times_sec = np.concatenate([times_sec, background_sec])
        labels = np.concatenate([labels, np.full(len(background_sec), NO_CLASS)])
        return cls.of_video(np.stack([times_sec, times_sec], 1), labels)

    @classmethod
    def join(cls, parts: Iterable['Instances']) -> 'Instances':
        """Join the instances of single videos. The index of a video becomes its place in the list.

        Args:
            parts (Iterable[Instances]): One per video. Scores are kept only if every part has scores.
        """
        parts = list(parts) or [cls.of_video([])]
        videos = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        labels, segments = (np.concatenate([getattr(part, name) for part in parts]) for name in ('labels', 'segments'))
        has_scores = all(part.scores is not None for part in parts)
        return cls(videos, labels, segments, np.concatenate([part.scores for part in parts]) if has_scores else None)

    @classmethod
    def from_videos(
        cls,
        segments: Sequence[ArrayLike],
        labels: Sequence[ArrayLike] | None = None,
        scores: Sequence[ArrayLike] | None = None,
    ) -> 'Instances':
        """Join the arrays of single videos; the index of a video is its place in the lists.

        Args:
            segments (list[np.ndarray]): ``(N_v, 2)`` each.
            labels (list[np.ndarray], optional): ``(N_v,)`` each; all 0 where classes do not matter.
            scores (list[np.ndarray], optional): ``(N_v,)`` each.
        """
        columns = ([None] * len(segments) if part is None else part for part in (labels, scores))
        return cls.join(cls.of_video(*video) for video in zip(segments, *columns))

    def of_index(self, video: int) -> 'Instances':
        """Segments of the video with this index, in their order."""
        return self[self.videos == video]

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, index: slice | np.ndarray) -> 'Instances':
        """Segments that a mask, a slice or an index array selects."""
        scores = None if self.scores is None else self.scores[index]
        return Instances(self.videos[index], self.labels[index], self.segments[index], scores)


def to_numpy(values: ArrayLike | Any, dtype: type = np.float64) -> np.ndarray:
    """Values as an array. A tensor is copied to the CPU first: numpy has no bfloat16, and some devices no float64."""
    if hasattr(values, 'detach'):
        values = values.detach().cpu().double().numpy()
    return np.asarray(values, dtype=dtype)
