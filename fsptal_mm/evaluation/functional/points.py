"""Average precision of detections by labelled points, for videos whose ground-truth segments are not known."""

import numpy as np

from fsptal_mm.structures import Instances

from .detection import average_precision
from .pairs import by_class_and_video, pairs_within_groups


def point_average_precision(points: Instances, det: Instances, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute average precision and recall of detections, with labelled points alone.

    A detection is a true positive if it covers one labelled instance of its class, touches no other instance of its
    class, and no detection with a higher score has taken the instance that it covers. Any other detection is a false
    positive: it touches no instance, cuts an instance, joins several, or repeats one. Instances of other classes are
    ignored, since actions of different classes may overlap.

    Points cannot show everything: a detection that covers its point is a true positive, even if it is too short, or too
    long but ends before the next point. Stricter rules were tried: time on both sides of the point; the point near the
    middle of the detection; an end at most a given share of the way to the next point. None of these rules ranks
    checkpoints consistently closer to the order by mAP on ground-truth segments.

    The running time is linear in the number of pairs of a detection and a labelled instance of one class and video.

    Args:
        points (Instances): Labelled instances, each from its first to its last point, see :func:`point_extents`.
        det (Instances): Detections, with finite scores, in the same unit. Detections of equal scores are visited in
            the order of the input.
        num_classes: Number of classes, C.

    Returns:
        tuple[np.ndarray, np.ndarray]: AP ``(C,)``, interpolated as in :func:`detection_average_precision`, and recall
        ``(C,)``, the share of the instances that a detection takes. Both are NaN for classes without a point.
    """
    det = det[np.lexsort((-det.scores, det.labels))]
    hits = match_points(points, det) >= 0
    num_points = np.bincount(points.labels, minlength=num_classes)
    num_hits = np.bincount(det.labels[hits], minlength=num_classes)
    recall = np.divide(num_hits, num_points, out=np.full(num_classes, np.nan), where=num_points > 0)
    return average_precision(hits[None], det.labels, num_points)[0], recall


def point_video_average_precision(points: Instances, det: Instances, num_videos: int) -> np.ndarray:
    """Compute interpolated average precision of each video on its own, by its points, over all classes together.

    This is :func:`~fsptal_mm.evaluation.functional.video_average_precision` with the true positives of
    :func:`point_average_precision`.

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
    """Find the labelled instance that each detection takes, as :func:`point_average_precision` defines it.

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
        alone = np.bincount(det_index[touches], minlength=len(det)) == 1  # (N,): touches a single instance
        fits = (start <= first) & (last <= end) & alone[det_index]
        fitting.append(det_index[fits])
        taken.append(point_index[fits])
    # Pairs are in the order of the detections, so the first pair of an instance has its best detection.
    found, first_of_instance = np.unique(np.concatenate(taken), return_index=True)
    matches = np.full(len(det), -1)
    matches[np.concatenate(fitting)[first_of_instance]] = order[found]
    return matches


def point_extents(point_sec: np.ndarray, labels: np.ndarray, instances: np.ndarray) -> Instances:
    """Collect the labelled instances of one video, each from its first to its last point.

    Args:
        point_sec (np.ndarray): ``(N,)`` seconds.
        labels (np.ndarray): ``(N,)`` class indices.
        instances (np.ndarray): ``(N,)`` numbers of the instances: points of one instance share a number.

    Returns:
        Instances: One segment for each instance of each class. An instance with one point has a segment without length.
    """
    keys, inverse = np.unique(np.stack([labels, instances], axis=1).reshape(-1, 2), axis=0, return_inverse=True)
    extents = np.tile([np.inf, -np.inf], (len(keys), 1))
    np.minimum.at(extents[:, 0], inverse.reshape(-1), point_sec)
    np.maximum.at(extents[:, 1], inverse.reshape(-1), point_sec)
    return Instances.of_video(extents, keys[:, 0])
