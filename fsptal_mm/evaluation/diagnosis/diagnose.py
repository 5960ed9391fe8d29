"""Analysis of the errors in one set of detections."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fsptal_mm.structures import Instances
from fsptal_mm.utils.errors import InputError

from ..functional import assign_detections, average_precision, precision_curves
from .characteristics import BUCKET_NAMES, BUCKET_PRESETS, bucket_indices, characteristics
from .errors import ERROR_TYPES, error_profile, error_types, precision_without, score_ranks
from .result import Bucket, Diagnosis, Gain

NUM_RANKS = 10  # bins of G detections in the false positive profile, G: ground-truth instances of a class
BACKGROUND_TIOU = 0.1  # a false positive whose highest tIoU is lower is a background error
MIN_PRECISION = 0.05  # an instance counts as found only by detections at which the normalised precision is higher


@dataclass(frozen=True)
class _Matched:
    """Matched detections, in the order of class and falling score.

    ``matches`` ``(1 + K, N)`` has the index of the ground-truth segment that each detection takes, or -1. Row 0 is for
    the tIoU of the profile and of the false negatives, the other rows are for the K tIoUs over which mAP is averaged.
    """

    gt: Instances
    det: Instances
    tious: tuple
    matches: np.ndarray
    num_gt: np.ndarray

    @property
    def instances_per_class(self) -> float:
        return len(self.gt) / np.count_nonzero(self.num_gt)


def diagnose(
    gt: Instances,
    det: Instances,
    num_classes: int,
    durations_sec: Sequence[float | None],
    tiou_thresholds: Sequence[float],
    tiou: float = 0.5,
    bounds: dict[str, Sequence[float]] = BUCKET_PRESETS['thumos14'],
) -> Diagnosis:
    """Analyse the errors of a localizer, as DETAD (Alwassel et al., ECCV 2018) does.

    - False positive profile: the G best detections of each class (G is the number of its ground-truth instances), the
      next G, and so on up to 10G. In each of these ten bins, the detections of all classes together are counted by
      their error type at one tIoU, see :func:`error_types`.
    - Gains: how much the average mAP and mAP_N of these detections (the 10G best of each class) rise if all errors of
      one type are removed. The types are determined anew at each of ``tiou_thresholds``.
    - mAP_N: mAP with the normalised precision of :func:`.precision_curves`. The number I in its formula is the mean
      number of ground-truth instances of a class, over the classes that have any.
    - mAP_N by bucket: only the instances of the bucket count. Detections that take other instances are left out, and
      all false positives stay. The mean is over the classes that have instances in the bucket.
    - False negatives: ground-truth instances that no detection takes at ``tiou``. A detection does not count if the
      normalised precision, down to its score, is at most 0.05.

    Detections are matched as in :func:`.detection_average_precision`, so mAP is the same as in all our other tools.

    DETAD's scripts differ in four points. First, they average the profile and the false negatives over their thresholds
    (on THUMOS14, there is only 0.5). Second, they cut the mean number of instances to an integer. Third, they leave out
    ground-truth segments without length; here, these count as missed. Fourth, in mAP_N by bucket, they leave out a
    detection that takes an instance of another bucket at one threshold also at all later thresholds. For further
    differences see :func:`error_types` and ``bucket_indices``.

    Args:
        gt (Instances): Ground truth, seconds; at least one segment.
        det (Instances): Detections, seconds, with finite scores.
        num_classes: Number of classes, C.
        durations_sec (Sequence[float | None]): ``(V,)`` durations of the videos. If one is unknown, the instances of
            this video are in no bucket of ``coverage``.
        tiou_thresholds (Sequence[float]): ``(K,)`` ascending, each in (0, 1].
        tiou: tIoU of the profile and of the false negatives, in (0, 1].
        bounds (dict[str, Sequence[float]]): Three or four ascending bounds of the buckets for each characteristic, see
            :data:`.BUCKET_PRESETS`.

    Returns:
        Diagnosis: All numbers.

    Raises:
        InputError: No ground-truth segment.
    """
    if not len(gt):
        raise InputError('at least one ground-truth segment', field='gt', found='none')
    det = det[np.lexsort((-det.scores, det.labels))]
    tious = (tiou, *tiou_thresholds)
    matches = assign_detections(gt, det, tious)
    matched = _Matched(gt, det, tious, matches, np.bincount(gt.labels, minlength=num_classes))
    ap = average_precision(matches[1:] >= 0, det.labels, matched.num_gt)
    missed = _missed(matched)
    values = characteristics(gt, durations_sec)
    return Diagnosis(
        tiou=float(tiou),
        tiou_thresholds=tuple(map(float, tiou_thresholds)),
        num_instances=len(gt),
        num_missed=int(missed.sum()),
        num_detections=len(det),
        mean_ap=float(np.nanmean(ap)),
        normalized_ap=_normalized_ap(matched, np.ones(len(gt), dtype=bool)),
        buckets={name: _buckets(matched, missed, values[name], bounds[name]) for name in values},
        **_judge_errors(matched),
    )


def _judge_errors(matched):
    """Compute the profile and the gains, as arguments of :class:`Diagnosis`."""
    labels, num_gt = matched.det.labels, matched.num_gt
    ranks = score_ranks(labels, num_gt)
    top = (ranks >= 0) & (ranks < NUM_RANKS)
    labels = labels[top]
    types = error_types(matched.gt, matched.det[top], matched.matches[:, top] >= 0, matched.tious, BACKGROUND_TIOU)
    plain = precision_without(types[1:], labels, num_gt)
    normalized = precision_without(types[1:], labels, num_gt, matched.instances_per_class)
    return {
        'profile': error_profile(types[0], ranks[top], NUM_RANKS),
        'top_mean_ap': plain[None],
        'top_normalized_ap': normalized[None],
        'gains': {
            name: Gain(plain[name] - plain[None], normalized[name] - normalized[None]) for name in ERROR_TYPES[1:]
        },
    }


def _missed(matched):
    """Mask of the false negatives, ``(M,)`` bool."""
    matches = matched.matches[:1]
    precision = precision_curves(matches >= 0, matched.det.labels, matched.num_gt, None, matched.instances_per_class)
    found = matches[(matches >= 0) & (precision > MIN_PRECISION)]
    return np.bincount(found, minlength=len(matched.gt)) == 0


def _buckets(matched, missed, values, bounds):
    """Make a :class:`Bucket` for each range of a characteristic."""
    index = bucket_indices(values, bounds)
    buckets = []
    for number, (above, up_to) in enumerate(zip([0, *bounds], [*bounds, math.inf])):
        inside = index == number
        num_missed = int(missed[inside].sum())
        normalized_ap = _normalized_ap(matched, inside)
        buckets.append(Bucket(BUCKET_NAMES[number], above, up_to, int(inside.sum()), num_missed, normalized_ap))
    return buckets


def _normalized_ap(matched, inside):
    """Average mAP_N on the ground-truth instances that the mask ``inside`` selects; NaN if these are none."""
    if not inside.any():
        return math.nan
    matches = matched.matches[1:]
    # False positives always count: their match is -1, and index -1 selects the True that is appended.
    counts = np.append(inside, True)[matches]
    num_gt = np.bincount(matched.gt.labels[inside], minlength=len(matched.num_gt))
    ap = average_precision(matches >= 0, matched.det.labels, num_gt, counts, matched.instances_per_class)
    return float(np.nanmean(ap))
