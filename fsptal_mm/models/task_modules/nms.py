"""Non-maximum suppression of segments in seconds, on the host."""

from functools import partial

import numpy as np

from fsptal_mm.errors import InputError


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
    return partial(_suppress_boxes, getattr(ops, name.removeprefix('mmcv.')))


def nms(segments_sec, scores, iou_threshold):
    """Greedy non-maximum suppression.

    Args:
        segments_sec (np.ndarray): ``(N, 2)`` starts and ends.
        scores (np.ndarray): ``(N,)``.
        iou_threshold: A segment goes if its IoU with a better one that stays reaches this.

    Returns:
        tuple[np.ndarray, np.ndarray]: Indices of the ``K`` segments that stay, best first, ties in the order given; and
        their scores.
    """
    rest = np.argsort(-scores, kind='stable')
    start, end = segments_sec[rest, 0], segments_sec[rest, 1]
    keep = []
    while len(rest):
        keep.append(rest[0])
        stays = _iou_with_first(start, end) < iou_threshold
        stays[0] = False
        rest, start, end = rest[stays], start[stays], end[stays]
    keep = np.array(keep, dtype=np.int64)
    return keep, scores[keep]


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
    intersection = np.maximum(intersection, 0, out=intersection)
    union = (end - start) + (end[0] - start[0]) - intersection
    return intersection / np.maximum(union, np.finfo(union.dtype).tiny)


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
