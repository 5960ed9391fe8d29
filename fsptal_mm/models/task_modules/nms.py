"""Non-maximum suppression (NMS) of segments, class by class, on the host."""

import inspect
import math
from collections.abc import Callable
from functools import partial

import numpy as np

from fsptal_mm.structures import segment_iou
from fsptal_mm.utils.errors import InputError, check_numbers

# Number of pairs to compare at once: an array of as many float64 takes 128 kB, and stays in the processor's cache.
_MAX_PAIRS = 1 << 14
# Partners of a segment are searched a little farther than the formula says, by this share of its place and length, so
# that no pair is missed due to rounding errors.
_SLACK = 1e-9
_SMALLEST = 1e-9  # smallest threshold or sigma; both must be above 0


def find_nms(config: dict) -> tuple[Callable, dict]:
    """Look up the NMS of a config.

    Args:
        config (dict): ``type`` and arguments. Types are ``'nms'`` and ``'soft_nms'``; with compiled mmcv also
            ``'mmcv.nms'`` and ``'mmcv.soft_nms'``, whose arguments mmcv checks itself.

    Returns:
        tuple[Callable, dict]: The function, and its arguments besides segments, scores and labels.

    Raises:
        InputError: An unknown type, a type of mmcv where mmcv is not compiled, or a wrong or missing argument.
    """
    if not isinstance(config, dict):
        raise InputError('a dict with a type', field='nms', found=config)
    arguments = dict(config)
    name = arguments.pop('type', None)
    if isinstance(name, str) and name in _OURS:
        _check_arguments(name, arguments)
        return _OURS[name], arguments
    return _find_in_mmcv(name), arguments


def _check_arguments(name, arguments):
    """Raise an InputError if an NMS of this module cannot be called with these arguments."""
    parameters = list(inspect.signature(_OURS[name]).parameters.values())[2:]  # behind segments and scores
    values = {
        parameter.name: None if parameter.default is parameter.empty else parameter.default
        for parameter in parameters
        if parameter.name != 'labels'
    }
    for unknown in set(arguments) - set(values):
        raise InputError(f'arguments of {name}, which are {", ".join(values)}', field='nms', found=unknown)
    for key, value in (values | arguments).items():
        is_count = key == 'max_candidates'
        least = 1 if is_count else -math.inf if key == 'min_score' else _SMALLEST
        check_numbers('nms', least, whole=is_count, optional=is_count, **{key: value})


def _find_in_mmcv(name):
    if name not in _MMCV:
        found = 'none' if name is None else name  # to an InputError, None means that there is nothing to show
        raise InputError(f'one of {[*_OURS, *_MMCV]}', field='nms.type', found=found)
    try:
        from mmcv import ops
    except ImportError as error:
        raise InputError('compiled mmcv for this type: mmcv-lite lacks it', field='nms.type', found=name) from error
    return partial(_nms_of_boxes, getattr(ops, name.removeprefix('mmcv.')))


