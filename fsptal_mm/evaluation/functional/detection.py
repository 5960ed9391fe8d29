"""Average precision of detections, as ActivityNet's official script defines it, in one vectorised pass."""

from collections.abc import Sequence

import numpy as np

from fsptal_mm.structures import Instances

from .pairs import by_class_and_video, paired_iou, pairs_within_groups


def detection_average_precision(
    gt: Instances, det: Instances, tiou_thresholds: Sequence[float], num_classes: int
) -> np.ndarray:
    """Compute interpolated average precision for each threshold and class.

    The detections of a class are visited in the order of falling score, equal scores in the order of the input. Of the
    segments of its video and class that are not yet taken, a detection takes the one with the highest tIoU, if this
    tIoU reaches the threshold. A detection that takes a segment is a true positive, any other a false positive. A
    segment without length matches nothing. A ground-truth segment that is listed twice counts twice.

    The numbers are those of ActivityNet's official ``eval_detection.py``, except where its result depends on the
    sorting routine: for detections of a class with equal scores, and for two ground-truth segments with which a
    detection has the same tIoU (here the later segment is taken). The second case occurs in THUMOS14, if one long
    detection covers several short segments, which are annotated in tenths of a second. mmaction2's port of the script
    computes tIoUs in float32, so that equal tIoUs are more frequent.

    The running time is linear in the number of detections, apart from sorting them.

    Args:
        gt (Instances): Ground truth.
        det (Instances): Detections, with finite scores.
        tiou_thresholds (Sequence[float]): ``(K,)`` ascending, each above 0.
        num_classes: Number of classes, C.

    Returns:
        np.ndarray: ``(K, C)``; NaN for classes without a ground-truth segment, 0 for those without a detection.
    """
    det = det[np.lexsort((-det.scores, det.labels))]
    hits = match_detections(gt, det, tiou_thresholds)
    return average_precision(hits, det.labels, np.bincount(gt.labels, minlength=num_classes))


def average_precision(
    hits: np.ndarray,
    labels: np.ndarray,
    num_gt: np.ndarray,
    counts: np.ndarray | None = None,
    instances_per_class: float | None = None,
) -> np.ndarray:
    """Compute interpolated average precision of each class from the true positives.

    Args:
        hits (np.ndarray): ``(K, N)`` bool: true positives of K evaluations, such as one for each tIoU threshold.
        labels (np.ndarray): ``(N,)`` classes of the detections, ascending; within a class the best detection first.
        num_gt (np.ndarray): ``(C,)`` number of ground-truth instances of each class.
        counts (np.ndarray, optional): ``(K, N)`` bool: detections that are evaluated; the others are ignored.
            Default: all.
        instances_per_class (float, optional): Normalise precision as if every class had this many ground-truth
            instances, see :func:`precision_curves`.

    Returns:
        np.ndarray: ``(K, C)``; NaN for classes without a ground-truth instance.
    """
    precision = precision_curves(hits, labels, num_gt, counts, instances_per_class)
    hits = hits if counts is None else hits & counts
    ap = np.full((len(hits), len(num_gt)), np.nan)
    for label, of_class in _class_slices(labels, num_gt):
        # Area under the precision envelope (Pascal VOC 2010 and later).
        envelope = np.maximum.accumulate(precision[:, of_class][:, ::-1], axis=1)[:, ::-1]
        ap[:, label] = (envelope * hits[:, of_class]).sum(axis=1) / num_gt[label]
    return ap


def video_average_precision(gt: Instances, det: Instances, tiou_threshold: float, num_videos: int) -> np.ndarray:
    """Compute interpolated average precision of each video on its own, over all classes together.

    The detections of a video, whatever their class, are visited in the order of falling score. True positives are those
    of :func:`detection_average_precision`, so a wrong class costs as much as wrong times. The figure shows on which
    videos a model does well; no benchmark uses it.

    Args:
        gt (Instances): Ground truth.
        det (Instances): Detections, with finite scores.
        tiou_threshold: Threshold above 0.
        num_videos: Number of videos, V.

    Returns:
        np.ndarray: ``(V,)``; NaN for videos without a ground-truth segment, 0 for those without a detection.
    """
    det = det[np.lexsort((-det.scores, det.videos))]
    hits = match_detections(gt, det, [tiou_threshold])
    return average_precision(hits, det.videos, np.bincount(gt.videos, minlength=num_videos))[0]


