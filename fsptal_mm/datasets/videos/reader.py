"""Frames of a video file by index, with the time at which each is shown."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from fsptal_mm.utils.errors import InputError

VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.m4v', '.mpg', '.mpeg', '.flv', '.ts', '.wmv')
# Containers round timestamps, often to milliseconds: a frame that starts this little after a time counts as shown.
_CLOCK_SEC = 1e-3
_LOST_SEC = 0.1  # what may be missing at the end of a video that is not damaged


def videos_below(path: str | Path) -> list[Path]:
    """List the video files below a folder, without hidden ones, sorted by path; or ``path`` itself, if it is a file.

    Raises:
        InputError: The folder has no videos.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    files = [file for file in path.rglob('*') if file.suffix.lower() in VIDEO_SUFFIXES and file.name[0] != '.']
    if not files:
        raise InputError(f'videos ({", ".join(VIDEO_SUFFIXES)})', file=path, found='none')
    return sorted(files)


def open_video(path: str | Path, decoder: str = 'decord') -> 'VideoReader':
    """Open a video file.

    Args:
        path: The file.
        decoder: ``'decord'``, or ``'opencv'``, which is slower: it decodes the file once more to know its times.

    Returns:
        VideoReader: Of frames ``(H, W, 3)``, RGB uint8.

    Raises:
        InputError: The file is missing, empty or unreadable, or has no frame.
    """
    if decoder not in DECODERS:
        raise InputError(f'one of {[*DECODERS]}', field='decoder', found=decoder)
    if not Path(path).is_file():
        raise InputError('a video file', file=path, found='no such file')
    if not Path(path).stat().st_size:
        raise InputError('a video', file=path, found='an empty file')
    return DECODERS[decoder](path)


class VideoReader:
    """Base class for reading frames of one video; subclasses decode.

    Args:
        path: The file, for errors.
        start_sec (np.ndarray): ``(N,)`` start of each frame, ascending, from the container: frames need not be equally
            long.
        end_sec: End of the last frame.

    Attributes:
        duration_sec: From the first frame to the end of the last one.
        modality: ``'RGB'`` or ``'Flow'``, as transforms of mmaction2 call it.
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
        """Mean frames per second."""
        return len(self) / max(self.duration_sec, _CLOCK_SEC)

    def index_at(self, time_sec: float | np.ndarray) -> np.ndarray:
        """Index of the frame shown at a time in seconds; outside the video the first or the last one."""
        index = np.searchsorted(self.start_sec, np.asarray(time_sec) + _CLOCK_SEC, side='right') - 1
        return np.clip(index, 0, len(self) - 1)

    def frames(self, indices: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Decode the frames of ascending ``indices``; a list of ``(H, W, C)`` uint8 arrays.

        Raises:
            InputError: A frame cannot be decoded.
        """
        raise NotImplementedError


class DecordReader(VideoReader):
    """Reader with decord, which knows the container's timestamps without decoding."""

    def __init__(self, path: str | Path) -> None:
        import decord

        try:
            self._reader = decord.VideoReader(str(path), num_threads=1)
            times = self._reader.get_frame_timestamp(range(len(self._reader))).reshape(-1, 2)
        except Exception as error:  # decord raises several types, all with a page of stack
            raise InputError('a readable video', file=path, found=_reason(error)) from error
        super().__init__(path, times[:, 0], times[-1, 1] if len(times) else 0)

    def frames(self, indices: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Decode the frames of ascending ``indices`` with decord."""
        try:
            return list(self._reader.get_batch(list(map(int, indices))).asnumpy())
        except Exception as error:
            found = f'{_reason(error)} near frame {indices[0]}'
            raise InputError('a readable video', file=self.path, found=found) from error


class OpenCVReader(VideoReader):
    """Reader with OpenCV."""

    def __init__(self, path: str | Path) -> None:
        capture = cv2.VideoCapture(str(path))
        if not capture.isOpened():
            raise InputError('a readable video', file=path, found='OpenCV cannot open it')
        fps, stated = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        start_sec = []
        while capture.grab():
            start_sec.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
        end_sec = start_sec[-1] + (1 / fps if fps > 0 else 0) if start_sec else 0
        # OpenCV ends a damaged video early without an error. The stated number of frames may come from the duration.
        if len(start_sec) < stated - 2 and fps > 0 and end_sec - start_sec[0] < stated / fps - _LOST_SEC:
            raise InputError(
                f'{stated:.0f} frames', file=path, found=f'no readable frame after the first {len(start_sec)}'
            )
        super().__init__(path, start_sec, end_sec)
        self._rewind()

    def _rewind(self):
        # Seeking by frame number is inexact with some codecs: we only go forward, or back to the beginning.
        self._capture, self._next = cv2.VideoCapture(self.path), 0

    def frames(self, indices: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Decode the frames of ascending ``indices`` with OpenCV."""
        if len(indices) and indices[0] < self._next:
            self._rewind()
        return [self._decode(int(index)) for index in indices]

    def _decode(self, index):
        while self._next <= index:
            if not self._capture.grab():
                raise InputError('a readable video', file=self.path, found=f'no frame {self._next}')
            self._next += 1
        return cv2.cvtColor(self._capture.retrieve()[1], cv2.COLOR_BGR2RGB)


DECODERS = {'decord': DecordReader, 'opencv': OpenCVReader}


def _reason(error):
    """Message of an error of decord, without its source positions and stack."""
    return str(error).strip().split('\n')[0].split('Check failed: ')[-1][:200]
