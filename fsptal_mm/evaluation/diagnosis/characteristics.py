"""Characteristics of ground-truth instances: length, share of the video, and number of instances in the video."""

from collections.abc import Sequence

import numpy as np

from fsptal_mm.structures import Instances

BUCKET_NAMES = ('XS', 'S', 'M', 'L', 'XL')

# Bounds in DETAD's scripts: the largest value of each bucket except the last, which is unbounded. As in the scripts,
# num_instances has only the four buckets XS to L.
BUCKET_PRESETS = {
    'thumos14': {'length': (3, 6, 12, 18), 'coverage': (0.02, 0.04, 0.06, 0.08), 'num_instances': (1, 40, 80)},
    'activitynet': {'length': (30, 60, 120, 180), 'coverage': (0.2, 0.4, 0.6, 0.8), 'num_instances': (1, 4, 8)},
}

# As floats, 33.1 - 30.1 is a little more than 3, so an instance of 3 s would not be in the bucket that ends at 3.
# Therefore, values are rounded to this many decimals before they are compared with the bounds.
_DECIMALS = 6


def characteristics(gt: Instances, durations_sec: Sequence[float | None]) -> dict[str, np.ndarray]:
    """Compute those characteristics of DETAD that follow from the ground-truth segments alone.

    Args:
        gt (Instances): Ground truth, seconds.
        durations_sec (Sequence[float | None]): ``(V,)`` durations of the videos; ``None`` or NaN where unknown.

    Returns:
        dict[str, np.ndarray]: ``(M,)`` each. ``length``: seconds. ``coverage``: share of the video, NaN where its
        duration is unknown. ``num_instances``: ground-truth instances of the video, this one included and of any
        class, as in DETAD's file of THUMOS14.
    """
    durations = np.array([np.nan if duration is None else duration for duration in durations_sec], dtype=np.float64)
    length = gt.segments[:, 1] - gt.segments[:, 0]
    counts = np.bincount(gt.videos, minlength=len(durations))
    return {'length': length, 'coverage': length / durations[gt.videos], 'num_instances': counts[gt.videos]}


def bucket_indices(values: np.ndarray, bounds: Sequence[float]) -> np.ndarray:
    """Sort instances into buckets.

    Args:
        values (np.ndarray): ``(M,)`` values of one characteristic, one for each instance.
        bounds (Sequence[float]): Largest value of each bucket except the last, ascending. Unlike in DETAD's scripts,
            instances with a coverage above 1 are not left out, but are in the last bucket.

    Returns:
        np.ndarray: ``(M,)`` int64 index of the bucket, 0 to ``len(bounds)``; -1 if the value is NaN.
    """
    return np.where(np.isnan(values), -1, np.searchsorted(bounds, np.round(values, _DECIMALS), side='left'))