def precision_curves(
    hits: np.ndarray,
    labels: np.ndarray,
    num_gt: np.ndarray,
    counts: np.ndarray | None = None,
    instances_per_class: float | None = None,
) -> np.ndarray:
    """Compute the precision of each class at each of its detections, in the order of falling score.

    With equally good detections, classes with more ground-truth instances have a higher precision. Normalised precision
    (Hoiem et al., ECCV 2012; DETAD's mAP_N) removes this effect: it is ``R I / (R I + F)``. R is the recall, F the
    number of false positives, and I a number of instances, the same for all classes. If I is the number of instances of
    the class itself, this is the usual precision.

    Args:
        hits (np.ndarray): ``(K, N)`` bool: true positives of K evaluations, such as one for each tIoU threshold.
        labels (np.ndarray): ``(N,)`` classes of the detections, ascending; within a class the best detection first.
        num_gt (np.ndarray): ``(C,)`` number of ground-truth instances of each class.
        counts (np.ndarray, optional): ``(K, N)`` bool: detections that are evaluated. Default: all.
        instances_per_class (float, optional): I of the formula. Default: the number of instances of each class.

    Returns:
        np.ndarray: ``(K, N)``; 0 for classes without a ground-truth instance.
    """
    found = hits if counts is None else hits & counts
    precision = np.zeros(hits.shape)
    for label, of_class in _class_slices(labels, num_gt):
        num_found = np.cumsum(found[:, of_class], axis=1)
        num_evaluated = (
            np.arange(1, 1 + num_found.shape[1]) if counts is None else np.cumsum(counts[:, of_class], axis=1)
        )
        weight = 1 if instances_per_class is None else instances_per_class / num_gt[label]
        total = num_found * weight + (num_evaluated - num_found)
        np.divide(num_found * weight, total, out=precision[:, of_class], where=total > 0)
    return precision


def _class_slices(labels, num_gt):
    """Classes with a ground-truth instance, and the slices of their detections."""
    edges = np.searchsorted(labels, np.arange(len(num_gt) + 1))
    return [(label, slice(edges[label], edges[label + 1])) for label in np.flatnonzero(num_gt)]


def match_detections(gt: Instances, det: Instances, tiou_thresholds: Sequence[float]) -> np.ndarray:
    """Find the true positives.

    Args:
        gt (Instances): Ground truth.
        det (Instances): Detections, within each class in the order in which they are matched.
        tiou_thresholds (Sequence[float]): ``(K,)``.

    Returns:
        np.ndarray: ``(K, N)`` bool, in the order of ``det``.
    """
    return assign_detections(gt, det, tiou_thresholds) >= 0


def assign_detections(gt: Instances, det: Instances, tiou_thresholds: Sequence[float]) -> np.ndarray:
    """Find the ground-truth segment that each detection takes, as :func:`detection_average_precision` defines it.

    Args:
        gt (Instances): Ground truth.
        det (Instances): Detections, within each class in the order in which they are matched.
        tiou_thresholds (Sequence[float]): ``(K,)``.

    Returns:
        np.ndarray: ``(K, N)`` int64, index into ``gt`` for each of ``det``; -1 for false positives.
    """
    order = np.lexsort((gt.videos, gt.labels))  # as by_class_and_video sorts them
    gt, gt_group, det_group = by_class_and_video(gt, det)
    candidates = _candidates(gt, gt_group, det, det_group, min(tiou_thresholds))
    taken = np.stack([_assign(*candidates, threshold, len(gt), len(det)) for threshold in tiou_thresholds])
    # taken has indices into the sorted ground truth; order turns them into indices into the argument. -1 stays -1,
    # since it selects the -1 that is appended.
    return np.append(order, -1)[taken]


def _candidates(gt, gt_group, det, det_group, min_tiou):
    """Find the pairs that may match: arrays of detection, segment and tIoU, sorted by detection, then falling tIoU."""
    blocks = []
    for det_index, gt_index in pairs_within_groups(det_group, gt_group):
        tiou = paired_iou(det.segments[det_index], gt.segments[gt_index])
        near = tiou >= min_tiou
        det_index, gt_index, tiou = det_index[near], gt_index[near], tiou[near]
        # Of segments with equal tIoU, the last comes first, as in the official script, which reverses a stable sort.
        order = np.lexsort((-gt_index, -tiou, det_index))
        blocks.append((det_index[order], gt_index[order], tiou[order]))
    return [np.concatenate(parts) for parts in zip(*blocks)]


def _assign(det_index, gt_index, tiou, threshold, num_gt, num_det):
    """Assign to every detection the best segment that no earlier detection takes; ``(N,)``, -1 for none.

    The arguments are those of :func:`_candidates`: for each detection a list of pairs (detection, segment), the best
    segment first, and all these lists one behind the other. The place of a pair is its index in this sequence.

    The algorithm is deferred acceptance (Gale & Shapley 1962), in rounds until nothing changes. In the first round,
    every detection asks for its best segment. Of the detections that ask for a segment, the earliest holds it, until a
    still earlier detection asks for it. In the next round, each rejected detection asks for the next segment on its
    list. Since all segments prefer the earlier detection, the result is the same as visiting the detections one by one.
    """
    reaches = tiou >= threshold
    det_index, gt_index = det_index[reaches], gt_index[reaches]
    nobody = len(det_index)
    is_first = np.diff(det_index, prepend=-1, append=-1) != 0  # True where a list begins, and after the last list
    holder = np.full(num_gt, nobody)  # place of the pair that holds each segment, or nobody
    asking = np.flatnonzero(is_first[:-1])  # places of the pairs that ask in this round
    while len(asking):
        asking = np.concatenate([holder[holder < nobody], asking])
        np.minimum.at(holder, gt_index[asking], asking)  # a lower place is an earlier detection
        rejected = asking[holder[gt_index[asking]] != asking]
        following = rejected + 1
        asking = following[~is_first[following]]  # a detection whose list has ended no longer asks
    taken = np.full(num_det, -1)
    holding = holder[holder < nobody]
    taken[det_index[holding]] = gt_index[holding]
    return taken
