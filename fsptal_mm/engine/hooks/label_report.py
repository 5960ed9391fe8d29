"""What a mining pass found: counts for the log, a readable dump, and an analysis against true segments."""

import numpy as np

from fsptal_mm.structures import NO_INSTANCE, segment_iou


def count_labels(store):
    """Scalars of a pass.

    Args:
        store (dict[str, VideoLabels]): Labels by video id.

    Returns:
        dict[str, int | float]: Snippets with given and with mined labels of either kind, ``mining/segments``, and
        ``mining/labelled_share``, the mean over videos of the share of snippets with a label. Snippets count as the
        model sees them, after label extension.
    """
    counts = dict.fromkeys(('given_action', 'given_background', 'mined_action', 'mined_background', 'segments'), 0)
    shares = []
    for labels in store.values():
        action, background = (labels.point_instances != NO_INSTANCE).any(1), labels.point_background
        for origin, snippets in (('given', labels.given), ('mined', ~labels.given)):
            counts[f'{origin}_action'] += int((action & snippets).sum())
            counts[f'{origin}_background'] += int((background & snippets).sum())
        counts['segments'] += 0 if labels.segments is None else len(labels.segments.group)
        shares.append(float((action | background).float().mean()))
    counts['labelled_share'] = float(np.mean(shares))
    return {f'mining/{name}': value for name, value in counts.items()}


def analyse_labels(store, records):
    """Mined labels against the true segments. For analysis only: nothing of it may reach training.

    A snippet is what it is in its middle. Given labels are left out of precision and recall, which are over all
    snippets (for actions: pairs of snippet and class) of all videos with true segments.

    Args:
        store (dict[str, VideoLabels]): Labels by video id.
        records (Iterable[dict]): Of the data set, with ``video_id``, ``gt_segments_sec (M, 2)`` and
            ``gt_segment_labels (M,)``.

    Returns:
        dict[str, float]: ``analysis/`` and ``action_precision``, ``action_recall``, ``background_precision``,
        ``background_recall``, and ``segment_tiou``: mean over the found segments of the tIoU with the nearest true one
        of their class. What has nothing to be measured on is missing.
    """
    sums = {f'{kind}_{part}': 0 for kind in ('action', 'background') for part in ('hits', 'precision', 'recall')}
    overlaps = [np.zeros(0)]
    for record in records:
        if not len(record['gt_segment_labels']) or record['video_id'] not in store:
            continue
        labels = store[record['video_id']]
        mined = labels.point_instances.numpy() != NO_INSTANCE
        true = _true_actions(record, labels.edges_sec, mined.shape[1])
        free = ~labels.given.numpy()
        for kind, found, right in (
            ('action', mined[free], true[free]),
            ('background', labels.point_background.numpy()[free], ~true[free].any(1)),
        ):
            sums[f'{kind}_hits'] += int((found & right).sum())
            sums[f'{kind}_precision'] += int(found.sum())
            sums[f'{kind}_recall'] += int(right.sum())
        overlaps.append(_best_overlaps(record, labels))
    figures = {
        f'analysis/{kind}_{part}': sums[f'{kind}_hits'] / sums[f'{kind}_{part}']
        for kind in ('action', 'background')
        for part in ('precision', 'recall')
        if sums[f'{kind}_{part}']
    }
    overlaps = np.concatenate(overlaps)
    return figures | ({'analysis/segment_tiou': float(overlaps.mean())} if len(overlaps) else {})


def _true_actions(record, edges_sec, num_classes):
    """``(T, C)`` bool: the middle of snippet t lies in a true segment of class c."""
    middle = (edges_sec[1:] + edges_sec[:-1]) / 2
    true = np.zeros((len(middle), num_classes), dtype=bool)
    for (start, end), label in zip(record['gt_segments_sec'], record['gt_segment_labels']):
        true[:, label] |= (start <= middle) & (middle < end)
    return true


def _best_overlaps(record, labels):
    """Highest tIoU of every found action segment with a true one of its class, 0 without one."""
    found, classes = _segments_sec(labels)
    overlap = segment_iou(found, record['gt_segments_sec'])
    return np.where(classes[:, None] == record['gt_segment_labels'], overlap, 0).max(1)


def _segments_sec(labels):
    """Found action segments ``(N, 2)`` in seconds and their classes ``(N,)``."""
    if labels.segments is None:
        return np.zeros((0, 2)), np.zeros(0, dtype=np.int64)
    action = ~labels.segments.background
    start, end = labels.segments.start[action].numpy(), labels.segments.end[action].numpy()
    segments = np.stack([labels.edges_sec[start], labels.edges_sec[end + 1]], 1)
    return segments, labels.segments.label[labels.segments.group[action]].numpy()


def describe_labels(labels, classes):
    """The labels of one video as JSON takes them, in seconds, ``[start, end]``.

    Args:
        labels (VideoLabels): Of the video.
        classes (Sequence[str]): Class names.

    Returns:
        dict: ``action``, unbroken runs of snippets labelled with one instance, ``background``, runs of background, and
        ``segments``, the best segments. Runs hold given and mined snippets.
    """
    instances = labels.point_instances.numpy()
    action = [
        dict(label=classes[label], segment=labels.edges_sec[[start, stop]].tolist())
        for label in np.flatnonzero((instances != NO_INSTANCE).any(0))
        for start, stop in _runs(instances[:, label], NO_INSTANCE)
    ]
    background = [
        labels.edges_sec[[start, stop]].tolist() for start, stop in _runs(labels.point_background.numpy(), False)
    ]
    segments = [dict(label=classes[label], segment=segment.tolist()) for segment, label in zip(*_segments_sec(labels))]
    return dict(action=action, background=background, segments=segments)


def _runs(values, empty):
    """First snippet of every run of one value, and the snippet after it; runs of ``empty`` are left out."""
    cuts = np.flatnonzero(values[1:] != values[:-1]) + 1
    starts, stops = np.append(0, cuts), np.append(cuts, len(values))
    kept = values[starts] != empty
    return zip(starts[kept], stops[kept])
