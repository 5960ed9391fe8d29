"""Numbers of a diagnosis, as objects and as JSON."""

import math
from dataclasses import dataclass

import numpy as np

from .errors import ERROR_TYPES


@dataclass(frozen=True)
class Gain:
    """Rise of mAP and mAP_N if all errors of one type are removed, as fractions (0.01 is one percentage point).

    Args:
        mean_ap: Gain of the average mAP.
        normalized: Gain of the average mAP_N.
    """

    mean_ap: float
    normalized: float


@dataclass(frozen=True)
class Bucket:
    """Ground-truth instances with similar values of one characteristic.

    Args:
        name: ``XS``, ``S``, ``M``, ``L`` or ``XL``.
        above: Lower bound of the values, exclusive.
        up_to: Upper bound of the values, inclusive; infinite in the last bucket.
        num_instances: Number of instances.
        num_missed: Number of false negatives among them.
        normalized_ap: Average mAP_N on these instances alone; NaN if there are none.
    """

    name: str
    above: float
    up_to: float
    num_instances: int
    num_missed: int
    normalized_ap: float

    @property
    def missed_share(self) -> float:
        """Share of the instances that are missed; NaN if there are no instances."""
        return self.num_missed / self.num_instances if self.num_instances else math.nan


@dataclass(frozen=True)
class Diagnosis:
    """Result of :func:`diagnose`.

    Args:
        tiou: Threshold of the profile and of the false negatives.
        tiou_thresholds (tuple[float]): Thresholds over which all other figures are averaged.
        num_instances: Number of ground-truth instances.
        num_missed: Number of false negatives among them.
        num_detections: Number of evaluated detections.
        mean_ap: Average mAP.
        normalized_ap: Average mAP_N.
        profile (np.ndarray): ``(10, 6)`` int64, number of detections of each type of :data:`.ERROR_TYPES` in each
            G-bin: the best G detections of each class, the next G, and so on (G: its ground-truth instances).
        top_mean_ap: Average mAP of the detections in these G-bins alone; the gains are differences from it.
        top_normalized_ap: Average mAP_N of these detections.
        gains (dict[str, Gain]): Gain without each error type.
        buckets (dict[str, list[Bucket]]): Buckets of ``length`` (seconds), ``coverage`` and ``num_instances``.
    """

    tiou: float
    tiou_thresholds: tuple
    num_instances: int
    num_missed: int
    num_detections: int
    mean_ap: float
    normalized_ap: float
    profile: np.ndarray
    top_mean_ap: float
    top_normalized_ap: float
    gains: dict
    buckets: dict

    def shares(self) -> np.ndarray:
        """Share of each error type in the detections of each G-bin of ``profile``, ``(10, 6)``; NaN for empty bins."""
        return _shares(self.profile)

    def sensitivity(self, characteristic: str) -> float:
        """Dependence of mAP_N on a characteristic: highest minus lowest over its buckets, as in DETAD."""
        values = self._normalized_aps(characteristic)
        return max(values) - min(values) if values else math.nan

    def impact(self, characteristic: str) -> float:
        """Gain if all instances were like the best bucket: mAP_N of the best bucket minus mAP_N of all instances."""
        values = self._normalized_aps(characteristic)
        return max(values) - self.normalized_ap if values else math.nan

    def _normalized_aps(self, characteristic):
        return [bucket.normalized_ap for bucket in self.buckets[characteristic] if bucket.num_instances]

    def to_dict(self) -> dict:
        """Convert all numbers to fractions and counts for JSON; NaN and infinity become ``None``."""
        shares = [_by_type(row) for row in self.shares()]
        return {
            'tiou': self.tiou,
            'tiou_thresholds': list(self.tiou_thresholds),
            'num_instances': self.num_instances,
            'num_detections': self.num_detections,
            'mAP': self.mean_ap,
            'mAP_N': self.normalized_ap,
            'profile': [
                {'rank': f'{rank + 1}G', 'num_detections': int(self.profile[rank].sum()), 'shares': shares[rank]}
                for rank in range(len(shares))
            ],
            'top_10G': {
                'num_detections': int(self.profile.sum()),
                'shares': _by_type(_shares(self.profile.sum(axis=0))),
                'mAP': self.top_mean_ap,
                'mAP_N': self.top_normalized_ap,
            },
            'gains': {name: {'mAP': gain.mean_ap, 'mAP_N': gain.normalized} for name, gain in self.gains.items()},
            'num_missed': self.num_missed,
            'missed_share': self.num_missed / self.num_instances,
            'characteristics': {
                name: {
                    'sensitivity': _number(self.sensitivity(name)),
                    'impact': _number(self.impact(name)),
                    'buckets': [_bucket_dict(bucket) for bucket in buckets],
                }
                for name, buckets in self.buckets.items()
            },
        }


def _shares(counts):
    """Convert counts ``(..., 6)`` to shares of their sum."""
    total = counts.sum(axis=-1, keepdims=True)
    return np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)


def _by_type(shares):
    return dict(zip(ERROR_TYPES, map(_number, shares.tolist())))


def _bucket_dict(bucket):
    return {
        'bucket': bucket.name,
        'above': bucket.above,
        'up_to': _number(bucket.up_to),
        'num_instances': bucket.num_instances,
        'num_missed': bucket.num_missed,
        'missed_share': _number(bucket.missed_share),
        'mAP_N': _number(bucket.normalized_ap),
    }


def _number(value):
    return value if math.isfinite(value) else None
