"""What a timeline shows of a video, in seconds and numpy: the drawing knows neither models nor data sets."""

from dataclasses import dataclass

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

    @classmethod
    def of_points(cls, times_sec, labels, background_sec=()):
        """Points as segments without length: of actions, then clicks on background."""
        times_sec = np.concatenate([times_sec, background_sec])
        labels = np.concatenate([labels, np.full(len(background_sec), NO_CLASS)])
        return cls.from_lists(np.stack([times_sec, times_sec], 1), labels)

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
        truth (Spans, optional): True segments. Training never sees them. None or empty where the annotation has none.
        points (Spans, optional): Point labels, as segments without length; background clicks among them. None or empty
            where there are none.
        tracks (Sequence[ModelTrack]): One per model.
        frames (FrameStrip, optional): Of the video.
        is_training: Whether this is a training video, whose truth is there for analysis only.
    """

    video_id: str
    duration_sec: float
    classes: tuple
    truth: Spans | None = None
    points: Spans | None = None
    tracks: tuple = ()
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
        """Classes that matter: those that occur, ascending, then others with high scores, the highest first.

        A class occurs if a true segment, a point or a pseudo label has it.

        Args:
            min_score: Another class matters where its q-hat reaches this, or where a proposal's score reaches this
                share of the model's best one.
            limit: At most so many.

        Returns:
            np.ndarray: ``(K,)`` int64 class indices.
        """
        importance = np.zeros(len(self.classes))
        for track in self.tracks:
            if track.curves is not None:
                importance = np.maximum(importance, track.curves.scores.max(0))
            if track.proposals is not None and len(track.proposals) and track.proposals.scores.max() > 0:
                share = track.proposals.scores / track.proposals.scores.max()
                np.maximum.at(importance, track.proposals.labels, share)
        found = np.flatnonzero(importance >= min_score)
        labelled = [self.truth, self.points]
        labelled += [spans for track in self.tracks for spans in (track.extended, track.mined, track.best_segments)]
        occurring = np.unique(np.concatenate([[NO_CLASS], *(spans.labels for spans in labelled if spans is not None)]))
        occurring = occurring[occurring != NO_CLASS]
        others = np.setdiff1d(found, occurring)
        others = others[np.argsort(-importance[others], kind='stable')]
        return np.concatenate([occurring, others]).astype(np.int64)[:limit]
