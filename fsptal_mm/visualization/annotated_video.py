"""Video with its detections written onto the frames, which any browser plays."""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from fsptal_mm.structures import Instances
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import atomic_path

from .palette import Look, to_rgb

_CHUNK_FRAMES = 16
_MAX_LINES = 4
_TEXT_SHARE, _LANE_SHARE = 0.055, 0.045  # of the shorter side of a frame
_MIN_TEXT_PIXELS = 9
_NAMES_SHARE = 0.3  # of the width: the names of the lanes take at most so much
_TICKS_PER_SEC = 90_000
_GROUND, _HEAD = (24, 26, 30), (255, 255, 255)
_QUALITY = {'crf': '21', 'preset': 'veryfast'}


def annotate_video(
    video: Any, path: str | Path, detections: Instances, classes: Sequence[str], min_share: float = 0.5
) -> str:
    """Copy a video, with labels and scores of the current detections on every frame, and all detections below it.

    Below the frames lies a strip with one lane per class that is found, and a line at the time of the frame. Frames
    keep their times. The file is MP4 with H.264, and there is no sound.

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
        InputError: A frame cannot be decoded, or the FFmpeg of PyAV has no encoder of H.264.
        WriteError: The file cannot be written.
    """
    path = Path(path)
    shown = detections[np.argsort(detections.scores, kind='stable')]
    shown = shown[shown.scores >= min_share * shown.scores.max(initial=0)]
    if 'libx264' not in av.codecs_available:
        raise InputError('a PyAV whose FFmpeg has libx264, as the packages of PyAV on PyPI', file=path)
    with atomic_path(path, path.suffix) as temporary:  # PyAV derives the container from the suffix
        try:
            _write_frames(temporary, video, shown, classes)
        except FFmpegError as error:  # such as that of a full disk
            raise OSError(error.errno, error.strerror, temporary) from error
    return str(path)


def _write_frames(path, video, detections, classes):
    with av.open(str(path), 'w', options={'movflags': 'faststart'}) as container:
        stream = container.add_stream('libx264', rate=Fraction(video.mean_fps).limit_denominator(1001))
        stream.pix_fmt, stream.options = 'yuv420p', _QUALITY
        stream.codec_context.time_base = Fraction(1, _TICKS_PER_SEC)
        picture = None
        for start in range(0, len(video), _CHUNK_FRAMES):
            numbers = range(start, min(start + _CHUNK_FRAMES, len(video)))
            for number, image in zip(numbers, video.frames(numbers)):
                if picture is None:
                    picture = _Picture(image.shape, video.duration_sec, detections, classes)
                    stream.height, stream.width = picture.shape
                frame = av.VideoFrame.from_ndarray(picture.draw(image, video.start_sec[number]), format='rgb24')
                frame.pts = round(video.start_sec[number] * _TICKS_PER_SEC)
                frame.time_base = stream.codec_context.time_base
                container.mux(stream.encode(frame))
        container.mux(stream.encode())


class _Picture:
    """Drawing of frames of one size. Lengths follow from their shorter side, so a phone's video has legible text, too.

    Args:
        shape: Of a frame, ``(H, W, 3)``.
        duration_sec: Of the video.
        detections (Instances): Those that are shown, in ascending order of their scores.
        classes: Names in the order of the indices.

    Attributes:
        shape: Height and width of what is drawn; both are even, as H.264 needs it.
    """

    def __init__(self, shape, duration_sec, detections, classes):
        self._height, self._width = shape[:2]
        self._duration_sec, self._detections, self._classes = duration_sec, detections, classes
        side = min(shape[:2])
        self._text = max(_MIN_TEXT_PIXELS, round(_TEXT_SHARE * side))
        self._lane = max(_MIN_TEXT_PIXELS + 3, round(_LANE_SHARE * side))
        self._labels = sorted(set(detections.labels.tolist()))
        strip = self._draw_strip()
        even = ((0, (self._height + len(strip)) % 2), (0, self._width % 2), (0, 0))
        self._strip, self._even = strip, even
        self.shape = (self._height + len(strip) + even[0][1], self._width + even[1][1])

    def draw(self, image, time_sec):
        """Draw a frame at its time, and the strip; ``(H, W, 3)`` uint8."""
        strip = self._strip.copy()
        head = self._left + round(time_sec / self._duration_sec * (self._width - 1 - self._left))
        strip[:, max(head - 1, 0) : head + 1] = _HEAD
        picture = Image.fromarray(np.concatenate([image, strip]))
        canvas = ImageDraw.Draw(picture, 'RGBA')
        spans = self._detections.segments
        active = self._detections[(spans[:, 0] <= time_sec) & (time_sec < spans[:, 1])]
        score_of = dict(zip(active.labels.tolist(), active.scores.tolist()))  # the best of each class: they ascend
        best = sorted(score_of.items(), key=lambda entry: -entry[1])[:_MAX_LINES]
        gap, top = self._text // 2, 0
        for label, score in best:
            text = f'{self._classes[label]} {score:.2f}'
            font = fitting_font(text, self._text, self._width - 2 * gap)
            left, upper, right, lower = font.getbbox(text)
            bottom = top + lower - upper + 2 * gap
            # Dark ground, so that letters are legible on any picture.
            canvas.rectangle((0, top, right - left + 2 * gap, bottom), fill=(0, 0, 0, 190))
            canvas.text((gap - left, top + gap - upper), text, font=font, fill=to_rgb(Look.of_number(label).color))
            top = bottom
        return np.pad(np.asarray(picture), self._even, mode='edge')

    def _draw_strip(self):
        """Draw the lanes: the name of each class, and its detections."""
        lanes = Image.new('RGB', (self._width, self._lane * len(self._labels) + 2), _GROUND)
        canvas = ImageDraw.Draw(lanes)
        most = round(_NAMES_SHARE * self._width)
        fonts = [fitting_font(self._classes[label], self._lane - 3, most - 6) for label in self._labels]
        widths = [font.getlength(self._classes[label]) for font, label in zip(fonts, self._labels)]
        self._left = min(most, round(max(widths, default=-6)) + 6)
        for row, (label, font) in enumerate(zip(self._labels, fonts)):
            color, top = to_rgb(Look.of_number(label).color), row * self._lane + 2
            canvas.text((3, top + (self._lane - 1) / 2), self._classes[label], font=font, fill=color, anchor='lm')
            segments = self._detections.segments[self._detections.labels == label]
            columns = self._left + np.clip(segments / self._duration_sec, 0, 1) * (self._width - 1 - self._left)
            for start, end in np.rint(columns).astype(int).tolist():
                canvas.rectangle((start, top, max(start, end - 1), top + self._lane - 3), fill=color)
        return np.asarray(lanes)


@lru_cache(maxsize=256)
def fitting_font(text: str, pixels: int, width: int) -> ImageFont.FreeTypeFont:
    """Choose a font in which a text is at most ``pixels`` high and ``width`` wide, so that it is never cut.

    Returns:
        ImageFont.FreeTypeFont: DejaVu Sans, which comes with matplotlib.
    """
    path = font_manager.findfont('DejaVu Sans')
    font = ImageFont.truetype(path, pixels)
    while pixels > 1 and font.getlength(text) > width:
        pixels = max(1, min(pixels - 1, int(pixels * width / font.getlength(text))))
        font = ImageFont.truetype(path, pixels)
    return font
