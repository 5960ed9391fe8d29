"""Annotated video: a copy with the detections drawn on its frames, which any browser plays."""

from collections.abc import Callable, Sequence
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

_CHUNK_FRAMES = 16  # frames that are decoded at once
_MAX_LINES = 4  # largest number of labels on a frame; the classes with the best scores are labelled
_TEXT_SHARE, _LANE_SHARE = 0.055, 0.045  # heights of text and lanes, as shares of the shorter side of a frame
_MIN_TEXT_PIXELS = 9
_NAMES_SHARE = 0.3  # largest share of the width for the names of the lanes
_TICKS_PER_SEC = 90_000  # a multiple of 24, 25, 30, 50 and 60 frames per second
_STRIP_COLOR, _PLAYHEAD_COLOR = (24, 26, 30), (255, 255, 255)
_QUALITY = {'crf': '21', 'preset': 'veryfast'}  # options of libx264: nearly no visible loss, encoded fast


def annotate_video(
    video: Any,
    path: str | Path,
    detections: Instances,
    classes: Sequence[str],
    min_share: float = 0.5,
    on_progress: Callable[[float], object] | None = None,
) -> str:
    """Copy a video, with the labels and scores of the detections at each frame, and all detections in a strip below.

    The strip has one lane per class that is found, and a line at the time of the frame. Frames keep their times. The
    file is MP4 with H.264, without sound.

    Args:
        video (VideoReader): The source, with its frames and their times.
        path: MP4 file, written atomically.
        detections (Instances): Detections in this video, in seconds.
        classes (Sequence[str]): Names in the order of the indices; the index of a class decides its colour.
        min_share: Detections with a score below this share of the best score are left out, since weak detections lie
            nearly everywhere.
        on_progress: Function that is called now and then with the share of the frames that is done, 0 to 1.

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
    with atomic_path(path, path.suffix) as temporary:  # the suffix tells PyAV the container
        try:
            _write_frames(temporary, video, shown, classes, on_progress or (lambda _: None))
        except FFmpegError as error:  # for example, the disk is full
            raise OSError(error.errno, error.strerror, temporary) from error
    return str(path)


def _write_frames(path, video, detections, classes, on_progress):
    """Decode, draw and encode all frames; ``detections`` have ascending scores."""
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
            on_progress(numbers.stop / len(video))
        container.mux(stream.encode())


class _Picture:
    """Drawing of all pictures of an annotated video.

    Heights follow from the shorter side of a frame, so that text is legible in upright videos of phones, too.

    Args:
        shape: Shape of a frame, ``(H, W, 3)``.
        duration_sec: Duration of the video.
        detections (Instances): Detections to show, with ascending scores.
        classes: Names in the order of the indices.

    Attributes:
        shape: Height and width of a picture, frame and strip together; both are even, as H.264 requires.
    """

    def __init__(self, shape, duration_sec, detections, classes):
        self._height, self._width = shape[:2]
        self._duration_sec, self._detections, self._classes = duration_sec, detections, classes
        side = min(shape[:2])
        self._text_px = max(_MIN_TEXT_PIXELS, round(_TEXT_SHARE * side))
        self._lane_px = max(_MIN_TEXT_PIXELS + 3, round(_LANE_SHARE * side))
        self._labels = sorted(set(detections.labels.tolist()))  # classes that are found, one lane each
        self._strip = self._draw_strip()
        height = self._height + len(self._strip)
        # One row more at the bottom if the height is odd, one column more on the right if the width is odd.
        self._padding = ((0, height % 2), (0, self._width % 2), (0, 0))
        self.shape = (height + height % 2, self._width + self._width % 2)

    def draw(self, image, time_sec):
        """Draw a frame, the labels at its time, and the strip: a picture ``(H, W, 3)`` uint8."""
        strip = self._strip.copy()
        playhead = self._names_px + round(time_sec / self._duration_sec * (self._width - 1 - self._names_px))
        strip[:, max(playhead - 1, 0) : playhead + 1] = _PLAYHEAD_COLOR
        picture = Image.fromarray(np.concatenate([image, strip]))
        canvas = ImageDraw.Draw(picture, 'RGBA')
        start, end = self._detections.segments.T
        active = self._detections[(start <= time_sec) & (time_sec < end)]
        # Scores ascend, so the dict keeps the last, best score of each class.
        score_of = dict(zip(active.labels.tolist(), active.scores.tolist()))
        best = sorted(score_of.items(), key=lambda entry: -entry[1])[:_MAX_LINES]
        gap, top = self._text_px // 2, 0  # gap: pixels around a text; top: upper end of the next text
        for label, score in best:
            text = f'{self._classes[label]} {score:.2f}'
            font = fitting_font(text, self._text_px, self._width - 2 * gap)
            left, upper, right, lower = font.getbbox(text)
            bottom = top + lower - upper + 2 * gap
            # A dark rectangle, so that the text is legible on any picture.
            canvas.rectangle((0, top, right - left + 2 * gap, bottom), fill=(0, 0, 0, 190))
            canvas.text((gap - left, top + gap - upper), text, font=font, fill=to_rgb(Look.of_number(label).color))
            top = bottom
        return np.pad(np.asarray(picture), self._padding, mode='edge')

    def _draw_strip(self):
        """Draw the strip without the line at the present time: a lane for each class, with its name and detections.

        This also sets ``_names_px``, the width in pixels of the column of names. The time axis begins behind it.
        """
        lanes = Image.new('RGB', (self._width, self._lane_px * len(self._labels) + 2), _STRIP_COLOR)
        canvas = ImageDraw.Draw(lanes)
        most_px = round(_NAMES_SHARE * self._width)
        fonts = [fitting_font(self._classes[label], self._lane_px - 3, most_px - 6) for label in self._labels]
        widths = [font.getlength(self._classes[label]) for font, label in zip(fonts, self._labels)]
        self._names_px = min(most_px, round(max(widths)) + 6) if widths else 0
        for row, (label, font) in enumerate(zip(self._labels, fonts)):
            color, top = to_rgb(Look.of_number(label).color), row * self._lane_px + 2
            canvas.text((3, top + (self._lane_px - 1) / 2), self._classes[label], font=font, fill=color, anchor='lm')
            segments = self._detections.segments[self._detections.labels == label]
            shares = np.clip(segments / self._duration_sec, 0, 1)
            columns = self._names_px + shares * (self._width - 1 - self._names_px)
            for start, end in np.rint(columns).astype(int).tolist():
                canvas.rectangle((start, top, max(start, end - 1), top + self._lane_px - 3), fill=color)
        return np.asarray(lanes)


@lru_cache(maxsize=256)
def fitting_font(text: str, pixels: int, width: int) -> ImageFont.FreeTypeFont:
    """Choose the size of a font so that a text is never cut.

    Args:
        text: The text.
        pixels: Largest size of the font.
        width: Largest width of the text, in pixels.

    Returns:
        ImageFont.FreeTypeFont: DejaVu Sans, which comes with matplotlib.
    """
    path = font_manager.findfont('DejaVu Sans')
    font = ImageFont.truetype(path, pixels)
    while pixels > 1 and font.getlength(text) > width:
        pixels = max(1, min(pixels - 1, int(pixels * width / font.getlength(text))))
        font = ImageFont.truetype(path, pixels)
    return font
