"""Segments for training a fully supervised localizer, from detections and points alone."""

from dataclasses import dataclass

import numpy as np

from .functional import Instances, match_points


@dataclass(frozen=True)
class PseudoSegments:
    """Segments that stand for labelled instances.

    Attributes:
        segments (Instances): Seconds, with the scores of the detections that they come from; NaN for default ones.
        instances: ``(N,)`` int64, which of the labelled instances each stands for; each at most once.
        missed: ``(K,)`` int64, labelled instances without a segment.
    """

    segments: Instances
    instances: np.ndarray
    missed: np.ndarray


def select_pseudo_segments(points, det, min_score=-np.inf):
    """The best detection of each labelled instance.

    A detection counts if it covers exactly one labelled instance of its class, touches no other one of its class, and
    scores ``min_score`` or more: the rule of :func:`~fsptal_mm.evaluation.functional.point_average_precision`.

    Args:
        points (Instances): Labelled instances, from the first to the last of their points, in seconds.
        det (Instances): Detections in the same videos, in seconds.
        min_score: Confidence from which on a detection is taken.

    Returns:
        PseudoSegments: In the order of the labelled instances.
    """
    det = det[det.scores >= min_score]
    det = det[np.argsort(-det.scores, kind='stable')]
    matches = match_points(points, det)
    chosen = np.flatnonzero(matches >= 0)
    chosen = chosen[np.argsort(matches[chosen])]
    return PseudoSegments(det[chosen], matches[chosen], np.setdiff1d(np.arange(len(points)), matches))


def add_default_segments(pseudo, points, durations_sec):
    """Give each missed instance a segment round its points, as long as the segments of its class usually are.

    The length is the median of the class's segments, or of all where the class has none; ends reach no further than
    half-way to the next labelled instance of the class, and not beyond the video.

    Args:
        pseudo (PseudoSegments): What was found; where that is nothing, nothing is added.
        points (Instances): All labelled instances, in seconds.
        durations_sec (Sequence[float]): Length of each video.

    Returns:
        PseudoSegments: With a segment for every labelled instance, in their order; ``missed`` stays as it was.
    """
    if not len(pseudo.segments) or not len(pseudo.missed):
        return pseudo
    lengths = np.diff(pseudo.segments.segments)[:, 0]
    added = []
    for index in pseudo.missed:
        of_class = lengths[pseudo.segments.labels == points.labels[index]]
        length = np.median(of_class if len(of_class) else lengths)
        same = (points.videos == points.videos[index]) & (points.labels == points.labels[index])
        (first, last), others = points.segments[index], points.segments[same]
        low = np.max((others[others[:, 1] < first, 1] + first) / 2, initial=0)
        high = np.min((others[others[:, 0] > last, 0] + last) / 2, initial=durations_sec[points.videos[index]])
        middle = (first + last) / 2
        added.append([max(low, min(first, middle - length / 2)), min(high, max(last, middle + length / 2))])
    instances = np.concatenate([pseudo.instances, pseudo.missed])
    order = np.argsort(instances)
    segments = np.concatenate([pseudo.segments.segments, added])[order]
    scores = np.concatenate([pseudo.segments.scores, np.full(len(added), np.nan)])[order]
    return PseudoSegments(Instances(points.videos, points.labels, segments, scores), instances[order], pseudo.missed)
