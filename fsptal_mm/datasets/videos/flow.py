"""Readers of optical flow as frames of two channels, x and y: from images on disk, or computed by TV-L1."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fsptal_mm.utils.errors import InputError

from .reader import VideoReader, open_video

RGB_SOURCE, FLOW_SOURCES = 'video', ('tvl1',)
_BOUND_PIXELS = 20  # flow of -20 to 20 pixels per frame becomes 0 to 255, the usual range of stored flow
_SHORT_SIDE = 256  # frames are scaled to this shorter side in pixels before flow is computed, as recognizers scale flow


def open_frames(path: str | Path, source: str, fps: float, allow_damaged: bool = False) -> VideoReader:
    """Open the frames of a video: RGB images, or optical flow.

    Args:
        path: The video file.
        source: ``'video'``: RGB frames of the file. ``'tvl1'``: flow computed by TV-L1. Any other text: a folder of
            flow images, with one subfolder per video, which has the name of the video file without suffix and holds
            images ``flow_x_*`` and ``flow_y_*``.
        fps: Frames per second of the grid; flow by TV-L1 is the motion within ``1 / fps`` seconds.
        allow_damaged: See :func:`open_video`.

    Returns:
        VideoReader: Reader of RGB frames, ``(H, W, 3)`` uint8, or of flow, ``(H, W, 2)`` uint8.

    Raises:
        InputError: The video or the flow cannot be read.
    """
    video = open_video(path, allow_damaged)
    if source == RGB_SOURCE:
        return video
    return TVL1Reader(video, fps) if source == 'tvl1' else FlowFolderReader(video, source)


def check_source(source: str) -> str:
    """Make sure that a source of frames can be used on this machine.

    Args:
        source: As in :func:`open_frames`.

    Returns:
        str: Modality of the source, ``'RGB'`` or ``'Flow'``.

    Raises:
        InputError: ``source`` is no known source and no folder, or OpenCV has no TV-L1.
    """
    if source == RGB_SOURCE:
        return 'RGB'
    if source == 'tvl1':
        _tvl1()
    elif not Path(source).is_dir():
        expected = f'one of {[RGB_SOURCE, *FLOW_SOURCES]}, or a folder of flow images'
        raise InputError(expected, field='source', found=str(source))
    return 'Flow'


def _tvl1():
    """OpenCV's TV-L1; an InputError if this build of OpenCV has none."""
    optflow = getattr(cv2, 'optflow', None)
    if not hasattr(optflow, 'DualTVL1OpticalFlow_create'):
        expected = 'OpenCV with cv2.optflow: install opencv-contrib-python, and uninstall all other builds of OpenCV'
        raise InputError(expected, field='source', found=f'tvl1, but OpenCV {cv2.__version__} without it')
    return optflow.DualTVL1OpticalFlow_create()


class FlowFolderReader(VideoReader):
    """Reader of stored flow images, one pair (x and y) per frame of the video; the last frame may have none.

    Args:
        video (VideoReader): The video, from which the times of the frames are taken.
        folder: Folder with one subfolder per video.

    Raises:
        InputError: An x or y image has no partner, or the number of pairs is neither N nor N - 1 for N frames.
    """

    modality = 'Flow'

    def __init__(self, video: VideoReader, folder: str | Path) -> None:
        self._folder = Path(folder, Path(video.path).stem)
        self._pairs = list(zip(*(sorted(self._folder.glob(f'flow_{axis}_*')) for axis in 'xy')))
        if any(x.name.replace('flow_x', 'flow_y') != y.name for x, y in self._pairs):
            raise InputError('an image flow_y_* for each flow_x_*', file=self._folder, video=self._folder.name)
        if not len(video) - 1 <= len(self._pairs) <= len(video) or not self._pairs:
            expected = f'as many pairs flow_x_*, flow_y_* as the video has frames, {len(video)}, or one less'
            raise InputError(expected, file=self._folder, video=self._folder.name, found=len(self._pairs))
        super().__init__(video.path, video.start_sec, video.duration_sec)

    def frames(self, indices: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Read the flow of ascending ``indices``, a list of ``(H, W, 2)`` uint8 arrays.

        If the last frame has no pair, it gets the flow of the frame before.

        Raises:
            InputError: An image cannot be read.
        """
        pairs = [self._pairs[min(index, len(self._pairs) - 1)] for index in indices]
        return [np.stack([self._read(image) for image in pair], axis=-1) for pair in pairs]

    @staticmethod
    def _read(path):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise InputError('a readable image', file=path)
        return image


class TVL1Reader(VideoReader):
    """Reader that computes flow by TV-L1, from each frame to the frame that is shown ``1 / fps`` seconds later.

    If a video has fewer frames per second than ``fps``, the same frame may still be shown then: the flow to the next
    frame is computed instead. The flow is scaled to the motion within ``1 / fps`` seconds, so that it does not depend
    on the video's native rate. The last frame gets the flow from the frame before it to this frame.

    Args:
        video (VideoReader): The video.
        fps: Frames per second of the grid.
    """

    modality = 'Flow'

    def __init__(self, video: VideoReader, fps: float) -> None:
        self._flow, self._step_sec, self._video = _tvl1(), 1 / fps, video
        super().__init__(video.path, video.start_sec, video.duration_sec)

    def frames(self, indices: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Compute the flow of ascending ``indices``, a list of ``(H, W, 2)`` uint8 arrays.

        Raises:
            InputError: A frame cannot be decoded.
        """
        indices, last = np.asarray(indices), len(self) - 1
        later = self.index_at(self.start_sec[indices] + self._step_sec)
        later = np.minimum(np.maximum(later, indices + 1), last)
        first = np.where(later > indices, indices, np.maximum(indices - 1, 0))  # there is no frame after the last one
        needed = np.unique([first, later]).tolist()
        grey = dict(zip(needed, map(_small_grey, self._video.frames(needed))))
        return [self._between(grey, *pair) for pair in zip(first.tolist(), later.tolist())]

    def _between(self, grey, first, later):
        """Flow ``(H, W, 2)`` uint8 between two frames of ``grey``, by their indices."""
        elapsed_sec = self.start_sec[later] - self.start_sec[first]
        steps = self._step_sec / elapsed_sec if elapsed_sec else 0  # 0 in a video of a single frame: no flow
        flow = self._flow.calc(grey[first], grey[later], None) * steps
        return np.rint(np.clip((flow / _BOUND_PIXELS + 1) / 2, 0, 1) * 255).astype(np.uint8)


def _small_grey(frame):
    """Frame in grey, scaled to the size at which flow is computed."""
    scale = min(1, _SHORT_SIDE / min(frame.shape[:2]))
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return grey if scale == 1 else cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
