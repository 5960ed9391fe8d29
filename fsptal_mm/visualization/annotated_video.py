"""Video with its detections written onto the frames."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from fsptal_mm.structures import Instances
from fsptal_mm.utils.errors import InputError, WriteError
from fsptal_mm.utils.writing import atomic_path

from .palette import Look, to_rgb

_CHUNK_FRAMES = 16
_MAX_LINES = 4
_TEXT_SHARE, _BAR_SHARE = 0.06, 0.04  # of the height of a frame
_FONT, _FONT_PIXELS = cv2.FONT_HERSHEY_SIMPLEX, 22  # height of its letters at scale 1


def annotate_video(
    video: Any, path: str | Path, detections: Instances, classes: Sequence[str], min_share: float = 0.5
) -> str:
    """Copy a video, with labels and scores of the current detections and a progress bar on every frame.

    The bar shows all detections. The frames are those of the source, at its mean frame rate. There is no sound.

    Args:
        video (VideoReader): The open source, with its frames and their times.
        path: MP4 file, written atomically.
        detections (Instances): Of this video, in seconds.
        classes (Sequence[str]): Names in the order of the indices; the colour of a class follows from its index.
        min_share: Detections with a score below this share of the best score are left out: weak detections lie
            nearly everywhere.

    Returns:
        str: ``path``.

    Raises:
        InputError: A frame cannot be decoded, or OpenCV cannot write MP4.
    """
    path = Path(path)
    shown = detections[np.argsort(detections.scores, kind='stable')]
    shown = shown[shown.scores >= min_share * shown.scores.max(initial=0)]
    with atomic_path(path, path.suffix) as temporary:  # OpenCV derives the container from the suffix
        _write_frames(temporary, video, shown, classes)
        if cv2.VideoCapture(temporary).get(cv2.CAP_PROP_FRAME_COUNT) != len(video):  # OpenCV reports no error
            raise WriteError(path, 'a video cut short, as by a full disk')
    return str(path)


def _write_frames(path, video, detections, classes):
    writer = None
    try:
        for start in range(0, len(video), _CHUNK_FRAMES):
            numbers = range(start, min(start + _CHUNK_FRAMES, len(video)))
            for number, frame in zip(numbers, video.frames(numbers)):
                if writer is None:
                    writer = _open_writer(path, video.mean_fps, frame.shape)
                frame = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
                _draw(frame, video.start_sec[number], video.duration_sec, detections, classes)
                writer.write(frame)
    finally:
        if writer is not None:
            writer.release()


def _open_writer(path, fps, shape):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), fps, (shape[1], shape[0]))
    if not writer.isOpened():
        raise InputError('an OpenCV with the codec mp4v', file=path, found='a writer that does not open')
    return writer


def _draw(frame, time_sec, duration_sec, detections, classes):
    """Write the detections at a time onto a frame, in place: the best of each class. ``detections`` ascend by score."""
    height, width = frame.shape[:2]
    bar, line = max(4, round(_BAR_SHARE * height)), max(12, round(_TEXT_SHARE * height))
    frame[-bar:] //= 4
    columns = np.rint(detections.segments / duration_sec * width).astype(int)
    for (start, end), label in zip(columns, detections.labels):
        frame[-bar // 2 :, start:end] = _color(label)
    done = frame[-bar:, : round(time_sec / duration_sec * width)]
    done += (255 - done) // 3  # lighter: what has been shown
    active = detections[(detections.segments[:, 0] <= time_sec) & (time_sec < detections.segments[:, 1])]
    score_of = dict(zip(active.labels, active.scores))
    best = sorted(score_of.items(), key=lambda entry: -entry[1])[:_MAX_LINES]
    for row, (label, score) in enumerate(best):
        text, scale = f'{classes[label]} {score:.2f}', line / _FONT_PIXELS
        text_width = cv2.getTextSize(text, _FONT, scale, 1)[0][0]
        top = row * line * 2
        frame[top : top + line * 2, : text_width + line] //= 4  # dark, so that letters are legible on any background
        cv2.putText(frame, text, (line // 2, top + line * 3 // 2), _FONT, scale, _color(label), 1, cv2.LINE_AA)


def _color(label):
    """Blue, green and red of a class."""
    return to_rgb(Look.of_number(label).color)[::-1]
