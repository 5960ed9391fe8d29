"""Results of a mining pass: counts for the log, and a JSON description in seconds."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fsptal_mm.structures import NO_CLASS, NO_INSTANCE, Instances, VideoLabels

_DIGITS = 4  # decimal digits of seconds in the JSON description


def count_labels(store: dict[str, VideoLabels]) -> dict[str, float]:
    """Figures of a mining pass for the log.

    Args:
        store (dict[str, VideoLabels]): Labels by video id.

    Returns:
        dict[str, int | float]: Numbers of snippets, ``mining/given_action``, ``mining/given_background``,
        ``mining/mined_action`` and ``mining/mined_background``; ``mining/segments``, the number of segments; and
        ``mining/labelled_share``, the share of snippets with a label, as a mean over videos. Snippets are those that
        the model sees, after label extension.
    """
    counts = dict.fromkeys(('given_action', 'given_background', 'mined_action', 'mined_background', 'segments'), 0)
    shares = []
    for labels in store.values():
        action, background = (labels.snippet_instances != NO_INSTANCE).any(1), labels.background_labels
        for origin, snippets in (('given', labels.given), ('mined', ~labels.given)):
            counts[f'{origin}_action'] += int((action & snippets).sum())
            counts[f'{origin}_background'] += int((background & snippets).sum())
        counts['segments'] += 0 if labels.segments is None else len(labels.segments.group)
        shares.append(float((action | background).float().mean()))
    counts['labelled_share'] = float(np.mean(shares))
    return {f'mining/{name}': value for name, value in counts.items()}


def label_runs(labels: VideoLabels, snippets: np.ndarray) -> Instances:
    """Unbroken runs of snippets labelled with one instance, and unbroken runs of background.

    Args:
        labels (VideoLabels): Labels of one video of T snippets.
        snippets (np.ndarray): ``(T,)`` bool, snippets whose labels count; other snippets are taken as unlabelled.

    Returns:
        Instances: In seconds; background has the label ``NO_CLASS``.
    """
    instances = np.where(snippets[:, None], labels.snippet_instances.numpy(), NO_INSTANCE)
    # One column (T,) for each class and one for background, with the value that means "not labelled".
    columns = [(label, instances[:, label], NO_INSTANCE) for label in np.flatnonzero((instances != NO_INSTANCE).any(0))]
    columns.append((NO_CLASS, labels.background_labels.numpy() & snippets, False))
    runs = [(start, stop, label) for label, values, empty in columns for start, stop in _runs(values, empty)]
    start, stop, label = np.array(runs, dtype=np.int64).reshape(-1, 3).T
    return Instances.of_video(np.stack([labels.edges_sec[start], labels.edges_sec[stop]], 1), label)


def segments_sec(labels: VideoLabels) -> Instances:
    """Action segments of the segment search, as Instances in seconds; empty if the head searches none."""
    if labels.segments is None:
        return Instances.of_video([])
    action = ~labels.segments.is_background
    start, stop = labels.segments.start[action].numpy(), labels.segments.stop[action].numpy()
    segments = np.stack([labels.edges_sec[start], labels.edges_sec[stop]], 1)
    return Instances.of_video(segments, labels.segments.label[labels.segments.group[action]])


def describe_labels(labels: VideoLabels, classes: Sequence[str], record: dict | None = None) -> dict[str, Any]:
    """Describe the labels of one video for a JSON file; segments and runs are ``[start, end]`` in seconds.

    Args:
        labels (VideoLabels): Labels of the video.
        classes (Sequence[str]): Class names.
        record (dict, optional): The dataset's record of the video, with ``gt_segments_sec (M, 2)`` and
            ``gt_segment_labels (M,)``, which are for analysis only.

    Returns:
        dict: ``action``: unbroken runs of snippets labelled with one instance, given or mined. ``background``: runs of
        background, given or mined. ``segments``: the best segments of the search. ``given``: runs of snippets that the
        annotation labels. ``edges_sec``: the ``T + 1`` edges of the snippets. ``gt_segments``: the ground truth, if
        there is a record.
    """
    everywhere = np.ones(len(labels.given), dtype=bool)
    runs = label_runs(labels, everywhere)
    is_action = runs.labels != NO_CLASS
    given = np.array([labels.edges_sec[[start, stop]] for start, stop in _runs(labels.given.numpy(), False)])
    described = dict(
        action=_rows(runs[is_action], classes),
        background=_seconds(runs[~is_action].segments),
        segments=_rows(segments_sec(labels), classes),
        given=_seconds(given),
        edges_sec=_seconds(labels.edges_sec),
    )
    if record is not None:
        gt = Instances.of_video(record['gt_segments_sec'], record['gt_segment_labels'])
        described['gt_segments'] = _rows(gt, classes)
    return described


def _rows(instances, classes):
    rows = zip(_seconds(instances.segments), instances.labels)
    return [dict(label=classes[label], segment=segment) for segment, label in rows]


def _seconds(times):
    return times.round(_DIGITS).tolist()


def _runs(values, empty):
    """First snippet of every run of equal values, and the snippet after its last; runs of ``empty`` are left out."""
    cuts = np.flatnonzero(values[1:] != values[:-1]) + 1
    starts, stops = np.append(0, cuts), np.append(cuts, len(values))
    kept = values[starts] != empty
    return zip(starts[kept], stops[kept])
