"""Average precision of detections by labelled points, where no ground-truth segment is known."""

import numpy as np

from fsptal_mm.structures import Instances

from .detection import average_precision
from .pairs import by_class_and_video, pairs_within_groups


def point_average_precision(points: Instances, det: Instances, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and recall of detections, evaluated with labelled points alone.

    A detection is a true positive if it covers one labelled instance of its class and touches no other one of its
    class, and if no detection with a higher score has taken that instance. It is a false positive if it touches none,
    cuts or joins instances, or repeats one. Instances of other classes are ignored: actions of different classes may
    overlap.

    Limits of points: a detection that is too short, or that is too long but ends before the next point, is a true
    positive as long as it covers its own. Stricter rules were tried (room on both sides, the point near the middle,
    ends no further than a share of the way to the next point): none orders checkpoints better
    throughout by the mAP on ground-truth segments.

    Cost: linear in the pairs of detections and points of one class and video.

    Args:
        points (Instances): Labelled instances, from the first to the last of their points: see :func:`point_extents`.
        det (Instances): Detections, with finite scores, in the same unit; equal scores count in the order of the input.
        num_classes: Number of classes, C.

    Returns:
        tuple[np.ndarray, np.ndarray]: AP ``(C,)``, interpolated as in :func:`detection_average_precision`, and recall
        ``(C,)``, the share of instances that a detection is a true positive for; NaN for classes without a point.
    """
    det = det[np.lexsort((-det.scores, det.labels))]
    hits = match_points(points, det) >= 0
    num_points = np.bincount(points.labels, minlength=num_classes)
    num_hits = np.bincount(det.labels[hits], minlength=num_classes)
    recall = np.divide(num_hits, num_points, out=np.full(num_classes, np.nan), where=num_points > 0)
    return average_precision(hits[None], det.labels, num_points)[0], recall


def point_video_average_precision(points: Instances, det: Instances, num_videos: int) -> np.ndarray:
    """Interpolated average precision of each video on its own, by its points, over all classes together.

    As :func:`~fsptal_mm.evaluation.functional.video_average_precision`, with true positives as
    :func:`point_average_precision` defines them.

    Args:
        points (Instances): Labelled instances.
        det (Instances): Detections, with finite scores.
        num_videos: Number of videos, V.

    Returns:
        np.ndarray: ``(V,)``; NaN for videos without a point, 0 for those without a detection.
    """
    det = det[np.lexsort((-det.scores, det.videos))]
    hits = match_points(points, det) >= 0
    return average_precision(hits[None], det.videos, np.bincount(points.videos, minlength=num_videos))[0]


def match_points(points: Instances, det: Instances) -> np.ndarray:
    """Find the labelled instance that each detection is a true positive for, as :func:`point_average_precision` defines
    it.

    Args:
        points (Instances): Labelled instances.
        det (Instances): Detections, within each class in the order in which they are matched.

    Returns:
        np.ndarray: ``(N,)`` int64, index into ``points`` for each of ``det``; -1 for false positives.
    """
    order = np.lexsort((points.videos, points.labels))  # as by_class_and_video sorts them
    points, point_group, det_group = by_class_and_video(points, det)
    fitting, taken = [], []
    for det_index, point_index in pairs_within_groups(det_group, point_group):
        (start, end), (first, last) = det.segments[det_index].T, points.segments[point_index].T
        touches = (first <= end) & (start <= last)
        alone = np.bincount(det_index[touches], minlength=len(det)) == 1
        fits = (start <= first) & (last <= end) & alone[det_index]
        fitting.append(det_index[fits])
        taken.append(point_index[fits])
    # Pairs are in the order of the detections, so the first of an instance is its best one.
    found, first_of_instance = np.unique(np.concatenate(taken), return_index=True)
    matches = np.full(len(det), -1)
    matches[np.concatenate(fitting)[first_of_instance]] = order[found]
    return matches


def point_extents(point_sec: np.ndarray, labels: np.ndarray, instances: np.ndarray) -> Instances:
    """Labelled instances of one video, each from its first to its last point.

    Args:
        point_sec (np.ndarray): ``(N,)`` seconds.
        labels (np.ndarray): ``(N,)`` class indices.
        instances (np.ndarray): ``(N,)``: points of one action instance share a number.

    Returns:
        Instances: From the first to the last point of each instance of each class, without length where it has one.
    """
    keys, inverse = np.unique(np.stack([labels, instances], axis=1).reshape(-1, 2), axis=0, return_inverse=True)
    extents = np.tile([np.inf, -np.inf], (len(keys), 1))
    np.minimum.at(extents[:, 0], inverse.reshape(-1), point_sec)
    np.maximum.at(extents[:, 1], inverse.reshape(-1), point_sec)
    return Instances.of_video(extents, keys[:, 0])
