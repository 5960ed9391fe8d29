"""Evaluation protocols of benchmarks: tIoU thresholds, averages over them, and names of the figures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fsptal_mm.utils.errors import InputError

_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Protocol:
    """Evaluation protocol: tIoU thresholds, and the ranges of thresholds to average over.

    Args:
        tiou_thresholds (tuple[float]): Ascending, each in (0, 1].
        average_ranges (tuple[tuple[float, float]]): First and last threshold of each average; the main average comes
            first.
    """

    tiou_thresholds: tuple
    average_ranges: tuple

    @classmethod
    def from_config(
        cls,
        preset: str | None = None,
        tiou_thresholds: Sequence[float] | None = None,
        average_ranges: Sequence[Sequence[float]] | None = None,
    ) -> 'Protocol':
        """Build a protocol from config values.

        Args:
            preset: ``'thumos14'`` (thresholds 0.1, 0.2, ... 0.7; averages 0.1-0.7, 0.1-0.5, 0.3-0.7) or
                ``'activitynet'`` (thresholds 0.5, 0.55, ... 0.95; average 0.5-0.95).
            tiou_thresholds (Sequence[float], optional): Thresholds in (0, 1]. Default: the thresholds of the preset.
            average_ranges (Sequence[Sequence[float]], optional): First and last threshold of each average. Default: the
                ranges of the preset; with ``tiou_thresholds``, one average over all thresholds if there are several.

        Raises:
            InputError: The preset is unknown, a threshold is outside (0, 1], or a range holds no threshold.
        """
        if tiou_thresholds is None:
            if not isinstance(preset, str) or preset not in PRESETS:
                raise InputError(f'tiou_thresholds or one of {sorted(PRESETS)}', field='preset', found=preset)
            thresholds, ranges = PRESETS[preset].tiou_thresholds, average_ranges or PRESETS[preset].average_ranges
        else:
            thresholds = _thresholds(tiou_thresholds)
            ranges = average_ranges or ([(thresholds[0], thresholds[-1])] if len(thresholds) > 1 else [])
        if not isinstance(ranges, (list, tuple)):
            raise InputError('pairs (first, last) of tIoUs', field='average_ranges', found=ranges)
        protocol = cls(thresholds, tuple(_range(bounds) for bounds in ranges))
        for bounds in protocol.average_ranges:
            if not protocol._within(bounds).any():
                expected = f'a range that holds at least one of the tIoU thresholds {thresholds}'
                raise InputError(expected, field='average_ranges', found=bounds)
        return protocol

    @property
    def threshold_keys(self) -> list[str]:
        """Names of the mAP at each threshold, e.g. ``mAP@0.5``."""
        return [f'mAP@{threshold:.4g}' for threshold in self.tiou_thresholds]

    @property
    def average_keys(self) -> list[str]:
        """Names of the averages, e.g. ``mAP@0.1-0.7``; mmengine uses such a name in the file name of a checkpoint."""
        return ['mAP@{:.4g}-{:.4g}'.format(*bounds) for bounds in self.average_ranges]

    def summarize(self, ap: np.ndarray) -> dict[str, float]:
        """Compute the means over classes and thresholds.

        Args:
            ap (np.ndarray): ``(K, C)``, NaN for classes that do not count.

        Returns:
            dict[str, float]: Fractions. The averages come first, then the mAP at each threshold. The first entry is the
            main average, which ``save_best='auto'`` therefore takes.
        """
        mean_ap = np.nanmean(ap, axis=1)
        averages = [mean_ap[self._within(bounds)].mean() for bounds in self.average_ranges]
        return dict(zip([*self.average_keys, *self.threshold_keys], map(float, [*averages, *mean_ap])))

    def main_average(self, ap: np.ndarray) -> np.ndarray:
        """Compute the main average, which is the first of ``average_ranges``, of many evaluations at once.

        Args:
            ap (np.ndarray): ``(..., K, C)``, NaN for classes that do not count.

        Returns:
            np.ndarray: ``(...)`` fractions; NaN where no class counts.
        """
        counts = ~np.isnan(ap)
        num_classes = counts.sum(axis=-1)
        total = np.where(counts, ap, 0).sum(axis=-1)
        mean_ap = np.divide(total, num_classes, out=np.full_like(total, np.nan), where=num_classes > 0)
        return mean_ap[..., self._within(self.average_ranges[0])].mean(axis=-1)

    def _within(self, bounds):
        thresholds = np.array(self.tiou_thresholds)
        return (thresholds >= bounds[0] - _TOLERANCE) & (thresholds <= bounds[1] + _TOLERANCE)


def _thresholds(values):
    try:
        thresholds = tuple(sorted(float(value) for value in np.atleast_1d(values)))
    except (TypeError, ValueError, OverflowError):
        thresholds = ()
    names = {f'{threshold:.4g}' for threshold in thresholds}  # as in the names of figures; no two may be the same
    if not thresholds or not all(0 < threshold <= 1 for threshold in thresholds) or len(names) < len(thresholds):
        raise InputError('different numbers above 0, at most 1', field='tiou_thresholds', found=values)
    return thresholds


def _range(bounds):
    try:
        first, last = map(float, bounds)
    except (TypeError, ValueError, OverflowError):
        raise InputError('pairs (first, last) of tIoUs', field='average_ranges', found=bounds) from None
    return first, last


# The values come from `linspace`, as in ActivityNet's official script. They are not rounded: its 0.9 is
# 0.8999999999999999, and a tIoU between both numbers must reach the threshold here, too.
PRESETS = {
    'thumos14': Protocol(tuple(np.linspace(0.1, 0.7, 7).tolist()), ((0.1, 0.7), (0.1, 0.5), (0.3, 0.7))),
    'activitynet': Protocol(tuple(np.linspace(0.5, 0.95, 10).tolist()), ((0.5, 0.95),)),
}
