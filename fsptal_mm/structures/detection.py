"""What a localizer says about a video, in the words of its user."""

from typing import NamedTuple


class Detection(NamedTuple):
    """A localised action: seconds from the start of the video, the name of the class, a score to rank by."""

    start_sec: float
    end_sec: float
    label: str
    score: float
