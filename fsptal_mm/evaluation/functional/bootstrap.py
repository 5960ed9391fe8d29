"""Paired bootstrap: how far a difference of mAP between two methods depends on test videos and seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fsptal_mm.structures import Instances

from .detection import match_detections
from .points import match_points

# Largest number of entries in an array of weights (resamples x detections of a class): some tens of MB.
_MAX_WEIGHTS = 1 << 22


@dataclass(frozen=True)
class PairedDifference:
    """Result of :func:`paired_difference`, in the unit of its input.

    Attributes:
        mean: Mean over the seeds.
        low: Lower end of the interval.
        high: Upper end of the interval.
        by_seed (np.ndarray): ``(S,)`` difference for each seed.
    """

    mean: float
    low: float
    high: float
    by_seed: np.ndarray

    @property
    def spread(self) -> float:
        """Sample standard deviation over the seeds; NaN for a single seed."""
        return sample_deviation(self.by_seed)


def resample_videos(num_videos: int, num_resamples: int = 1000, seed: int = 0) -> np.ndarray:
    """Draw bootstrap resamples of the videos, with replacement, each as large as the whole set.

    Args:
        num_videos: Number of videos, V, at least 1.
        num_resamples: Number of resampled sets, B.
        seed: Seed of the random draw, >= 0.

    Returns:
        np.ndarray: ``(B, V)`` int, how often each video was drawn; every row sums to V.
    """
    return np.random.default_rng(seed).multinomial(num_videos, np.full(num_videos, 1 / num_videos), size=num_resamples)


def resampled_average_precision(
    gt: Instances, det: Instances, tiou_thresholds: Sequence[float], num_classes: int, counts: np.ndarray
) -> np.ndarray:
    """Compute average precision as :func:`detection_average_precision` does, on resampled sets of videos.

    Detections are matched within their video, so they are matched only once. For each resample, only the cumulative
    sums are computed again. A video that was drawn n times counts n times in them, and so do its ground-truth segments.

    Args:
        gt (Instances): Ground truth.
        det (Instances): Detections.
        tiou_thresholds (Sequence[float]): ``(K,)`` ascending.
        num_classes: Number of classes, C.
        counts (np.ndarray): ``(B, V)`` int, see :func:`resample_videos`; a row of ones stands for the original set.

    Returns:
        np.ndarray: ``(B, K, C)``; NaN where a resample has no ground-truth segment of a class.
    """
    det = det[np.lexsort((-det.scores, det.labels))]
    return _resampled_ap(match_detections(gt, det, tiou_thresholds), gt, det, num_classes, counts)


def resampled_point_precision(points: Instances, det: Instances, num_classes: int, counts: np.ndarray) -> np.ndarray:
    """Compute average precision as :func:`.point_average_precision` does, on resampled sets of videos.

    Args:
        points (Instances): Labelled instances.
        det (Instances): Detections.
        num_classes: Number of classes, C.
        counts (np.ndarray): ``(B, V)`` int, as in :func:`resampled_average_precision`.

    Returns:
        np.ndarray: ``(B, C)``; NaN where a resample has no point of a class.
    """
    det = det[np.lexsort((-det.scores, det.labels))]
    hits = match_points(points, det) >= 0
    return _resampled_ap(hits[None], points, det, num_classes, counts)[:, 0]


def _resampled_ap(hits, gt, det, num_classes, counts):
    """Compute average precision ``(B, K, C)`` from hits ``(K, N)`` in the order of class and falling score.

    ``counts`` ``(B, V)``: how often each resample has each video.
    """
    edges = np.searchsorted(det.labels, np.arange(num_classes + 1))  # class c: detections edges[c] to edges[c + 1]
    ap = np.full((len(counts), len(hits), num_classes), np.nan)
    for label in np.unique(gt.labels):
        of_class = slice(edges[label], edges[label + 1])
        videos, class_hits = det.videos[of_class], hits[:, of_class]
        num_gt = counts @ np.bincount(gt.videos[gt.labels == label], minlength=counts.shape[1])
        block = max(1, _MAX_WEIGHTS // max(1, len(videos)))  # number of resamples that are computed at once
        for start in range(0, len(counts), block):
            rows = slice(start, start + block)
            ap[rows, :, label] = _weighted_ap(class_hits, counts[rows][:, videos], num_gt[rows])
    return ap


def paired_difference(
    values: Sequence[float],
    reference: Sequence[float],
    resampled: np.ndarray,
    resampled_reference: np.ndarray,
    level: float = 0.95,
) -> PairedDifference:
    """Compute the mean difference between two methods over seeds, with its interval over resampled test videos.

    The interval is that of the percentile bootstrap. Both methods and all seeds must have been evaluated on the same
    resamples: then the effect of videos that are hard for both methods cancels out.

    Args:
        values (Sequence[float]): ``(S,)`` figures of the first method, one per seed.
        reference (Sequence[float]): ``(S,)`` figures of the second method, with the same seeds.
        resampled (np.ndarray): ``(S, B)`` figures of the first method on each resample; NaN for a resample without any
            ground-truth segment.
        resampled_reference (np.ndarray): ``(S, B)`` figures of the second method on the same resamples.
        level: Share of the resamples that lies in the interval.

    Returns:
        PairedDifference: Difference of the first minus the second method.
    """
    by_seed = np.subtract(values, reference)
    over_seeds = np.subtract(resampled, resampled_reference).mean(axis=0)
    low, high = np.nanquantile(over_seeds, [(1 - level) / 2, (1 + level) / 2])
    return PairedDifference(float(by_seed.mean()), float(low), float(high), by_seed)


def sample_deviation(values: Sequence[float] | np.ndarray) -> float:
    """Standard deviation with n - 1 in the denominator; NaN for a single value."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float('nan')


def _weighted_ap(hits, weight, num_gt):
    """Compute average precision ``(B, K)`` of one class on B resamples.

    A detection that counts n times stands for n copies of equal score. From copy to copy of a true positive, the
    precision rises, so the precision envelope of all copies is that at the last copy. So one value for each detection
    is enough.

    Args:
        hits (np.ndarray): ``(K, n)`` true positives, in the order of falling score.
        weight (np.ndarray): ``(B, n)``, how often each detection counts.
        num_gt (np.ndarray): ``(B,)`` number of ground-truth segments.
    """
    total = np.cumsum(weight, axis=1)
    area = np.empty((len(weight), len(hits)))
    for index, hit in enumerate(hits):
        found = weight[:, hit]
        precision = np.cumsum(found, axis=1) / np.maximum(total[:, hit], 1)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        area[:, index] = (envelope * found).sum(axis=1)
    num_gt = num_gt[:, None]
    return np.divide(area, num_gt, out=np.full_like(area, np.nan), where=num_gt > 0)
