"""What a model says about one video, as a timeline."""

from contextlib import contextmanager

import torch
from mmengine.dataset import pseudo_collate

from fsptal_mm.evaluation.samples import collect_detections
from fsptal_mm.structures import Instances, VideoLabels, snippet_edges_sec, to_numpy
from fsptal_mm.utils.errors import InputError
from fsptal_mm.visualization import ModelTrack, SnippetCurves, Timeline

from .hooks.label_report import label_runs, segments_sec


def check_has_timeline(model):
    """Refuse a model without snippet scores.

    Raises:
        InputError: It has no method ``embed`` and no head with ``clean_scores``, as :class:`PointTAL` has.
    """
    if not (hasattr(model, 'embed') and hasattr(getattr(model, 'head', None), 'clean_scores')):
        raise InputError('PointTAL, whose snippets have scores', field='model', found=type(model).__name__)


def find_videos(dataset, videos, field):
    """Indices of videos in a data set.

    Args:
        dataset (PointTALDataset): Of videos.
        videos (int | Sequence[str]): How many, the first ones; or their ids.
        field: Of the argument, for errors.

    Returns:
        list[int]: In the order of ``videos``.

    Raises:
        InputError: An id that the data set does not have.
    """
    if isinstance(videos, int):
        return list(range(min(videos, len(dataset))))
    indices = {dataset.get_data_info(index)['video_id']: index for index in range(len(dataset))}
    missing = [video_id for video_id in videos if video_id not in indices]
    if missing:
        some = ', '.join([*indices][:5])
        raise InputError(
            f'ids of the {len(indices)} videos of the data set, such as {some}', field=field, found=missing
        )
    return [indices[video_id] for video_id in videos]


@torch.no_grad()
def mining_timeline(model, item, classes, name=''):
    """A training video with the labels that the model would be trained on now.

    Args:
        model (PointTAL): In the mode of evaluation, or not: nothing here has dropout or changes the model.
        item (dict): Of the training data set, ``inputs`` and ``data_samples``.
        classes (Sequence[str]): Class names.
        name: Of the model.

    Returns:
        Timeline: With scores, extended labels, mined labels and best segments, as far as the head mines any.
    """
    sample, inputs = _inputs(model, item)
    with _evaluating(model):
        batch = model.embed(inputs, [sample])
    curves = _curves(model, batch, sample)
    if not callable(getattr(model.head, 'mine', None)):
        return _timeline(sample, classes, ModelTrack(name, curves), is_training=True)
    labels = VideoLabels.from_batch([sample], *model.head.mine(batch, [sample]))[sample.video_id]
    given = labels.given.numpy()
    extended, mined = (label_runs(labels, snippets) for snippets in (given, ~given))
    best = None if labels.segments is None else segments_sec(labels)
    return _timeline(sample, classes, ModelTrack(name, curves, extended, mined, best), is_training=True)


@torch.no_grad()
def prediction_timeline(model, item, classes, name=''):
    """A video as in a test, with scores and localised actions.

    Args:
        model, item, classes, name: As in :func:`mining_timeline`; the item comes from a test pipeline.

    Returns:
        Timeline: Of the video.
    """
    sample, inputs = _inputs(model, item)
    with _evaluating(model):
        curves = _curves(model, model.embed(inputs), sample)
        model(inputs, [sample], mode='predict')
    return _timeline(sample, classes, ModelTrack(name, curves, proposals=collect_detections(sample)))


def _inputs(model, item):
    data = pseudo_collate([item])
    (sample,) = data['data_samples']
    return sample, model.data_preprocessor(data)['inputs']


@contextmanager
def _evaluating(model):
    was_training = model.training
    model.eval()
    yield
    model.train(was_training)


def _curves(model, batch, sample):
    scores = model.head.clean_scores(batch)
    return SnippetCurves(snippet_edges_sec(sample), to_numpy(scores.final[0]), to_numpy(scores.background[0]))


def _timeline(sample, classes, track, is_training=False):
    return Timeline(
        sample.video_id,
        sample.duration_sec,
        tuple(classes),
        truth=Instances.of_video(sample.gt_segments_sec, sample.gt_segment_labels),
        points=Instances.of_points(sample.gt_point_sec, sample.gt_point_labels, sample.gt_background_sec),
        tracks=(track,),
        is_training=is_training,
    )
