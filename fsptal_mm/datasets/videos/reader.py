"""Readers of the frames of a video by index; they also know the time at which each frame is shown."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from av.video.reformatter import VideoReformatter

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import spellings

from .decoding import decode, open_container
from .frame_index import FrameIndex, index_frames

VIDEO_SUFFIXES = (
    *('.mp4', '.avi', '.mkv', '.mov', '.webm', '.m4v', '.mpg', '.mpeg', '.flv', '.ts', '.wmv'),
    *('.m2ts', '.mts', '.3gp', '.3g2', '.asf', '.vob', '.ogv', '.mxf', '.f4v', '.qt', '.divx', '.mpe', '.m2v', '.dv'),
)
# Containers round the times of frames, often to milliseconds. So a frame that starts at most this long after a time
# counts as shown at that time.
_CLOCK_SEC = 1e-3
_MIN_SEEK_FRAMES = 24  # a seek is made only if it skips more frames than this: decoding so few is quicker than a seek


def videos_below(path: str | Path) -> list[Path]:
    """List the video files in a folder and its subfolders, without hidden files, sorted by path.

    If ``path`` is a file, the list holds this file.

    Raises:
        InputError: The folder has no videos.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    files = [file for file in path.rglob('*') if file.suffix.lower() in VIDEO_SUFFIXES and file.name[0] != '.']
    files = [file for file in files if not file.is_dir()]  # a folder x.mp4 may hold the frames of a video
    if not files:
        raise InputError(f'videos ({", ".join(VIDEO_SUFFIXES)})', file=path, found='none')
    return sorted(files)


def find_video_file(folder: str | Path, video_id: str) -> Path | None:
    """Find the file of a video in a folder.

    Args:
        folder: Folder of video files.
        video_id: Id of the video; it may differ from the name of the file by ActivityNet's prefix ``v_``.

    Returns:
        Path | None: The file; None if there is none.

    Raises:
        InputError: There is no such folder.
    """
    if not Path(folder).is_dir():
        raise InputError('a folder of videos', file=folder, found='no such folder')
    suffixes = [spelling for suffix in VIDEO_SUFFIXES for spelling in (suffix, suffix.upper())]
    files = (Path(folder, name + suffix) for name in spellings(video_id) for suffix in suffixes)
    return next((path for path in files if path.is_file()), None)


def open_video(path: str | Path, allow_damaged: bool = False) -> 'VideoReader':
    """Open a video file.

    Args:
        path: The file.
        allow_damaged: Whether to take what can be read of a truncated or damaged file: each frame that cannot be
            decoded is replaced by the frame before it. Default: such a file is an error.

    Returns:
        VideoReader: Reader of frames ``(H, W, 3)``, RGB, uint8.

    Raises:
        InputError: The file is missing, empty, unreadable, truncated, or has no frame.
    """
    return FileReader(path, index_frames(path, allow_damaged), allow_damaged)


