"""Non-maximum suppression of segments in seconds, on the host."""

import inspect
import math
from functools import partial, wraps
from typing import NamedTuple

import numpy as np

from fsptal_mm.utils.errors import InputError, check_numbers

# Segments settled at once: few at first, since the best ones suppress most others, then twice as many each time.
_FIRST_BLOCK, _LARGEST_BLOCK = 1024, 4096
# Pairs compared at once: some hundred kB for each of their values, which stay in the processor's cache.
_MAX_PAIRS = 1 << 14
# Relative to a segment's place and length: more than rounding can move the start of one that reaches the threshold.
_SLACK = 1e-9
_SMALLEST = 1e-9  # of a threshold or a sigma, which are above 0


def _class_by_class(suppress):
    """Give a suppression of segments of one class the argument ``labels``, as that of :func:`nms`."""

    @wraps(suppress)
    def suppress_classes(segments_sec, scores, *args, labels=None, **kwargs):
        classes = np.unique(labels) if labels is not None else []
        if len(classes) < 2:
            return suppress(segments_sec, scores, *args, **kwargs)
        parts = []
        for label in classes:
            own = np.flatnonzero(labels == label)
            keep, kept_scores = suppress(segments_sec[own], scores[own], *args, **kwargs)
            parts.append((own[keep], kept_scores))
        keep, kept_scores = (np.concatenate(part) for part in zip(*parts))
        best_first = np.argsort(-kept_scores, kind='stable')
        return keep[best_first], kept_scores[best_first]

    return suppress_classes


