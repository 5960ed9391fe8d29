"""Segments of many videos in flat arrays: what every measure takes."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Instances:
    """True or detected segments of a set of videos.

    Args:
        videos (np.ndarray): ``(N,)`` int, index of each segment's video.
        labels (np.ndarray): ``(N,)`` int, class index.
        segments (np.ndarray): ``(N, 2)`` float64, start and end, in any one unit (seconds throughout this package).
        scores (np.ndarray, optional): ``(N,)`` float64, confidences; ``None`` for true segments.
    """

    videos: np.ndarray
    labels: np.ndarray
    segments: np.ndarray
    scores: np.ndarray | None = None

    @classmethod
    def from_videos(cls, segments, labels=None, scores=None):
        """Join the arrays of single videos; a video's index is its place in the lists.

        Args:
            segments (list[np.ndarray]): ``(N_v, 2)`` each.
            labels (list[np.ndarray], optional): ``(N_v,)`` each; all 0 where classes do not matter.
            scores (list[np.ndarray], optional): ``(N_v,)`` each.
        """
        counts = np.array([len(part) for part in segments], dtype=np.int64)
        videos = np.repeat(np.arange(len(counts)), counts)
        return cls(
            videos,
            np.zeros_like(videos) if labels is None else _join(labels, np.int64),
            _join(segments, np.float64, (2,)),
            None if scores is None else _join(scores, np.float64),
        )

    def __len__(self):
        return len(self.videos)

    def __getitem__(self, index):
        """The segments that a mask or an index array selects."""
        scores = None if self.scores is None else self.scores[index]
        return Instances(self.videos[index], self.labels[index], self.segments[index], scores)


def _join(parts, dtype, tail=()):
    parts = [np.asarray(part, dtype=dtype).reshape(-1, *tail) for part in parts]
    return np.concatenate(parts) if parts else np.zeros((0, *tail), dtype=dtype)
