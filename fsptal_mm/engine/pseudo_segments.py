"""Pseudo segments, which a second stage is trained on, from detections and points alone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fsptal_mm.evaluation.functional import match_points
from fsptal_mm.evaluation.functional.pairs import by_class_and_video, paired_iou, pairs_within_groups
from fsptal_mm.structures import Instances
from fsptal_mm.utils.errors import InputError, check_flags, check_numbers

_TINY = 1e-9  # least divisor, so that nothing is divided by zero


@dataclass(frozen=True)
class PseudoSegments:
    """Pseudo segments: each one stands for one labelled instance.

    Attributes:
        segments (Instances): N segments in seconds, with the scores of the detections that they come from; the score is
            NaN if a segment comes from no detection.
        instances: ``(N,)`` int64, index of the labelled instance that each segment stands for; no index occurs twice.
        missed: ``(K,)`` int64, labelled instances without a detection of their own.
    """

    segments: Instances
    instances: np.ndarray
    missed: np.ndarray


def select_pseudo_segments(points: Instances, det: Instances, min_score: float = -np.inf) -> PseudoSegments:
    """Take the best detection of each labelled instance.

    A detection counts if it covers exactly one labelled instance of its class, touches no other instance of its class,
    and scores ``min_score`` or more: the rule of :func:`~fsptal_mm.evaluation.functional.point_average_precision`.

    Args:
        points (Instances): Labelled instances, each from its first to its last point, in seconds.
        det (Instances): Detections in the same videos, in seconds.
        min_score: Smallest score of a detection that counts.

    Returns:
        PseudoSegments: In the order of the labelled instances.
    """
    det = det[det.scores >= min_score]
    det = det[np.argsort(-det.scores, kind='stable')]
    matches = match_points(points, det)  # for each detection, the instance of which it is the best, or -1
    chosen = np.flatnonzero(matches >= 0)
    chosen = chosen[np.argsort(matches[chosen])]
    return PseudoSegments(det[chosen], matches[chosen], np.setdiff1d(np.arange(len(points)), matches))


@dataclass(frozen=True)
class PseudoSegmentRules:
    """Rules that turn detections into pseudo segments. Each rule is a switch; none reads the ground truth.

    Attributes:
        change_points: Weight w of the boundaries by :func:`decode_change_points`, 0 to 1; the boundaries of the best
            detection have the weight 1 - w. Use 1 if actions follow directly upon one another: the next point then
            limits where an action ends. Above 0, an instance without a detection has a segment, too.
        cut: End a segment half-way to the next labelled instance of its class, and at background points.
        blend: Share by which the length of a segment moves towards the median length of its class, 0 to 1.
        widen: Factor on the length. The scores of an action fall towards its ends, so that segments of long actions are
            too short.
        narrow_snippets: Number of snippets that are then subtracted from the length; at least half of the length stays.
            The scores of a snippet also depend on its neighbours, so that segments of short actions are too long.
        point_spread: Standard deviation of the places of points in their actions, where 0 is the start and 1 the end:
            about 0.2 if people clicked; 1/6 for the style ``gaussian`` of ``make_points.py``; about 0.05 for the
            automatic points of LACP and HR-Pro, which lie near the middle. The smaller the spread, the further the
            middle of a segment moves to its point. ``None``: it does not move.
        fill: Give a labelled instance without a segment one of the median length of its class, around its points.
        confidence: Weight segments by the rank of their scores in their class: from 0.5 for the lowest to 1.5 for the
            highest.
        min_score: Detections of a lower score are left out.
    """

    change_points: float = 0.5
    cut: bool = True
    blend: float = 0.1
    widen: float = 1.15
    narrow_snippets: float = 0.5
    point_spread: float | None = 0.2
    fill: bool = True
    confidence: bool = False
    min_score: float = -np.inf

    @classmethod
    def from_config(cls, config: dict) -> 'PseudoSegmentRules':
        """Check a config ``dict(cut=..., blend=..., fill=..., confidence=...)``.

        Raises:
            InputError: An unknown or wrong field.
        """
        unknown = set(config) - set(cls.__dataclass_fields__)
        if unknown:
            expected = f'some of {", ".join(cls.__dataclass_fields__)}'
            raise InputError(expected, field='pseudo_segments', found=sorted(unknown))
        rules = cls(**config)
        check_flags('pseudo_segments', cut=rules.cut, fill=rules.fill, confidence=rules.confidence)
        check_numbers('pseudo_segments', 0, 1, blend=rules.blend, change_points=rules.change_points)
        check_numbers('pseudo_segments', 0, 1, optional=True, point_spread=rules.point_spread)
        check_numbers('pseudo_segments', 0.1, widen=rules.widen)
        check_numbers('pseudo_segments', 0, narrow_snippets=rules.narrow_snippets)
        check_numbers('pseudo_segments', -np.inf, min_score=rules.min_score)
        return rules

    def __call__(
        self,
        points: Instances,
        det: Instances,
        durations_sec: Sequence[float],
        background_sec: Sequence[np.ndarray] | None = None,
        decode: Callable[[np.ndarray], np.ndarray] | None = None,
        snippet_sec: Sequence[float] | None = None,
    ) -> PseudoSegments:
        """Select and improve pseudo segments.

        Args:
            points (Instances): All labelled instances, each from its first to its last point, in seconds.
            det (Instances): Scored detections in the same videos, in seconds.
            durations_sec (Sequence[float]): Length of each video.
            background_sec (Sequence[np.ndarray], optional): Background points of each video.
            decode (Callable, optional): Function that takes segments ``(N, 2)`` of all labelled instances and returns
                their boundaries by change points ``(N, 2)``, in seconds. Without it, ``change_points`` has no effect.
            snippet_sec (Sequence[float], optional): Length of a snippet of each video. Without it,
                ``narrow_snippets`` has no effect.

        Returns:
            PseudoSegments: In the order of the labelled instances.
        """
        durations_sec = np.asarray(durations_sec, dtype=np.float64)
        snippet_sec = np.zeros(len(durations_sec)) if snippet_sec is None else np.asarray(snippet_sec)
        pseudo = select_pseudo_segments(points, det, self.min_score)
        room = free_room(points, durations_sec, background_sec)
        if decode is not None and self.change_points:
            pseudo = self._with_change_points(pseudo, points, decode)
        if self.cut:
            limits = room[pseudo.instances]
        else:
            limits = np.stack([np.zeros(len(pseudo.instances)), durations_sec[pseudo.segments.videos]], 1)
        pseudo = _moved(pseudo, pseudo.segments.segments, limits)
        usual = usual_segments(pseudo, points, room)
        reshaped = self._reshape(pseudo, points.segments[pseudo.instances], snippet_sec[pseudo.segments.videos])
        pseudo = _moved(pseudo, reshaped, limits)
        return fill_missed(pseudo, points, usual) if self.fill else pseudo

    def _reshape(self, pseudo, points, snippet_sec):
        """Correct length and middle of each segment; it still holds its points ``(N, 2)``, in seconds.

        The place p of a point in its segment is 0 at the start and 1 at the end. Places differ for two reasons: points
        are spread over their actions, and middles of segments are wrong. The variance of p is the sum of both. Each
        middle moves towards the middle at which p would be the mean place, by the share of the variance that is due to
        wrong middles.
        """
        start, end = pseudo.segments.segments.T
        middle, point = (start + end) / 2, points.mean(1)
        length = self._correct_length(end - start, pseudo.segments.labels, snippet_sec)
        if self.point_spread is not None and len(point):
            place = (point - start) / np.maximum(end - start, _TINY)
            due_to_points = self.point_spread**2
            share = 1 - due_to_points / max(place.var(), due_to_points, _TINY)
            middle = middle + share * (point + (0.5 - place.mean()) * length - middle)
        start, end = middle - length / 2, middle + length / 2
        return np.stack([np.minimum(start, points[:, 0]), np.maximum(end, points[:, 1])], 1)

    def _correct_length(self, length, labels, snippet_sec):
        """Lengths ``(N,)`` in seconds, by the rules ``blend``, ``widen`` and ``narrow_snippets``."""
        usual = length.copy()
        for label in np.unique(labels):
            usual[labels == label] = np.median(length[labels == label])
        length = self.widen * (length + self.blend * (usual - length))
        return np.maximum(length - self.narrow_snippets * snippet_sec, length / 2)

    def _with_change_points(self, pseudo, points, decode):
        """Mix detected and decoded boundaries by the share ``change_points``; one segment for each labelled instance.

        An instance without a detection has the decoded boundaries alone.
        """
        found = points.segments.astype(np.float64)
        found[pseudo.instances] = pseudo.segments.segments
        decoded = decode(found)
        mixed = found + self.change_points * (decoded - found)
        mixed[pseudo.missed] = decoded[pseudo.missed]
        scores = np.full(len(points), np.nan)
        scores[pseudo.instances] = pseudo.segments.scores
        segments = Instances(points.videos, points.labels, mixed, scores)
        return PseudoSegments(segments, np.arange(len(points)), pseudo.missed)

    def weights(self, pseudo: PseudoSegments) -> np.ndarray:
        """Weights ``(N,)`` of pseudo segments in training; segments without a detection count as the least certain."""
        weights = np.ones(len(pseudo.segments))
        if self.confidence:
            scores = np.nan_to_num(pseudo.segments.scores, nan=-np.inf)
            for label in np.unique(pseudo.segments.labels):
                own = pseudo.segments.labels == label
                weights[own] = 0.5 + scores[own].argsort().argsort() / max(own.sum() - 1, 1)  # rank, from 0 to 1
        return weights


def _moved(pseudo, segments, limits):
    """Copy pseudo segments with other boundaries ``(N, 2)``, which are clipped to limits ``(N, 2)``, in seconds."""
    segments = np.clip(segments, limits[:, :1], limits[:, 1:])
    return replace(pseudo, segments=replace(pseudo.segments, segments=segments))


def free_room(
    points: Instances, durations_sec: Sequence[float], background_sec: Sequence[np.ndarray] | None = None
) -> np.ndarray:
    """Range of time in which the segment of each labelled instance must lie.

    Args:
        points, durations_sec, background_sec: As in :meth:`PseudoSegmentRules.__call__`.

    Returns:
        np.ndarray: ``(N, 2)`` seconds. On each side, the range ends half-way to the next labelled instance of the
        class, at the next background point or at the end of the video, whichever comes first.
    """
    room = np.empty((len(points), 2))
    for index, (first, last) in enumerate(points.segments):
        video = points.videos[index]
        others = points.segments[(points.videos == video) & (points.labels == points.labels[index])]
        background = np.empty(0) if background_sec is None else np.asarray(background_sec[video], dtype=np.float64)
        # All limits before the instance, and all after it.
        before = [[0], (others[others[:, 1] < first, 1] + first) / 2, background[background < first]]
        after = [[durations_sec[video]], (others[others[:, 0] > last, 0] + last) / 2, background[background > last]]
        room[index] = np.concatenate(before).max(), np.concatenate(after).min()
    return room


def usual_segments(pseudo: PseudoSegments, points: Instances, room: np.ndarray) -> np.ndarray:
    """One segment around each labelled instance, of the usual length of its class.

    Args:
        pseudo (PseudoSegments): Pseudo segments found so far.
        points (Instances): All labelled instances, in seconds.
        room (np.ndarray): ``(N, 2)`` seconds, the ranges that the segments do not leave, see :func:`free_room`.

    Returns:
        np.ndarray: ``(N, 2)`` seconds. The length is the median over the class's segments, or over all segments if the
        class has none. Each segment is centred at the points of its instance, and always holds them. If there is no
        pseudo segment at all, each segment reaches from the first to the last point of its instance.
    """
    lengths = np.diff(pseudo.segments.segments)[:, 0]
    usual = points.segments.astype(np.float64)
    for label in np.unique(points.labels) if len(lengths) else ():
        own = points.labels == label
        of_class = lengths[pseudo.segments.labels == label]
        half = np.median(of_class if len(of_class) else lengths) / 2
        middle = points.segments[own].mean(1)
        start, end = np.minimum(middle - half, usual[own, 0]), np.maximum(middle + half, usual[own, 1])
        usual[own] = np.clip(np.stack([start, end], 1), room[own, :1], room[own, 1:])
    return usual


def fill_missed(pseudo: PseudoSegments, points: Instances, usual: np.ndarray) -> PseudoSegments:
    """Give each missed instance its usual segment, without a score (NaN).

    Args:
        pseudo (PseudoSegments): Pseudo segments found so far; if there are none at all, none are added.
        points (Instances): All labelled instances, in seconds.
        usual (np.ndarray): ``(N, 2)``, see :func:`usual_segments`.

    Returns:
        PseudoSegments: With a segment for every labelled instance, in their order; ``missed`` stays as it was.
    """
    missed = np.setdiff1d(pseudo.missed, pseudo.instances)
    if not len(pseudo.segments) or not len(missed):
        return pseudo
    instances = np.concatenate([pseudo.instances, missed])
    order = np.argsort(instances)
    segments = np.concatenate([pseudo.segments.segments, usual[missed]])[order]
    scores = np.concatenate([pseudo.segments.scores, np.full(len(missed), np.nan)])[order]
    return PseudoSegments(Instances(points.videos, points.labels, segments, scores), instances[order], pseudo.missed)


def segment_quality(segments: Instances, gt: Instances) -> float | None:
    """Mean over segments of the tIoU with the best ground-truth segment of their class and video, for analysis.

    Args:
        segments (Instances): In seconds.
        gt (Instances): Ground truth of the same videos.

    Returns:
        float | None: ``None`` where there are no segments, or no ground truth.
    """
    if not len(segments) or not len(gt):
        return None
    gt, gt_group, group = by_class_and_video(gt, segments)
    best = np.zeros(len(segments))
    for index, other in pairs_within_groups(group, gt_group):
        np.maximum.at(best, index, paired_iou(segments.segments[index], gt.segments[other]))
    return float(best.mean())
