"""The snippet grid: the only place that knows how snippets and seconds map onto each other."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fsptal_mm.utils.errors import LARGEST, InputError, check_numbers

# Tolerance in snippets, since rounding may place a time that is meant to be the start of a snippet just before it.
_EDGE_SNIPPETS = 1e-6
# Smallest allowed rate, number of frames, and length of a snippet in seconds. The largest index of a snippet is then
# 1e12 / 1e-6, at LARGEST seconds, which fits into int64.
_SMALLEST = 1e-6


@dataclass(frozen=True)
class SnippetGrid:
    """Map between snippets and seconds: snippet ``t`` covers the time ``[t, t + 1) * snippet_sec + offset_sec``.

    The feature of a snippet stands for its centre.

    Args:
        snippet_sec: Seconds from the start of one snippet to the start of the next (the stride, in seconds).
        offset_sec: Start of snippet 0, in seconds. Where the frames of neighbouring snippets overlap, a snippet covers
            the stretch of one stride in the middle of its frames: with 16 frames and a stride of 8, snippet 0 covers
            the frames 4 to 11, so that the offset is ``4 / fps``.
    """

    snippet_sec: float
    offset_sec: float = 0.0

    @classmethod
    def from_config(
        cls, grid: dict[str, Any], native_fps: float | None = None, video: str | None = None
    ) -> 'SnippetGrid':
        """Build the grid of one video from a dataset's ``grid`` config.

        Args:
            grid (dict): Either ``dict(snippet_sec=...)`` or ``dict(fps=..., snippet_frames=..., stride_frames=...)``:
                frames per second at which features were extracted (``'native'`` for the video's own), frames per
                snippet, frames from snippet to snippet (default: ``snippet_frames``). Both forms may hold
                ``offset_sec``. It defaults to 0 in the first form, and to
                ``(snippet_frames - stride_frames) / 2 / fps`` in the second.
            native_fps: The video's own frames per second, needed for ``fps='native'``.
            video: Name of the video, for errors.

        Raises:
            InputError: An unknown, missing or non-positive field, or no ``native_fps`` where it is needed.
        """
        if not isinstance(grid, dict):
            raise InputError('fields of a grid', field='grid', found=grid)
        grid = dict(grid)
        offset_sec = grid.pop('offset_sec', None)
        if offset_sec is not None:
            check_numbers('grid', -LARGEST, offset_sec=offset_sec)
        if set(grid) == {'snippet_sec'}:
            return cls(_positive(grid, 'snippet_sec', video), float(offset_sec or 0))
        if not {'fps', 'snippet_frames'} <= set(grid) <= {'fps', 'snippet_frames', 'stride_frames'}:
            raise InputError(
                'snippet_sec, or fps and snippet_frames (and stride_frames), and offset_sec if needed',
                field='grid',
                found=sorted(grid),
            )
        if grid['fps'] == 'native':
            if native_fps is None:
                raise InputError(
                    "the video's frames per second (from an fps file or the annotations), since grid.fps is 'native'",
                    video=video,
                    field='fps',
                )
            grid['fps'] = native_fps
        fps, frames = _positive(grid, 'fps', video), _positive(grid, 'snippet_frames', video)
        stride = _positive(grid, 'stride_frames', video) if 'stride_frames' in grid else frames
        snippet_sec = _positive(dict(snippet_sec=stride / fps), 'snippet_sec', video)
        return cls(snippet_sec, (frames - stride) / 2 / fps if offset_sec is None else float(offset_sec))

    def to_snippet(self, sec: ArrayLike) -> np.ndarray:
        """Index of the snippet that a time in seconds falls into (not clipped to the video)."""
        return np.floor(self.to_position(sec) + _EDGE_SNIPPETS).astype(np.int64)

    def to_position(self, sec: ArrayLike) -> np.ndarray:
        """Position in snippets of a time in seconds: the inverse of :meth:`to_sec`."""
        return (np.asarray(sec, dtype=np.float64) - self.offset_sec) / self.snippet_sec

    def to_sec(self, position: ArrayLike) -> np.ndarray:
        """Seconds of a position in snippets: ``t`` is the start of snippet t, ``t + 0.5`` its centre."""
        return np.asarray(position, dtype=np.float64) * self.snippet_sec + self.offset_sec

    def edges_sec(self, positions: ArrayLike) -> np.ndarray:
        """Start and end, in seconds, of T snippets that were resampled from the snippets of this grid.

        Args:
            positions (np.ndarray): ``(T,)`` ascending: the fractional index, among this grid's snippets, at which each
                of the T snippets was sampled. These are ``snippet_positions`` of label extension, or ``0 ... T - 1``
                without it. The first position lies at the first snippet of the video, and the last position at the last
                snippet.

        Returns:
            np.ndarray: ``(T + 1,)`` seconds; snippet t reaches from entry t to entry t + 1. The edge between two
            snippets lies half-way between their centres.
        """
        positions = np.asarray(positions, dtype=np.float64)
        middles = (positions[1:] + positions[:-1]) / 2 + 0.5
        # A first position of 0.2 still samples snippet 0, which starts at 0 and not at 0.2; likewise at the end.
        return self.to_sec(np.concatenate([np.rint(positions[:1]), middles, np.rint(positions[-1:]) + 1]))

    def num_snippets(self, duration_sec: float) -> float:
        """Number of snippets that a video of this duration should have (a float: extractors round up or down)."""
        return (duration_sec - self.offset_sec) / self.snippet_sec


def snippet_edges_sec(data_sample: Any) -> np.ndarray:
    """Start and end, in seconds inside the video, of the T snippets that a model sees.

    Args:
        data_sample (ActionDataSample): With metainfo ``num_snippets``, ``grid``, ``duration_sec`` and, after label
            extension, ``snippet_positions``.

    Returns:
        np.ndarray: ``(T + 1,)`` seconds; snippet t reaches from entry t to entry t + 1.
    """
    positions = data_sample.get('snippet_positions', np.arange(data_sample.num_snippets))
    return data_sample.grid.edges_sec(positions).clip(0, data_sample.duration_sec)


def _positive(grid, field, video):
    value = grid[field]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not _SMALLEST <= value <= LARGEST:
        expected = f'a number from {_SMALLEST:g} to {LARGEST:g}'
        raise InputError(expected, video=video, field=f'grid.{field}', found=value)
    return float(value)
