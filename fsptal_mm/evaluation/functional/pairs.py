"""Pairs of segments of the same video, and their overlap."""

from collections.abc import Iterator

import numpy as np

from fsptal_mm.structures import Instances

# Largest number of pairs of segments in a block: some tens of MB, however many detections there are.
_MAX_PAIRS = 1 << 20


def pairs_within_groups(left: np.ndarray, right: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Find all pairs of a left and a right item of the same group, in blocks of bounded size.

    Args:
        left (np.ndarray): ``(N,)`` int, group of each left item.
        right (np.ndarray): ``(M,)`` int, group of each right item, in ascending order.

    Yields:
        tuple[np.ndarray, np.ndarray]: Indices into ``left`` and ``right``, sorted by the left index, then by the right
        one; all pairs of a left item are in the same block.
    """
    # Since right is sorted, the partners of a left item follow each other: from index first on, count items.
    first = np.searchsorted(right, left, side='left')
    count = np.searchsorted(right, left, side='right') - first
    total = np.cumsum(count)
    num_pairs = int(total[-1]) if len(total) else 0
    edges = np.searchsorted(total, np.arange(_MAX_PAIRS, num_pairs, _MAX_PAIRS))  # left items at which a block begins
    for start, stop in zip([0, *edges], [*edges, len(left)]):
        # For left items with 2, 0 and 3 partners: left_index is 0 0 2 2 2, and within counts 0 1 0 1 2.
        repeats = count[start:stop]
        before = np.cumsum(repeats) - repeats
        left_index = np.repeat(np.arange(start, stop), repeats)
        within = np.arange(len(left_index)) - np.repeat(before, repeats)
        yield left_index, first[left_index] + within


def by_class_and_video(gt: Instances, det: Instances) -> tuple[Instances, np.ndarray, np.ndarray]:
    """Number the combinations of class and video, as the groups of :func:`pairs_within_groups`.

    Args:
        gt (Instances): Ground truth.
        det (Instances): Detections.

    Returns:
        tuple[Instances, np.ndarray, np.ndarray]: ``gt``, sorted by class and video; the group of each of its items; and
        the group of each item of ``det``, in the given order.
    """
    num_videos = 1 + max(gt.videos.max(initial=0), det.videos.max(initial=0))
    gt_group = gt.labels * num_videos + gt.videos
    order = np.argsort(gt_group, kind='stable')
    return gt[order], gt_group[order], det.labels * num_videos + det.videos


def touches_any(instances: Instances, ranges: Instances) -> np.ndarray:
    """Find the segments that share some time with a range of their video, whatever the class.

    This is the filter for *ambiguous* ranges (THUMOS14's ``Ambiguous_test.txt``), where annotators could not tell
    whether an action happens. HR-Pro, CO2-Net and others leave out every detection whose tIoU with such a range is
    above 0, and so does this function, in exact seconds. HR-Pro compares whole seconds (ends truncated, ranges rounded)
    and so misses some short overlaps. THUMOS14's own evaluation kit leaves out fewer: only overlapping detections that
    match no ground-truth segment.

    Args:
        instances (Instances): The segments to check.
        ranges (Instances): The ranges, in the same unit.

    Returns:
        np.ndarray: ``(N,)`` bool. Segments that only touch the end of a range, or have no length, share no time.
    """
    ranges = ranges[np.argsort(ranges.videos, kind='stable')]
    touches = np.zeros(len(instances), dtype=bool)
    for index, other in pairs_within_groups(instances.videos, ranges.videos):
        touches[index[_overlap(instances.segments[index], ranges.segments[other]) > 0]] = True
    return touches


def paired_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Compute the tIoU of the n-th segment of one array with the n-th of another.

    Args:
        first (np.ndarray): ``(P, 2)``.
        second (np.ndarray): ``(P, 2)``, in the same unit.

    Returns:
        np.ndarray: ``(P,)``; 0 where both have no length.
    """
    intersection = np.maximum(_overlap(first, second), 0)
    union = (first[:, 1] - first[:, 0]) + (second[:, 1] - second[:, 0]) - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def _overlap(first, second):
    """Time that the n-th segments of two arrays ``(P, 2)`` share, ``(P,)``; if they are apart, minus the gap."""
    return np.minimum(first[:, 1], second[:, 1]) - np.maximum(first[:, 0], second[:, 0])
