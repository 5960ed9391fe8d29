"""Small generated videos whose content is a function of time, so that it can be told when a frame was shown."""

import re

import cv2
import numpy as np

from fsptal_mm.datasets.videos.reader import open_video

_CODECS = {'.mp4': 'mp4v', '.avi': 'MJPG', '.mkv': 'MJPG'}
SIZE = (64, 48)  # width, height


def scene(time_sec):
    """Frame at a time: it gets brighter by 20 per second, and a bar walks to the right, 8 pixels per second."""
    frame = np.full((SIZE[1], SIZE[0], 3), 20 + 20 * time_sec, np.uint8)
    left = int(8 * time_sec)
    frame[:, left : left + 8] = 255
    return frame


def brightness_to_sec(frame):
    """When a frame of :func:`scene` was shown, within a quarter of a second: codecs change brightness a little."""
    return (np.median(frame) - 20) / 20


def write_video(path, duration_sec=4.0, fps=30, at=lambda time_sec: time_sec):
    """Write a video of :func:`scene`; ``at`` maps the time in the file to that of the scene. Returns the path."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*_CODECS[path.suffix]), fps, SIZE)
    assert writer.isOpened()
    for index in range(round(duration_sec * fps)):
        writer.write(scene(at(index / fps)))
    writer.release()
    return path


def write_variable_rate(path):
    """Write a Matroska video of 4 s: 30 frames in the first second, then 30 frames 0.1 s apart.

    OpenCV writes constant rates only, so the timestamps are changed in the file: each frame begins with ``0x81``, its
    time as two bytes relative to a cluster, ``0x80``, and the start of a JPEG.
    """

    def stretched(time_sec):
        return time_sec if time_sec < 1 else 1 + 3 * (time_sec - 1)

    write_video(path, 2.0, at=stretched)
    constant, content = open_video(path), bytearray(path.read_bytes())
    places = [match.start(1) for match in re.finditer(rb'\x81(..)\x80\xff\xd8\xff', bytes(content), re.DOTALL)]
    assert len(places) == len(constant) == 60
    for place, time_sec in zip(places, constant.start_sec):
        relative_ms = int.from_bytes(content[place : place + 2], 'big') + 1000 * (stretched(time_sec) - time_sec)
        content[place : place + 2] = round(relative_ms).to_bytes(2, 'big')
    path.write_bytes(content)
    return path