class VideoReader:
    """Base class of readers of the frames of one video; subclasses implement :meth:`frames`.

    Args:
        path: The file, for errors.
        start_sec (np.ndarray): ``(N,)`` start of each frame in seconds, ascending, as the container states it. Frames
            need not be equally long.
        end_sec: End of the last frame in seconds.

    Attributes:
        path: The file.
        start_sec: ``(N,)`` start of each frame, in seconds from the start of the first frame.
        duration_sec: Seconds from the start of the first frame to the end of the last one.
        modality: ``'RGB'`` or ``'Flow'``, as transforms of mmaction2 call it.

    Raises:
        InputError: There is no frame.
    """

    modality = 'RGB'

    def __init__(self, path: str | Path, start_sec: Sequence[float] | np.ndarray, end_sec: float) -> None:
        if not len(start_sec):
            raise InputError('at least one frame', file=path, found='none')
        start_sec = np.asarray(start_sec, dtype=np.float64)
        self.path = str(path)
        self.start_sec = np.maximum.accumulate(start_sec - start_sec[0])
        self.duration_sec = float(max(end_sec - start_sec[0], self.start_sec[-1]))

    def __len__(self):
        return len(self.start_sec)

    @property
    def mean_fps(self) -> float:
        """Number of frames divided by the duration in seconds."""
        return len(self) / max(self.duration_sec, _CLOCK_SEC)

    def index_at(self, time_sec: float | np.ndarray) -> np.ndarray:
        """Index of the frame that is shown at a time in seconds; before or after the video, the first or last index."""
        index = np.searchsorted(self.start_sec, np.asarray(time_sec) + _CLOCK_SEC, side='right') - 1
        return np.clip(index, 0, len(self) - 1)

    def frames(self, indices: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Decode the frames of ascending ``indices``, a list of ``(H, W, C)`` uint8 arrays.

        Raises:
            InputError: A frame cannot be decoded.
        """
        raise NotImplementedError


class FileReader(VideoReader):
    """Reader of a video file. It decodes forward, after a seek to a key frame if the wanted frame is far away.

    After a seek, a frame is recognized by its time or, in files that do not state all times, by counting from a key
    frame whose time is known. So the frames are correct wherever a seek ends.

    Args:
        path: The video file.
        index (FrameIndex): Times of its frames.
        allow_damaged: See :func:`open_video`.
    """

    def __init__(self, path: str | Path, index: FrameIndex, allow_damaged: bool = False) -> None:
        super().__init__(path, index.ticks * index.tick_sec, index.end_tick * index.tick_sec)
        self._index, self._allow_damaged = index, allow_damaged
        self._reformatter = VideoReformatter()  # kept for all frames, since it holds tables of the conversion
        self._shown = self._next = None  # pairs of tick and frame: of the frame returned last, and of the next one
        self._size = None  # width and height of the images

    def frames(self, indices: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Decode the frames of ascending ``indices``, a list of ``(H, W, 3)`` uint8 arrays, all of one size.

        Raises:
            InputError: A frame cannot be decoded.
        """
        return [self._image(self._frame(tick)) for tick in self._index.ticks[np.asarray(indices, int)].tolist()]

    def _frame(self, tick):
        """Decode up to the frame that is shown at ``tick``: the last frame that starts at ``tick`` or before."""
        if self._shown is None or tick < self._shown[0] or self._is_far(tick):
            self._start(tick)
        while self._shown[0] < tick:
            self._next = self._next or next(self._decoded, None)
            if self._next is None or self._next[0] > tick:
                break
            self._shown, self._next = self._next, None
        return self._shown[1]

    def _is_far(self, tick):
        """Whether a seek saves time: the last key frame before a tick lies far ahead of the frame returned last."""
        keys, ticks = self._index.key_ticks, self._index.ticks
        num_keys = np.searchsorted(keys, tick, side='right')  # key frames up to the tick
        if not num_keys:
            return False
        now, key = np.searchsorted(ticks, [self._shown[0], keys[num_keys - 1]])  # as indices of frames
        return key - now > _MIN_SEEK_FRAMES

    def _start(self, tick):
        """Begin to decode at or before a tick.

        First, a seek to the last key frame before the tick is tried. If decoding then begins after the tick, the 2nd,
        4th, 8th, ... key frame before the tick is tried, and at last the beginning of the file.
        """
        index, back = self._index, 1
        keys = np.flatnonzero((index.key_ticks > index.ticks[0]) & (index.key_ticks <= tick))
        self._shown = self._next = None
        while self._shown is None or self._shown[0] > tick:
            key = None if back > len(keys) else keys[-back]
            self._decoded = self._decode(None if key is None else int(index.key_pts[key]))
            self._shown = next(self._decoded, None)
            back *= 2
            if key is None and self._shown is None:
                raise InputError('a readable video', file=self.path, found='no frame, though it had some when opened')

    def _decode(self, key_pts):
        """Decode from the key frame at ``key_pts`` on, or from the beginning (``None``).

        Returns:
            Iterator: Pairs of a tick and a frame; none if the seek ends at a frame whose tick is unknown.
        """
        index = self._index
        frames = decode(*open_container(self.path), key_pts, index.has_keys, self._allow_damaged)
        if index.is_timed:
            return _ascending_pairs(frames)
        if key_pts is None:
            return zip(index.ticks.tolist(), frames)
        # The stated times of the frames cannot be trusted, so frames are counted from the first key frame after the
        # seek. The stated time of this key frame, looked up in index.key_pts, shows which key frame it is.
        first = next((frame for frame in frames if frame.key_frame), None)
        known = np.flatnonzero(index.key_pts == (None if first is None else first.pts))
        if not len(known):
            return iter(())
        start = np.searchsorted(index.ticks, index.key_ticks[known[0]])
        return zip(index.ticks[start:].tolist(), itertools.chain([first], frames))

    def _image(self, frame):
        """RGB image of a decoded frame, turned upright as its metadata say."""
        turns = round(frame.rotation / 90) % 4
        if self._size is None:  # the size may change in a stream: all frames get the size of the first
            self._size = frame.width, frame.height
        width, height = self._size
        image = self._reformatter.reformat(frame, width, height, 'rgb24', threads=1).to_ndarray()
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _ascending_pairs(frames):
    """Yield pairs of a tick and a frame; frames without a time, or not later than all before, are left out."""
    last = None
    for frame in frames:
        if frame.pts is not None and (last is None or frame.pts > last):
            last = frame.pts
            yield last, frame
