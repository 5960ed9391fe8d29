"""Error types of false positives, and the mAP without each type."""

from collections.abc import Sequence

import numpy as np

from fsptal_mm.structures import Instances

from ..functional import average_precision, paired_iou, pairs_within_groups

# In DETAD's order. The functions below return a type as its index in this tuple.
ERROR_TYPES = ('true_positive', 'double_detection', 'wrong_label', 'localization', 'confusion', 'background')
_TRUE_POSITIVE, _DOUBLE_DETECTION, _WRONG_LABEL, _LOCALIZATION, _CONFUSION, _BACKGROUND = range(len(ERROR_TYPES))


def error_types(
    gt: Instances, det: Instances, hits: np.ndarray, tiou_thresholds: Sequence[float], background_tiou: float = 0.1
) -> np.ndarray:
    """Sort detections into true positives and five kinds of error, as in DETAD's false positive analysis.

    A detection that takes a ground-truth segment is a true positive. The type of any other detection depends on the
    tIoU threshold a, and on the ground-truth segment of its video, of any class, with which its tIoU is highest:

    ===========================  ====================  ========================
    highest tIoU                 segment of its class  segment of another class
    ===========================  ====================  ========================
    a or more                    double detection      wrong label
    ``background_tiou`` or more  localization error    confusion error
    less                         background error      background error
    ===========================  ====================  ========================

    A detection in a video without a ground-truth segment is a background error, too. Segments of several classes may
    have the same highest tIoU, since every CliffDiving segment of THUMOS14 is also a Diving segment. Then the segment
    of the detection's class counts, if there is one; DETAD's scripts take the segment that comes first in the
    annotation file.

    Args:
        gt (Instances): Ground truth.
        det (Instances): Detections.
        hits (np.ndarray): ``(K, N)`` bool: true positives at each threshold.
        tiou_thresholds (Sequence[float]): ``(K,)``.
        background_tiou: A false positive whose highest tIoU is below this is a background error.

    Returns:
        np.ndarray: ``(K, N)`` int8, indices into :data:`.ERROR_TYPES`.
    """
    tiou, same_class = _nearest(gt, det)
    reaches = tiou >= np.reshape(tiou_thresholds, (-1, 1))
    types = np.where(
        reaches,
        np.where(same_class, _DOUBLE_DETECTION, _WRONG_LABEL),
        np.where(tiou < background_tiou, _BACKGROUND, np.where(same_class, _LOCALIZATION, _CONFUSION)),
    )
    return np.where(hits, _TRUE_POSITIVE, types).astype(np.int8)


def _nearest(gt, det):
    """Find the highest tIoU of each detection with a segment of its video, of any class.

    Returns:
        tuple[np.ndarray, np.ndarray]: This tIoU ``(N,)``, and ``(N,)`` bool: whether a segment of the detection's class
        has it.
    """
    gt = gt[np.argsort(gt.videos, kind='stable')]
    best, same_class = np.zeros(len(det)), np.zeros(len(det), dtype=bool)
    for det_index, gt_index in pairs_within_groups(det.videos, gt.videos):
        if not len(det_index):
            continue
        tiou = paired_iou(det.segments[det_index], gt.segments[gt_index])
        # The pairs of one detection follow each other: starts[n] is the first pair of the n-th detection that has any.
        starts = np.flatnonzero(np.diff(det_index, prepend=-1))
        compared = det_index[starts]
        best[compared] = np.maximum.reduceat(tiou, starts)
        is_same = (tiou == best[det_index]) & (det.labels[det_index] == gt.labels[gt_index])
        same_class[compared] = np.logical_or.reduceat(is_same, starts)
    return best, same_class


def score_ranks(labels: np.ndarray, num_gt: np.ndarray) -> np.ndarray:
    """Find the G-bin of each detection: 0 for the G best of its class, 1 for the next G, and so on.

    As in DETAD, G is the number of ground-truth instances of the class. So a perfect localizer has all its true
    positives in bin 0.

    Args:
        labels (np.ndarray): ``(N,)`` classes of the detections, ascending; within a class the best detection first.
        num_gt (np.ndarray): ``(C,)`` number of ground-truth instances of each class.

    Returns:
        np.ndarray: ``(N,)`` int64; -1 for detections of classes without a ground-truth instance, which belong to no
        bin.
    """
    first = np.searchsorted(labels, np.arange(len(num_gt)))
    rank = np.arange(len(labels)) - first[labels]
    return np.where(num_gt[labels] > 0, rank // np.maximum(num_gt[labels], 1), -1)


def error_profile(types: np.ndarray, ranks: np.ndarray, num_ranks: int) -> np.ndarray:
    """Count the detections of each type in each G-bin.

    Args:
        types (np.ndarray): ``(N,)`` indices into :data:`.ERROR_TYPES`.
        ranks (np.ndarray): ``(N,)`` G-bins of :func:`score_ranks`.
        num_ranks: Number of G-bins.

    Returns:
        np.ndarray: ``(num_ranks, 6)`` int64.
    """
    inside = (ranks >= 0) & (ranks < num_ranks)
    cells = ranks[inside] * len(ERROR_TYPES) + types[inside]
    return np.bincount(cells, minlength=num_ranks * len(ERROR_TYPES)).reshape(num_ranks, -1)


def precision_without(
    types: np.ndarray, labels: np.ndarray, num_gt: np.ndarray, instances_per_class: float | None = None
) -> dict[str | None, float]:
    """Compute the mean average precision without the detections of one error type, as in DETAD.

    The true positives stay the same, since no removed detection takes a segment.

    Args:
        types (np.ndarray): ``(K, N)`` indices into :data:`.ERROR_TYPES`, one row per tIoU threshold.
        labels (np.ndarray): ``(N,)`` classes, ascending; within a class the best detection first.
        num_gt (np.ndarray): ``(C,)`` number of ground-truth instances of each class.
        instances_per_class (float, optional): For normalised precision, see :func:`.precision_curves`. Default: the
            usual precision.

    Returns:
        dict[str | None, float]: Mean AP over the thresholds and the classes with a ground-truth instance, by the name
        of the error type that is removed. The entry of ``None`` keeps all errors.
    """
    hits = types == _TRUE_POSITIVE
    # By name, the type whose detections are left out. True positives are never left out (see ``hits |`` below), so the
    # entry of None leaves out nothing.
    removed = {None: _TRUE_POSITIVE, **{ERROR_TYPES[index]: index for index in range(1, len(ERROR_TYPES))}}
    return {
        name: float(np.nanmean(average_precision(hits, labels, num_gt, hits | (types != index), instances_per_class)))
        for name, index in removed.items()
    }
