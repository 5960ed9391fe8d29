"""Segments on the time axis, in any one unit: what surrounds them and how they overlap."""

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

# Largest ratio of an outer range to its segment; such a range reaches beyond every video.
_LARGEST_RATIO = 10**6
_LARGEST_DENOMINATOR = 10**6  # times _LARGEST_RATIO and a length of 9 million, it fits into int64


def outer_length(length: Any, ratio: float) -> Any:
    """Length ``ceil(ratio * length)`` of an outer range (Eq. 8), before a neighbour or the video's end cuts it.

    It is computed in whole numbers, since a product of floats may be too large: ``0.07 * 100`` is 7.000000000000001,
    which would be rounded up to 8.

    Args:
        length (int | np.ndarray | Tensor): Lengths of segments, whole numbers of one unit.
        ratio (float): delta; replaced by the nearest fraction with a denominator of at most a million.

    Returns:
        int | np.ndarray | Tensor: Lengths of outer ranges, of the type, shape and unit of ``length``.
    """
    numerator, denominator = _as_fraction(ratio)
    return (length * numerator + denominator - 1) // denominator


@lru_cache
def _as_fraction(ratio):
    return Fraction(min(ratio, _LARGEST_RATIO)).limit_denominator(_LARGEST_DENOMINATOR).as_integer_ratio()


def segment_iou(first: ArrayLike, second: ArrayLike) -> np.ndarray:
    """Temporal intersection over union of every pair of segments.

    Args:
        first (np.ndarray): ``(N, 2)`` starts and ends, in any one unit.
        second (np.ndarray): ``(M, 2)``, in the same unit.

    Returns:
        np.ndarray: ``(N, M)``; 0 where two segments do not overlap or both have no length.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    intersection = np.minimum.outer(first[:, 1], second[:, 1])
    intersection -= np.maximum.outer(first[:, 0], second[:, 0])
    np.maximum(intersection, 0, out=intersection)
    union = np.add.outer(first[:, 1] - first[:, 0], second[:, 1] - second[:, 0])
    union -= intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def segments_inside(segments: np.ndarray, start: float, end: float, min_share: float = 0.5) -> np.ndarray:
    """Parts of segments that lie in a range.

    Args:
        segments (np.ndarray): ``(N, 2)`` starts and ends, in any one unit.
        start (float): Start of the range, in the same unit.
        end (float): End of the range.
        min_share: A segment is left out if less than this share of its length lies inside, or nothing at all.

    Returns:
        np.ndarray: ``(M, 2)``, cut at the ends of the range.
    """
    inside = np.clip(segments, start, end)
    length = np.diff(inside)[:, 0]
    return inside[(length > 0) & (length >= min_share * np.diff(segments)[:, 0])]