def find_nms(config):
    """The suppression of a config, and its arguments besides segments, scores and labels.

    Args:
        config (dict): The arguments, and as ``type`` ``'nms'``, ``'soft_nms'``, or compiled mmcv's ``'mmcv.nms'``,
            ``'mmcv.soft_nms'``, which looks at its arguments itself.

    Returns:
        tuple[Callable, dict]: Both.

    Raises:
        InputError: Another type, or one of mmcv's where it is not compiled; a wrong or missing argument.
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
    """InputError if a suppression of this module cannot be called with these arguments."""
    parameters = list(inspect.signature(_OURS[name]).parameters.values())[2:]  # behind segments and scores
    values = {
        parameter.name: None if parameter.default is parameter.empty else parameter.default
        for parameter in parameters
        if parameter.name != 'labels'
    }
    for unknown in set(arguments) - set(values):
        raise InputError(f'arguments of {name}, which are {", ".join(values)}', field='nms', found=unknown)
    for key, value in (values | arguments).items():
        is_count = key == 'max_count'
        least = 1 if is_count else -math.inf if key == 'min_score' else _SMALLEST
        check_numbers('nms', least, whole=is_count, optional=is_count, **{key: value})


def _find_in_mmcv(name):
    if name not in _MMCV:
        found = 'none' if name is None else name  # to an InputError, None means that there is nothing to show
        raise InputError(f'one of {[*_OURS, *_MMCV]}', field='nms.type', found=found)
    try:
        from mmcv import ops
    except ImportError as error:
        raise InputError('compiled mmcv for this type; mmcv-lite has none', field='nms.type', found=name) from error
    return _class_by_class(partial(_suppress_boxes, getattr(ops, name.removeprefix('mmcv.'))))


def nms(segments_sec, scores, iou_threshold, labels=None):
    """Greedy non-maximum suppression, of all classes at once.

    Only pairs that start near each other are compared. The best block of segments is settled first; what it suppresses
    of the rest is never looked at again, which bounds the memory, whatever the number of segments.

    Args:
        segments_sec (np.ndarray): ``(N, 2)`` starts and ends.
        scores (np.ndarray): ``(N,)``.
        iou_threshold: A segment goes if its IoU with a better one of its class that stays reaches this; above 0.
        labels (np.ndarray, optional): ``(N,)`` non-negative int, classes; all segments are of one where they are left
            out.

    Returns:
        tuple[np.ndarray, np.ndarray]: Indices of the ``K`` segments that stay, best first, ties in the order given; and
        their scores.

    Raises:
        InputError: A threshold that is not above 0.
    """
    if not iou_threshold > 0:
        raise InputError('a number above 0', field='nms.iou_threshold', found=iou_threshold)
    order = np.argsort(-scores, kind='stable')
    rest = _Spans.by_place(segments_sec, order, labels)
    kept_ranks, block = [], _FIRST_BLOCK
    while len(rest.rank):
        head, rest = rest.split(block)
        head = head[_settle(head, iou_threshold)]
        kept_ranks.append(head.rank)
        if len(rest.rank):
            rest = rest[_not_suppressed_by(head, rest, iou_threshold)]
        block = min(2 * block, _LARGEST_BLOCK)
    keep = order[np.sort(np.concatenate(kept_ranks))] if kept_ranks else order
    return keep, scores[keep]


def soft_nms(segments_sec, scores, sigma=0.5, min_score=0.001, max_count=None, labels=None):
    """Gaussian soft non-maximum suppression (Bodla et al., ICCV 2017): overlap lowers a score instead of ending it.

    Args:
        segments_sec (np.ndarray): ``(N, 2)`` starts and ends.
        scores (np.ndarray): ``(N,)``.
        sigma: Scores are multiplied by ``exp(-IoU^2 / sigma)`` for every better segment of the class.
        min_score: Segments that fall below this go.
        max_count: At most this many stay, the best ones of all classes; ``None`` for all.
        labels (np.ndarray, optional): As in :func:`nms`.

    Returns:
        tuple[np.ndarray, np.ndarray]: As :func:`nms`, with the lowered scores.
    """
    labels = np.zeros(len(scores), dtype=np.int64) if labels is None else labels
    order = np.lexsort((-scores, labels))
    (start, end), level = segments_sec[order].T, scores[order].copy()
    # Segments of a class lie together, and what is best in each class is known.
    cuts = np.flatnonzero(np.diff(labels[order], prepend=-1, append=-1)) if len(order) else np.zeros(1, dtype=np.int64)
    best = cuts[:-1].copy()
    keep, kept_scores = [], []
    for _ in range(len(order) if max_count is None else min(len(order), max_count)):
        group = int(level[best].argmax())
        chosen = best[group]
        if level[chosen] < min_score:
            break
        keep.append(chosen)
        kept_scores.append(level[chosen])
        own = slice(cuts[group], cuts[group + 1])
        intersection = np.minimum(end[own], end[chosen]) - np.maximum(start[own], start[chosen])
        overlap = _iou(intersection, end[own] - start[own], end[chosen] - start[chosen])
        level[own] *= np.exp(-(overlap**2) / sigma)
        level[chosen] = -np.inf
        best[group] = cuts[group] + level[own].argmax()
    return order[np.array(keep, dtype=np.int64)], np.array(kept_scores, dtype=scores.dtype)


def _iou(intersection, first_length, second_length):
    intersection = np.maximum(intersection, 0, out=intersection)
    union = first_length + second_length - intersection
    return intersection / np.maximum(union, np.finfo(union.dtype).tiny)


class _Spans(NamedTuple):
    """Segments in the order of their starts, class after class: a search for sorted values is the fastest.

    Attributes:
        start: ``(N,)``.
        end: ``(N,)``.
        place: ``(N,)`` ascending, the start on an axis on which every class has a stretch of its own.
        rank: ``(N,)`` places in the order of falling scores.
    """

    start: np.ndarray
    end: np.ndarray
    place: np.ndarray
    rank: np.ndarray

    @classmethod
    def by_place(cls, segments, order, labels):
        start, end = np.asarray(segments, dtype=np.float64).T
        place = start
        if labels is not None and len(start):
            place = start + labels * (2 * (end.max() - start.min()) + 1)
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        return cls(start, end, place, rank)[np.argsort(place)]

    def __getitem__(self, index):
        return _Spans(*(values[index] for values in self))

    def split(self, count):
        """The best ``count`` segments, and the others."""
        if len(self.rank) <= count:
            return self, self[:0]
        is_best = self.rank < np.partition(self.rank, count)[count]
        return self[np.flatnonzero(is_best)], self[np.flatnonzero(~is_best)]


def _settle(spans, iou_threshold):
    """Indices of those segments that stay.

    Whom no one better overlaps stays, and whom it overlaps goes; then the same among those still open. A few rounds
    end in the same as going through the segments one by one.
    """
    rank = spans.rank - spans.rank.min()
    first, second = _overlapping(spans, spans, iou_threshold)
    first, second = rank.take(first), rank.take(second)
    better, worse = np.minimum(first, second), np.maximum(first, second)
    stays = np.ones(rank.max() + 1, dtype=bool)
    while len(better):
        beaten = np.zeros(len(stays), dtype=bool)
        beaten[worse] = True
        stays[worse.compress(~beaten.take(better))] = False
        is_open = stays.take(better) & stays.take(worse)
        better, worse = better.compress(is_open), worse.compress(is_open)
    return np.flatnonzero(stays.take(rank))


def _not_suppressed_by(kept, rest, iou_threshold):
    """Indices of the segments of ``rest`` that overlap none of ``kept``."""
    stays = np.ones(len(rest.rank), dtype=bool)
    stays[_overlapping(kept, rest, iou_threshold)[1]] = False
    stays[_overlapping(rest, kept, iou_threshold)[0]] = False
    return np.flatnonzero(stays)


def _overlapping(left, right, iou_threshold):
    """Pairs of a left and a right segment that starts no earlier, whose IoU reaches the threshold.

    Args:
        left (_Spans): Some segments.
        right (_Spans): Others, or the same object; then each pair comes once, and none of a segment with itself.

    Returns:
        tuple[np.ndarray, np.ndarray]: Indices into ``left`` and into ``right``, ``(P,)`` each.
    """
    length, other_length = left.end - left.start, right.end - right.start
    # What they share is at least the threshold times the left length, and ends with the left one at the latest.
    reach = length * (1 - iou_threshold) + _SLACK * (np.abs(left.place) + length)
    first = np.arange(1, len(length) + 1) if left is right else right.place.searchsorted(left.place)
    count = np.maximum(right.place.searchsorted(left.place + reach, side='right') - first, 0)
    total = np.zeros(len(count) + 1, dtype=np.int64)  # pairs before each left segment
    np.cumsum(count, out=total[1:])
    offset = first - total[:-1]
    edges = total.searchsorted(np.arange(_MAX_PAIRS, total[-1], _MAX_PAIRS))
    pairs = []
    for begin, stop in zip([0, *edges], [*edges, len(count)]):
        repeats = count[begin:stop]
        start, end, own = (values[begin:stop].repeat(repeats) for values in (left.start, left.end, length))
        other = np.arange(total[begin], total[stop])
        other += offset[begin:stop].repeat(repeats)
        intersection = np.minimum(end, right.end.take(other)) - np.maximum(start, right.start.take(other))
        near = np.flatnonzero(_iou(intersection, own, other_length.take(other)) >= iou_threshold)
        pairs.append((np.arange(begin, stop).repeat(repeats).take(near), other.take(near)))
    return tuple(np.concatenate(part) for part in zip(*pairs))


def _suppress_boxes(operator, segments_sec, scores, **kwargs):
    """Segments as boxes of height 1, whose IoU is that of the segments; arguments as of the operator of mmcv."""
    if not len(scores):  # soft_nms of mmcv does not take that
        return np.zeros(0, dtype=np.int64), scores
    start, end = segments_sec.astype(np.float32).T
    boxes = np.stack([start, np.zeros_like(start), end, np.ones_like(end)], 1)
    kept, keep = operator(boxes, scores.astype(np.float32), **kwargs)
    return np.asarray(keep, dtype=np.int64), kept[:, -1].astype(scores.dtype)


_OURS = dict(nms=nms, soft_nms=soft_nms)
_MMCV = ('mmcv.nms', 'mmcv.soft_nms')
