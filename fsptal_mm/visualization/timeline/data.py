"""Content of a timeline, in seconds and numpy arrays, so that the drawing needs neither models nor datasets."""

from dataclasses import dataclass

import numpy as np

from fsptal_mm.structures import NO_CLASS, Instances


@dataclass(frozen=True, eq=False)
class SnippetCurves:
    """Scores of the T snippets of a video.

    Attributes:
        edges_sec: ``(T + 1,)`` seconds: snippet t reaches from entry t to entry t + 1.
        scores: ``(T, C)`` final scores, q-hat.
        background: ``(T,)`` background scores, b.
    """

    edges_sec: np.ndarray
    scores: np.ndarray
    background: np.ndarray


@dataclass(frozen=True, eq=False)
class ModelTrack:
    """Results of one model on a video. A field that is ``None`` has no row; an empty field has an empty row.

    Attributes:
        name: Name of the model; it may be empty if there is only one model.
        curves (SnippetCurves, optional): Scores of the snippets.
        extended (Instances, optional): Given labels of actions and background after label extension (the paper's
            module A).
        mined (Instances, optional): Mined labels of actions and of background (the paper's module B).
        best_segments (Instances, optional): Segments with the highest outer-inner contrast (the paper's module C).
        proposals (Instances, optional): Detections, with scores, in any order.
        hits (np.ndarray, optional): ``(N,)`` bool: whether a proposal is a true positive.
        average_precision (float, optional): AP of the video, a fraction.
    """

    name: str = ''
    curves: SnippetCurves | None = None
    extended: Instances | None = None
    mined: Instances | None = None
    best_segments: Instances | None = None
    proposals: Instances | None = None
    hits: np.ndarray | None = None
    average_precision: float | None = None


@dataclass(frozen=True, eq=False)
class FrameStrip:
    """Frames of a video, evenly spread: the video is cut into N equal parts, and each part has a frame.

    Attributes:
        times_sec: ``(N,)`` seconds: time of each frame, the middle of its part.
        images: N arrays ``(H, W, 3)`` uint8, RGB.
    """

    times_sec: np.ndarray
    images: list


@dataclass(frozen=True, eq=False)
class Timeline:
    """One video with all that its timeline shows.

    Attributes:
        video_id: Id of the video.
        duration_sec: Duration of the video in seconds.
        classes: Class names in the order of the indices.
        truth (Instances, optional): Ground-truth segments, which training never reads. ``None`` or empty if there are
            none.
        points (Instances, optional): Point labels and background clicks, as segments without length. ``None`` or empty
            if there are none.
        tracks (Sequence[ModelTrack]): One per model.
        frames (FrameStrip, optional): Frames of the video.
        is_training: Whether this is a training video, whose ground truth is shown for analysis only.
        ambiguous (Instances, optional): Ranges that evaluation leaves out.
    """

    video_id: str
    duration_sec: float
    classes: tuple
    truth: Instances | None = None
    points: Instances | None = None
    tracks: tuple = ()
    frames: FrameStrip | None = None
    is_training: bool = False
    ambiguous: Instances | None = None

    def relevant_classes(self, min_score: float = 0.5, limit: int | None = 20) -> np.ndarray:
        """Classes to show: those that occur, by index, then others with high scores, the highest first.

        A class occurs if a ground-truth segment, a point or a pseudo label has it.

        Args:
            min_score: A class that does not occur is shown if its q-hat reaches this value somewhere, or if the score
                of one of its proposals reaches this share of the best score of the model.
            limit: Largest number of classes; ``None`` for no limit.

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
        labelled += [part for track in self.tracks for part in (track.extended, track.mined, track.best_segments)]
        occurring = np.unique(np.concatenate([[NO_CLASS], *(part.labels for part in labelled if part is not None)]))
        occurring = occurring[occurring != NO_CLASS]
        others = np.setdiff1d(found, occurring)
        others = others[np.argsort(-importance[others], kind='stable')]
        return np.concatenate([occurring, others]).astype(np.int64)[:limit]
