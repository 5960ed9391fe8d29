"""What a timeline shows of a video, in seconds and numpy: the drawing knows neither models nor data sets."""

from dataclasses import dataclass, field

import numpy as np

NO_CLASS = -1  # of background


@dataclass(frozen=True, eq=False)
class Spans:
    """N labelled stretches of time of one video.

    Attributes:
        segments_sec: ``(N, 2)`` float64 starts and ends.
        labels: ``(N,)`` int64 class indices; -1 for background.
        scores: ``(N,)`` float64, or None where they have none.
    """

    segments_sec: np.ndarray
    labels: np.ndarray
    scores: np.ndarray | None = None

    @classmethod
    def from_lists(cls, segments_sec, labels, scores=None):
        """Spans from anything array-like, also from empty lists."""
        return cls(
            np.asarray(segments_sec, dtype=np.float64).reshape(-1, 2),
            np.asarray(labels, dtype=np.int64).reshape(-1),
            None if scores is None else np.asarray(scores, dtype=np.float64).reshape(-1),
        )

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        """Those that ``index``, of numpy's kinds, chooses."""
        return Spans(self.segments_sec[index], self.labels[index], None if self.scores is None else self.scores[index])


@dataclass(frozen=True, eq=False)
class SnippetCurves:
    """Scores of T snippets.

    Attributes:
        edges_sec: ``(T + 1,)``: snippet t reaches from entry t to entry t + 1.
        scores: ``(T, C)``, q-hat.
        background: ``(T,)``, b.
    """

    edges_sec: np.ndarray
    scores: np.ndarray
    background: np.ndarray


@dataclass(frozen=True, eq=False)
class ModelTrack:
    """What one model says about a video. What is None is not shown; what is empty is shown as an empty row.

    Attributes:
        name: Of the model; may be empty where there is one only.
        curves (SnippetCurves, optional): Scores.
        extended (Spans, optional): Given labels after label extension (module A), given background among them.
        mined (Spans, optional): Mined labels, of actions and of background (module B).
        best_segments (Spans, optional): Segments of the highest outer-inner contrast (module C).
        proposals (Spans, optional): Localised actions, with scores, in any order.
    """

    name: str = ''
    curves: SnippetCurves | None = None
    extended: Spans | None = None
    mined: Spans | None = None
    best_segments: Spans | None = None
    proposals: Spans | None = None


@dataclass(frozen=True, eq=False)
class FrameStrip:
    """Frames of a video, evenly spread: frame i of N stands for the i-th N-th of the video.

    Attributes:
        times_sec: ``(N,)`` when each frame is shown, in the middle of its part.
        images: N arrays ``(H, W, 3)`` uint8, RGB.
    """

    times_sec: np.ndarray
    images: list


@dataclass(frozen=True, eq=False)
class Timeline:
    """One video.

    Attributes:
        video_id: Its id.
        duration_sec: Its length.
        classes: Class names in the order of the indices.
        truth (Spans, optional): True segments. Training never sees them.
        points (Spans, optional): Point labels, as segments without length; background clicks among them.
        tracks (Sequence[ModelTrack]): One per model.
        frames (FrameStrip, optional): Of the video.
        is_training: Whether this is a training video, whose truth is there for analysis only.
    """

    video_id: str
    duration_sec: float
    classes: tuple
    truth: Spans | None = None
    points: Spans | None = None
    tracks: tuple = field(default_factory=tuple)
    frames: FrameStrip | None = None
    is_training: bool = False

    @classmethod
    def from_detections(cls, video_id, duration_sec, detections, **kwargs):
        """Timeline of detections by name.

        Args:
            video_id: Its id.
            duration_sec: Its length.
            detections (Sequence[Detection]): Of this video, in any order.
            **kwargs: Further attributes.
        """
        classes = tuple(sorted({found.label for found in detections}))
        proposals = Spans.from_lists(
            [found[:2] for found in detections],
            [classes.index(found.label) for found in detections],
            [found.score for found in detections],
        )
        return cls(video_id, duration_sec, classes, tracks=(ModelTrack(proposals=proposals),), **kwargs)

    def relevant_classes(self, min_score=0.5, limit=20):
        """Indices ``(K,)`` of the classes that matter, ascending: present ones, and those with high scores.

        Args:
            min_score: A class that is not present matters where its q-hat reaches this, or where a proposal's score
                reaches this share of the model's best one.
            limit: At most so many; present ones come first, then those of the higher scores.
        """
        importance = np.zeros(len(self.classes))
        for track in self.tracks:
            if track.curves is not None and len(track.curves.scores):
                importance = np.maximum(importance, track.curves.scores.max(0))
            if track.proposals is not None and len(track.proposals):
                share = track.proposals.scores / max(track.proposals.scores.max(), np.finfo(float).tiny)
                np.maximum.at(importance, track.proposals.labels, np.minimum(share, 1))
        for spans in (
            self.truth,
            self.points,
            *(t for track in self.tracks for t in (track.mined, track.best_segments)),
        ):
            if spans is not None:
                importance[spans.labels[spans.labels != NO_CLASS]] += 2  # scores are at most 1
        order = np.argsort(-importance, kind='stable')[:limit]
        return np.sort(order[importance[order] >= min_score])