def nms(
    segments_sec: np.ndarray, scores: np.ndarray, iou_threshold: float, labels: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Greedy NMS, in rounds until nothing changes.

    In each round, a segment that no better remaining segment overlaps is kept for good, and the segments that it
    overlaps are removed. The result is that of the usual algorithm, which goes through the segments one by one; a few
    rounds suffice.

    Args:
        segments_sec (np.ndarray): ``(N, 2)`` starts and ends, in seconds.
        scores (np.ndarray): ``(N,)``.
        iou_threshold: A segment is removed if its IoU with a better, kept segment of its class reaches this; above 0.
        labels (np.ndarray, optional): ``(N,)`` non-negative int, classes. Default: one class for all segments.

    Returns:
        tuple[np.ndarray, np.ndarray]: Indices of the ``K`` kept segments, best first, ties in the order given; and
        their scores.

    Raises:
        InputError: ``iou_threshold`` is not above 0.
    """
    if not iou_threshold > 0:
        raise InputError('a number above 0', field='nms.iou_threshold', found=iou_threshold)
    order = np.argsort(-scores, kind='stable')
    segments, labels = np.asarray(segments_sec, dtype=np.float64)[order], 0 if labels is None else labels[order]
    better, worse = _overlapping(segments, labels, iou_threshold)  # best first: the smaller index is the better one
    stays = np.ones(len(order), dtype=bool)
    while len(better):
        beaten = np.zeros(len(order), dtype=bool)  # overlapped by a better segment
        beaten[worse] = True
        stays[worse.compress(~beaten.take(better))] = False
        is_open = stays.take(better) & stays.take(worse)  # pairs of which no segment has been removed
        better, worse = better.compress(is_open), worse.compress(is_open)
    keep = order[stays]
    return keep, scores[keep]


def _overlapping(segments, labels, iou_threshold):
    """Pairs of one class whose IoU reaches the threshold: indices ``(P,)`` and ``(P,)``, the smaller one first."""
    span = segments.max() - segments.min() if len(segments) else 0
    place = segments[:, 0] + labels * (2 * span + 1)  # starts, moved so that each class has its own stretch of the axis
    by_place = np.argsort(place)
    place, (start, end) = place[by_place], segments[by_place].T
    length, index = end - start, np.arange(len(start))
    # A segment and a partner that starts later share at least threshold * length of the segment, and what they share
    # ends with the segment at the latest. So the partner starts at most (1 - threshold) * length after the segment.
    reach = length * (1 - iou_threshold) + _SLACK * (np.abs(place) + length)
    count = np.maximum(place.searchsorted(place + reach, side='right') - index - 1, 0)
    total = np.append(0, np.cumsum(count))  # pairs before those of each segment
    edges = total.searchsorted(np.arange(_MAX_PAIRS, total[-1], _MAX_PAIRS))
    pairs = []
    for begin, stop in zip([0, *edges], [*edges, len(count)]):
        # Segment i with count[i] = 3 is paired with the segments i + 1, i + 2 and i + 3.
        first = index[begin:stop].repeat(count[begin:stop])
        second = np.arange(total[begin], total[stop]) - total.take(first) + first + 1
        intersection = np.minimum(end.take(first), end.take(second)) - start.take(second)
        near = np.flatnonzero(_iou(intersection, length.take(first), length.take(second)) >= iou_threshold)
        pairs.append((by_place.take(first.take(near)), by_place.take(second.take(near))))
    first, second = (np.concatenate(part) for part in zip(*pairs))
    return np.minimum(first, second), np.maximum(first, second)


def _iou(intersection, first_length, second_length):
    intersection = np.maximum(intersection, 0, out=intersection)
    union = first_length + second_length - intersection
    return intersection / np.maximum(union, np.finfo(union.dtype).tiny)


def soft_nms(
    segments_sec: np.ndarray,
    scores: np.ndarray,
    sigma: float = 0.5,
    min_score: float = 0.001,
    max_candidates: int | None = None,
    labels: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian soft-NMS (Bodla et al., ICCV 2017): overlap with a better segment lowers a score step by step.

    Args:
        segments_sec (np.ndarray): ``(N, 2)`` starts and ends, in seconds.
        scores (np.ndarray): ``(N,)``.
        sigma: A score is multiplied by ``exp(-IoU^2 / sigma)`` for every better segment of the class.
        min_score: Segments whose score falls below this are removed.
        max_candidates: Only this many segments are looked at, the best of all classes together; ``None``: all. Memory
            and time grow with the square of this number. A small number costs recall: on GTEA, mAP with 400 proposals
            of stage 1 was 3 points lower than with all.
        labels (np.ndarray, optional): As in :func:`nms`.

    Returns:
        tuple[np.ndarray, np.ndarray]: As :func:`nms`, with the lowered scores.
    """
    candidates = np.argsort(-scores, kind='stable')[:max_candidates]
    candidates = candidates[~(scores[candidates] < min_score)]  # NaN stays, for the metric to refuse
    classes = np.zeros(len(candidates), dtype=np.int64) if labels is None else labels[candidates]
    kept, kept_scores = [], []
    for label in np.unique(classes):
        own = candidates[classes == label]
        decay = segment_iou(segments_sec[own], segments_sec[own])  # becomes exp(-IoU^2 / sigma), in place
        decay *= decay
        decay /= -sigma
        np.exp(decay, out=decay)
        lowered = scores[own].astype(decay.dtype)  # same type as the factors: numpy multiplies them without a copy
        for _ in own:
            best = lowered.argmax()
            score = lowered[best]
            if score < min_score:
                break
            kept.append(own[best])
            kept_scores.append(score)
            lowered *= decay[best]
            lowered[best] = -np.inf
    kept, kept_scores = np.array(kept, dtype=np.int64), np.array(kept_scores, dtype=scores.dtype)
    best_first = np.argsort(-kept_scores, kind='stable')
    return kept[best_first], kept_scores[best_first]


def _nms_of_boxes(operator, segments_sec, scores, labels=None, **kwargs):
    """NMS by an operator of mmcv, which takes boxes.

    A segment is a box of height 1: the IoU of two boxes is then that of their segments. Boxes of different classes lie
    at different heights and do not overlap.
    """
    if not len(scores):  # mmcv's soft_nms fails without boxes
        return np.zeros(0, dtype=np.int64), scores
    start, end = segments_sec.astype(np.float32).T
    bottom = np.zeros_like(start) if labels is None else (2 * labels).astype(np.float32)
    boxes, indices = operator(np.stack([start, bottom, end, bottom + 1], 1), scores.astype(np.float32), **kwargs)
    return np.asarray(indices, dtype=np.int64), boxes[:, -1].astype(scores.dtype)  # the last column is the score


_OURS = dict(nms=nms, soft_nms=soft_nms)
_MMCV = ('mmcv.nms', 'mmcv.soft_nms')
