"""Reading of data samples, and of the results that metrics collect."""

import logging
from collections.abc import Sequence

import numpy as np
from mmaction.structures import ActionDataSample
from mmengine.logging import print_log

from fsptal_mm.structures import Instances, to_numpy
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.wording import counted

from .functional import point_extents

_POINT_FIELDS = ('gt_point_sec', 'gt_point_labels', 'gt_point_instances')


def collect_detections(sample: ActionDataSample | dict) -> Instances:
    """Read the detections of one data sample.

    Args:
        sample (ActionDataSample | dict): Sample with ``video_id`` and the prediction ``pred_segments``, which has
            ``segments_sec (N, 2)``, ``scores (N,)`` and ``labels (N,)``.

    Returns:
        Instances: Detections in seconds, with scores.

    Raises:
        InputError: There is no prediction, or a number in it is not finite.
    """
    video_id, found = sample.get('video_id'), sample.get('pred_segments')
    if found is None:
        raise InputError('a prediction pred_segments in the data sample', video=video_id)
    for field in ('segments_sec', 'scores'):
        if not np.isfinite(to_numpy(found[field])).all():
            raise InputError('finite numbers', video=video_id, field=f'pred_segments.{field}', found='NaN or infinity')
    return Instances.of_video(found['segments_sec'], found['labels'], found['scores'])


def best_times(sample: ActionDataSample | dict, detections: Instances) -> np.ndarray | None:
    """Find the time of the best snippet in each detection: its centre lies inside, and its class score is the highest.

    Args:
        sample (ActionDataSample | dict): Sample with ``grid`` and, if the model gives them, ``snippet_scores (T, C)``.
        detections (Instances): Detections in this video, in seconds.

    Returns:
        np.ndarray | None: ``(N,)`` seconds. Of several best snippets, the one in the middle counts. If no centre lies
        inside, the time is the middle of the detection. ``None`` if there are no snippet scores.
    """
    scores = sample.get('snippet_scores')
    if scores is None:
        return None
    scores, times_sec = to_numpy(scores), detections.segments.mean(1)
    centres_sec = sample.get('grid').to_sec(np.arange(len(scores)) + 0.5)
    inside = np.searchsorted(centres_sec, detections.segments)  # (N, 2), ranges of snippets [first, stop)
    for index, (label, (first, stop)) in enumerate(zip(detections.labels, inside)):
        if first < stop:
            curve = scores[first:stop, label]
            best = np.flatnonzero(curve == curve.max())
            times_sec[index] = centres_sec[first + best[len(best) // 2]]
    return times_sec


def collect_points(sample: ActionDataSample | dict) -> Instances:
    """Read the labelled instances of one data sample, as :func:`.point_extents` returns them.

    Args:
        sample (ActionDataSample | dict): Sample with ``video_id`` and the meta information ``gt_point_sec (P,)``,
            ``gt_point_labels (P,)`` and ``gt_point_instances (P,)``.

    Raises:
        InputError: The sample lacks one of these fields; they may be empty.
    """
    for field in _POINT_FIELDS:
        if field not in sample:
            expected = 'points in the data sample (PackPointTALInputs puts them there)'
            raise InputError(expected, video=sample.get('video_id'), field=field)
    return point_extents(*(np.asarray(sample.get(field)) for field in _POINT_FIELDS))


def column(results: list[dict], field: str) -> list:
    """List one field of all results."""
    return [result[field] for result in results]


def without_repetition(results: list[dict]) -> list[dict]:
    """Keep the first result of every video; repeated videos, as with several processes, give a warning."""
    by_video = {}
    for result in results:
        by_video.setdefault(result['video_id'], result)
    if len(by_video) < len(results):
        warn(f'{counted(len(results) - len(by_video), "video")} came more than once; each counts once')
    return list(by_video.values())


def class_names(dataset_meta: dict | None) -> Sequence[str]:
    """Read the names of the classes from the meta information of a dataset; an InputError if it has none."""
    classes = (dataset_meta or {}).get('classes')
    if classes is None:
        raise InputError('the names of the classes', field="the dataset's metainfo: classes")
    return classes


def warn(message: str) -> None:
    """Log a warning to the current logger."""
    print_log(message, logger='current', level=logging.WARNING)
