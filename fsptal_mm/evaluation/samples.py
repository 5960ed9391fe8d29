"""What the metrics keep of the data samples."""

import logging

import numpy as np
import torch
from mmengine.logging import print_log

from fsptal_mm.utils.errors import InputError


def collect_detections(sample):
    """Localised actions of one data sample, as small arrays.

    Args:
        sample (dict): With ``video_id`` and the prediction ``pred_segments`` with ``segments_sec (N, 2)``, ``scores
            (N,)`` and ``labels (N,)``.

    Returns:
        dict: ``video_id``, ``segments (N, 2)`` float64 in seconds, ``scores (N,)`` float64 and ``labels (N,)`` int64.

    Raises:
        InputError: There is no prediction, or something in it is no finite number.
    """
    video_id = sample['video_id']
    found = sample.get('pred_segments')
    if found is None:
        raise InputError('a prediction pred_segments in the data sample', video=video_id)
    segments, scores, labels = (to_numpy(found[field]) for field in ('segments_sec', 'scores', 'labels'))
    for field, values in (('segments_sec', segments), ('scores', scores)):
        if not np.isfinite(values).all():
            raise InputError('finite numbers', video=video_id, field=f'pred_segments.{field}', found='NaN or infinity')
    return {
        'video_id': video_id,
        'segments': segments.reshape(-1, 2),
        'scores': scores,
        'labels': labels.astype(np.int64),
    }


def to_numpy(values):
    """Values as a float64 array, by way of the CPU: numpy has no bfloat16, and some devices no float64."""
    return torch.as_tensor(values).detach().cpu().double().numpy()


def column(results, field):
    """One field of all results, as a list."""
    return [result[field] for result in results]


def without_repetition(results):
    """The first result of every video: samplers of several processes repeat videos."""
    by_video = {}
    for result in results:
        by_video.setdefault(result['video_id'], result)
    if len(by_video) < len(results):
        warn(f'{len(results) - len(by_video)} videos came more than once and count once')
    return list(by_video.values())


def class_names(dataset_meta):
    """Names of the classes from the meta information of a data set; an InputError if it has none."""
    classes = (dataset_meta or {}).get('classes')
    if classes is None:
        raise InputError('the names of the classes', field="the data set's metainfo: classes")
    return classes


def warn(message):
    """Log a warning."""
    print_log(message, logger='current', level=logging.WARNING)
