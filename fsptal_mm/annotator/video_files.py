"""Video files to label: finding them, and reading their frames."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from fsptal_mm.datasets.videos.reader import open_video, videos_below
from fsptal_mm.utils.errors import InputError

_MAX_WIDTH = 960  # frames are sent with at most this width in pixels: enough to see an action, and quick to send
_JPEG_QUALITY = 85  # of 100
_MOST_OPEN = 3  # number of readers that stay open: for the video on the page, the one before and the one after


def find_videos(paths: Iterable[str | Path]) -> tuple[dict[str, Path], list[str]]:
    """List the video files in folders and their subfolders, and the given files.

    Returns:
        tuple[dict[str, Path], list[str]]: Files by video id (the file name without suffix), in the order given; and one
        line for each problem: a folder without videos, or a file with the id of an earlier file, which is ignored.
    """
    found, problems = {}, []
    for path in paths:
        try:
            files = videos_below(path)
        except InputError as error:
            problems.append(str(error))
            continue
        for file in files:
            video_id = file.stem.strip()
            other = found.setdefault(video_id, file.resolve())
            if other != file.resolve():
                expected = f'a file name that gives another id than {other}'
                problems.append(str(InputError(expected, file=file, video=video_id)))
    return found, problems


class OpenVideos:
    """Frames of videos. The readers of the three videos that were used last stay open. Several threads may use them.

    Args:
        paths (dict[str, Path]): From video id to file.
        allow_damaged: See :func:`.open_video`.
    """

    def __init__(self, paths: dict[str, Path], allow_damaged: bool = False) -> None:
        self._paths, self._allow_damaged = paths, allow_damaged
        self._readers = OrderedDict()  # from video id to reader; the reader that was used last comes last
        self._lock = threading.Lock()

    def frame_times(self, video_id: str) -> tuple[np.ndarray, float]:
        """Start of each frame of a video, and end of the last frame, in seconds from the start of the first frame.

        Returns:
            tuple[np.ndarray, float]: ``(N,)`` float64 starts, ascending, and the duration.

        Raises:
            InputError: The video cannot be read any more.
        """
        with self._lock:
            reader = self._reader(video_id)
            return reader.start_sec, reader.duration_sec

    def snap(self, video_id: str, time_sec: float) -> tuple[int, float]:
        """Find the frame that is shown at a time in seconds: its index, and its start in seconds.

        Raises:
            InputError: The video cannot be read any more.
        """
        with self._lock:
            reader = self._reader(video_id)
            frame = int(reader.index_at(time_sec))
            return frame, float(reader.start_sec[frame])

    def jpeg(self, video_id: str, frame: int) -> bytes:
        """Decode a frame, for browsers that cannot play the video.

        Args:
            video_id: The video.
            frame: Index of the frame, from 0.

        Returns:
            bytes: A JPEG, at most 960 pixels wide.

        Raises:
            InputError: There is no such frame, or it cannot be decoded.
        """
        with self._lock:
            reader = self._reader(video_id)
            if not 0 <= frame < len(reader):
                raise InputError(f'0 to {len(reader) - 1}', video=video_id, field='frame', found=frame)
            (image,) = reader.frames([frame])
        height, width = image.shape[:2]
        if width > _MAX_WIDTH:
            size = (_MAX_WIDTH, max(round(height * _MAX_WIDTH / width), 1))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        return cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1].tobytes()

    def _reader(self, video_id):
        if video_id not in self._readers:
            self._readers[video_id] = open_video(self._paths[video_id], self._allow_damaged)
            if len(self._readers) > _MOST_OPEN:
                self._readers.popitem(last=False)
        self._readers.move_to_end(video_id)
        return self._readers[video_id]
