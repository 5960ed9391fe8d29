"""Non-maximum suppression of segments in seconds, on the host."""

from functools import partial, wraps
from typing import NamedTuple

import numpy as np

from fsptal_mm.errors import InputError

# Segments settled at once: few at first, since the best ones suppress most others, then twice as many each time.
_FIRST_BLOCK, _LARGEST_BLOCK = 256, 4096
# Pairs compared at once: some MB.
_MAX_PAIRS = 1 << 18
# Relative to a segment's place and length: more than rounding can move the start of one that reaches the threshold.
_SLACK = 1e-9


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


def find_nms(name):
    """The suppression of a name: ``'nms'``, ``'soft_nms'``, or compiled mmcv's ``'mmcv.nms'``, ``'mmcv.soft_nms'``.

    Raises:
        InputError: Another name, or one of mmcv's where it is not compiled.
    """
    if name in _OURS:
        return _OURS[name]
    if name not in _MMCV:
        raise InputError(f'one of {[*_OURS, *_MMCV]}', field='nms.type', found=name)
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
    spans = _Spans.of_classes(segments_sec, labels)
    rest, keep, block = np.argsort(-scores, kind='stable'), [], _FIRST_BLOCK
    while len(rest):
        head, rest = rest[:block], rest[block:]
        head = head[_settle(spans[head], iou_threshold)]
        keep.append(head)
        if len(rest):
            rest = rest[~_suppressed_by(spans[head], spans[rest], iou_threshold)]
        block = min(2 * block, _LARGEST_BLOCK)
    keep = np.concatenate(keep) if keep else np.zeros(0, dtype=np.int64)
    return keep, scores[keep]


@_class_by_class
def soft_nms(segments_sec, scores, sigma=0.5, min_score=0.001):
    """Gaussian soft non-maximum suppression (Bodla et al., ICCV 2017): overlap lowers a score instead of ending it.

    Args:
        segments_sec (np.ndarray): ``(N, 2)`` starts and ends.
        scores (np.ndarray): ``(N,)``.
        sigma: Scores are multiplied by ``exp(-IoU^2 / sigma)`` for every better segment.
        min_score: Segments that fall below this go.

    Returns:
        tuple[np.ndarray, np.ndarray]: As :func:`nms`, with the lowered scores.
    """
    rest = np.argsort(-scores, kind='stable')
    start, end, level = segments_sec[rest, 0], segments_sec[rest, 1], scores[rest].copy()
    keep, kept_scores = [], []
    while len(rest):
        best = int(level.argmax())
        if best:  # bring the best to the front, the others keep their order
            order = np.r_[best, np.delete(np.arange(len(rest)), best)]
            rest, start, end, level = rest[order], start[order], end[order], level[order]
        if level[0] < min_score:
            break
        keep.append(rest[0])
        kept_scores.append(level[0])
        level = level[1:] * np.exp(-(_iou_with_first(start, end)[1:] ** 2) / sigma)
        rest, start, end = rest[1:], start[1:], end[1:]
    return np.array(keep, dtype=np.int64), np.array(kept_scores, dtype=scores.dtype)


def _iou_with_first(start, end):
    intersection = np.minimum(end, end[0]) - np.maximum(start, start[0])
    return _iou(intersection, end - start, end[0] - start[0])


def _iou(intersection, first_length, second_length):
    intersection = np.maximum(intersection, 0, out=intersection)
    union = first_length + second_length - intersection
    return intersection / np.maximum(union, np.finfo(union.dtype).tiny)


class _Spans(NamedTuple):
    """Segments, and where a search along one axis finds them: each class has a stretch of its own there."""

    start: np.ndarray
    end: np.ndarray
    place: np.ndarray

    @classmethod
    def of_classes(cls, segments, labels):
        start, end = np.asarray(segments, dtype=np.float64).T
        if labels is None or not len(start):
            return cls(start, end, start)
        return cls(start, end, start + labels * (2 * (end.max() - start.min()) + 1))

    def __getitem__(self, index):
        return _Spans(self.start[index], self.end[index], self.place[index])


def _settle(spans, iou_threshold):
    """Which of some segments stay, ``(N,)`` bool, the best first.

    Whom no one better overlaps stays, and whom it overlaps goes; then the same among those still open. A few rounds
    end in the same as going through the segments one by one.
    """
    stays = np.ones(len(spans.start), dtype=bool)
    by_place = np.argsort(spans.place)
    first, second = _overlapping(spans, spans[by_place], iou_threshold)
    second = by_place[second]
    better, worse = np.minimum(first, second), np.maximum(first, second)
    is_open = better < worse  # a segment overlaps itself, too
    while is_open.any():
        better, worse = better[is_open], worse[is_open]
        beaten = np.zeros(len(stays), dtype=bool)
        beaten[worse] = True
        wins = ~beaten[better]
        stays[worse[wins]] = False
        is_open = ~wins & stays[better] & stays[worse]
    return stays


def _suppressed_by(kept, rest, iou_threshold):
    """Which segments of ``rest`` overlap one of ``kept``, ``(N,)`` bool."""
    gone = np.zeros(len(rest.start), dtype=bool)
    by_place = np.argsort(kept.place)
    gone[_overlapping(rest, kept[by_place], iou_threshold)[0]] = True
    by_place = np.argsort(rest.place)
    gone[by_place[_overlapping(kept, rest[by_place], iou_threshold)[1]]] = True
    return gone


def _overlapping(left, right, iou_threshold):
    """Pairs of a left and a right segment that starts no earlier, whose IoU reaches the threshold.

    Args:
        left (_Spans): In any order.
        right (_Spans): By ascending place.

    Returns:
        list[np.ndarray]: Indices into ``left`` and into ``right``, ``(P,)`` each.
    """
    # What they share is at least the threshold times the left length, and ends with the left one at the latest.
    length = left.end - left.start
    reach = length * (1 - iou_threshold) + _SLACK * (np.abs(left.place) + length)
    first = np.searchsorted(right.place, left.place, side='left')
    count = np.maximum(np.searchsorted(right.place, left.place + reach, side='right') - first, 0)
    total = np.cumsum(count)
    num_pairs = int(total[-1]) if len(total) else 0
    edges = np.searchsorted(total, np.arange(_MAX_PAIRS, num_pairs, _MAX_PAIRS))
    blocks = []
    for begin, stop in zip([0, *edges], [*edges, len(left.start)]):
        repeats = count[begin:stop]
        left_index = np.repeat(np.arange(begin, stop), repeats)
        offset = first[begin:stop] - (np.cumsum(repeats) - repeats)
        right_index = np.arange(len(left_index)) + np.repeat(offset, repeats)
        one, other = left[left_index], right[right_index]
        intersection = np.minimum(one.end, other.end) - np.maximum(one.start, other.start)
        near = _iou(intersection, one.end - one.start, other.end - other.start) >= iou_threshold
        blocks.append((left_index[near], right_index[near]))
    return [np.concatenate(parts) for parts in zip(*blocks)]


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
