"""Windows of long videos, for localizers of a fixed length."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fsptal_mm.utils.errors import InputError


@dataclass(frozen=True)
class Windows:
    """How a video is cut; windows overlap where the stride is shorter than they are.

    The last window ends with the video; a video shorter than a window is one window, which is padded later on.

    Args:
        num_snippets: Length of a window.
        stride_snippets: From the start of one window to that of the next, at most their length.

    Raises:
        InputError: One of them is no whole number, not positive, or the stride longer than the window.
    """

    num_snippets: int
    stride_snippets: int

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> 'Windows':
        """Check a config ``dict(num_snippets=..., stride_snippets=...)``; InputError for other fields."""
        if not isinstance(config, dict) or set(config) != {'num_snippets', 'stride_snippets'}:
            raise InputError('num_snippets and stride_snippets', field='windows', found=config)
        return cls(**config)

    def __post_init__(self):
        for name, most in (('num_snippets', np.inf), ('stride_snippets', self.num_snippets)):
            value = getattr(self, name)
            if type(value) is not int or not 1 <= value <= most:
                expected = 'a whole number >= 1, the stride not longer than the window'
                raise InputError(expected, field=f'windows.{name}', found=value)

    def cut(self, info: dict[str, Any]) -> list[dict[str, Any]]:
        """Windows of a video.

        Args:
            info (dict): The video, with ``duration_sec`` and ``grid``.

        Returns:
            list[dict]: For each window the fields of the video and ``window``, its first snippet and the one after its
            last, and ``window_share_sec``: the proposals whose middle lies in this range are this window's. The ranges
            part the video half-way between the middles of neighbouring windows, so that no action is found twice.

        Raises:
            InputError: The video has no duration.
        """
        if info['duration_sec'] is None:
            raise InputError('a duration, for windows', video=info['video_id'], field='duration_sec')
        grid = info['grid']
        last = max(0, int(np.ceil(grid.num_snippets(info['duration_sec']) - 1e-6)) - self.num_snippets)
        starts = np.append(np.arange(0, last, self.stride_snippets), last)
        parts = grid.to_sec((starts[1:] + starts[:-1] + self.num_snippets) / 2)
        edges = np.concatenate([[-np.inf], parts, [np.inf]]).tolist()
        return [
            info | {'window': (start, start + self.num_snippets), 'window_share_sec': share}
            for start, share in zip(starts.tolist(), pairwise(edges))
        ]
