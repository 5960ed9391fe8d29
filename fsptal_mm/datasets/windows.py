"""Windows of long videos, for localizers that take a fixed number of snippets."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fsptal_mm.utils.errors import InputError

_ROUNDING_SNIPPETS = 1e-6  # a duration that exceeds a whole number of snippets by less than this counts as whole


@dataclass(frozen=True)
class Windows:
    """Length and stride of the windows that a video is cut into.

    Windows overlap if the stride is shorter than the window. The last window ends with the video. A video shorter than
    a window makes one window, which ``CropToWindow`` pads.

    Args:
        num_snippets: Length of a window.
        stride_snippets: Snippets from the start of one window to the start of the next, at most ``num_snippets``.

    Raises:
        InputError: Length or stride is not a whole number >= 1, or the stride is longer than the window.
    """

    num_snippets: int
    stride_snippets: int

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> 'Windows':
        """Build windows from a config ``dict(num_snippets=..., stride_snippets=...)``.

        Raises:
            InputError: A field is missing, unknown or wrong.
        """
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
        """Cut a video into windows.

        Args:
            info (dict): The video, with ``duration_sec`` and ``grid``.

        Returns:
            list[dict]: For each window, the fields of the video and two more. ``window`` is the range ``[start, stop)``
            of its snippets. ``window_share_sec`` is a time range: of the proposals in a window, the metric keeps only
            those whose middle lies in this range. The ranges of two neighbouring windows do not overlap, so that no
            action is found twice: they meet half-way between the middles of the two windows. For example, the ranges of
            the windows ``[0, 100)`` and ``[50, 150)`` meet at snippet 75.

        Raises:
            InputError: The video has no duration.
        """
        if info['duration_sec'] is None:
            raise InputError(
                'a duration, since windows reach up to the end of the video',
                video=info['video_id'],
                field='duration_sec',
            )
        grid = info['grid']
        num_snippets = int(np.ceil(grid.num_snippets(info['duration_sec']) - _ROUNDING_SNIPPETS))
        last = max(0, num_snippets - self.num_snippets)
        starts = np.append(np.arange(0, last, self.stride_snippets), last)
        meetings_sec = grid.to_sec((starts[1:] + starts[:-1] + self.num_snippets) / 2)
        edges_sec = np.concatenate([[-np.inf], meetings_sec, [np.inf]]).tolist()
        return [
            info | {'window': (start, start + self.num_snippets), 'window_share_sec': share}
            for start, share in zip(starts.tolist(), pairwise(edges_sec))
        ]
