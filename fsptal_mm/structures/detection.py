"""Detections of a localizer, with names of classes instead of their indices."""

from collections.abc import Sequence
from typing import NamedTuple

from .instances import Instances


class Detection(NamedTuple):
    """An action that a localizer found.

    Attributes:
        start_sec (float): Start, in seconds from the start of the video.
        end_sec (float): End, in seconds from the start of the video.
        label (str): Name of the class.
        score (float): Confidence, by which detections of all classes and videos are ranked.
    """

    start_sec: float
    end_sec: float
    label: str
    score: float


def name_detections(instances: Instances, classes: Sequence[str]) -> list[Detection]:
    """Turn scored instances, in seconds, into detections with names of classes. The order stays the same."""
    rows = zip(instances.segments.tolist(), instances.labels, instances.scores.tolist())
    return [Detection(*segment, classes[label], score) for segment, label, score in rows]
