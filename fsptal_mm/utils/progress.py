"""Progress of long work on videos: a bar in a terminal; in a log file or a pipe, a line now and then."""

import time
from datetime import timedelta
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

# Time from one line to the next: ten seconds, or a twentieth of the time so far if that is more, so that logs stay
# short.
_LINE_SEC, _LINE_SHARE = 10.0, 0.05


class VideoProgress:
    """Context in which the progress of work on videos is shown, with the time that is left.

    Args:
        title: Name of the work.
        num_videos: Number of videos.
        total: Amount of work in any unit, such as bytes. Default: the number of videos.
        disable: Whether to show nothing.

    Attributes:
        is_bar: Whether progress is shown as a bar (in a terminal or notebook) and not as lines.
    """

    def __init__(self, title: str, num_videos: int, total: float | None = None, disable: bool = False) -> None:
        self._title, self._num_videos = title, num_videos
        self._total = num_videos if total is None else total
        self._start_sec, self._line_sec = time.monotonic(), _LINE_SEC
        console = Console()
        self.is_bar = (console.is_terminal or console.is_jupyter) and not disable
        self._disable = disable
        texts = '{task.description}', '{task.percentage:>3.0f} %', '{task.fields[videos]}/{task.fields[of]} videos'
        columns = (texts[0], BarColumn(), *texts[1:], TimeElapsedColumn(), 'left', TimeRemainingColumn())
        # The speed is averaged over 600 s, since it differs from video to video.
        self._bar = Progress(*columns, speed_estimate_period=600, console=console, disable=not self.is_bar)
        self._task = self._bar.add_task(title, total=self._total, videos=0, of=num_videos)

    def __enter__(self) -> 'VideoProgress':
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def update(self, videos_done: int, done: float | None = None) -> None:
        """Show how much is done.

        Args:
            videos_done: Number of videos that are done.
            done: Amount of work that is done, in the unit of ``total``. Default: the number of videos.
        """
        done = videos_done if done is None else done
        self._bar.update(self._task, completed=done, videos=videos_done)
        passed_sec = time.monotonic() - self._start_sec
        if self.is_bar or self._disable or passed_sec < self._line_sec or not 0 < done < self._total:
            return
        self._line_sec = passed_sec + max(_LINE_SEC, _LINE_SHARE * passed_sec)
        passed, left = (timedelta(seconds=round(sec)) for sec in (passed_sec, passed_sec * (self._total / done - 1)))
        self.print(
            f'{self._title}: {done / self._total:.0%}, {videos_done}/{self._num_videos} videos, {passed} so far, '
            f'about {left} left'
        )

    def print(self, text: str) -> None:
        """Print a line; a bar stays below it."""
        if self.is_bar:
            self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)
        else:
            print(text, flush=True)
