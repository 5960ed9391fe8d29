"""Detections of a localizer by the names of the classes."""

from typing import NamedTuple


class Detection(NamedTuple):
    """An action that a localizer found.

    Attributes:
        start_sec (float): Start, in seconds from the start of the video.
        end_sec (float): End, likewise.
        label (str): Name of the class.
        score (float): Higher is surer; ranks detections of any class and video.
    """

    start_sec: float
    end_sec: float
    label: str
    score: float
