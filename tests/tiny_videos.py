"""Small generated videos whose content is a function of time, so that it can be told when a frame was shown."""

import numpy as np
from video_writing import write_frames

SIZE = (64, 48)  # width, height


def scene(time_sec):
    """Frame at a time: it gets brighter by 20 per second, and a bar walks to the right, 8 pixels per second."""
    frame = np.full((SIZE[1], SIZE[0], 3), 20 + 20 * time_sec, np.uint8)
    left = int(8 * time_sec)
    frame[:, left : left + 8] = 255
    return frame


def brightness_to_sec(frame):
    """Seconds at which a frame of :func:`scene` was shown, within 0.25 s: codecs change brightness a little."""
    return (np.median(frame) - 20) / 20


def write_video(path, duration_sec=4.0, fps=30):
    """Write a video of :func:`scene`. Returns the path."""
    return write_frames(path, [scene(index / fps) for index in range(round(duration_sec * fps))], fps=fps)


def write_variable_rate(path):
    """Write a video of 4 s: 30 frames in the first second, then 30 frames 0.1 s apart. Returns the path."""
    times_sec = [index / 30 if index < 30 else 1 + (index - 30) / 10 for index in range(60)]
    return write_frames(path, map(scene, times_sec), times_sec=times_sec)
