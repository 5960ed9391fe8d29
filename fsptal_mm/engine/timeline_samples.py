"""Data samples of single videos, with all results of a model that a timeline shows."""

from collections.abc import Sequence

import torch
from mmaction.structures import ActionDataSample
from mmengine.dataset import BaseDataset, pseudo_collate

from fsptal_mm.evaluation.tal_metric import GROUND_TRUTH_KEYS
from fsptal_mm.models.evaluation_mode import evaluation_mode
from fsptal_mm.structures import VideoLabels, snippet_edges_sec, to_numpy
from fsptal_mm.utils.errors import InputError
from fsptal_mm.visualization import SnippetCurves

from .hooks.label_report import label_runs, segments_sec


def check_has_timeline(model: torch.nn.Module) -> None:
    """Refuse a model without snippet scores.

    Raises:
        InputError: It has no method ``embed``, or no head with ``clean_scores``, as :class:`PointTAL` has.
    """
    if not (hasattr(model, 'embed') and hasattr(getattr(model, 'head', None), 'clean_scores')):
        raise InputError('PointTAL, whose snippets have scores', field='model', found=type(model).__name__)


def video_indices(dataset: BaseDataset, videos: int | Sequence[str], field: str) -> list[int]:
    """Indices of videos in a dataset.

    Args:
        dataset (PointTALDataset): The dataset.
        videos (int | Sequence[str]): A number n, for the first n videos; or ids.
        field: Name of the argument ``videos`` in the user's config, for errors.

    Returns:
        list[int]: In the order of ``videos``.

    Raises:
        InputError: An id that the dataset does not have.
    """
    if isinstance(videos, int):
        return list(range(min(videos, len(dataset))))
    indices = {dataset.get_data_info(index)['video_id']: index for index in range(len(dataset))}
    missing = [video_id for video_id in videos if video_id not in indices]
    if missing:
        some = ', '.join([*indices][:5])
        raise InputError(f'ids of the {len(indices)} videos of the dataset, such as {some}', field=field, found=missing)
    return [indices[video_id] for video_id in videos]


def item_with_ground_truth(dataset: BaseDataset, index: int) -> dict:
    """Item of a dataset for pictures: ground truth is added to its data sample, since training items do not hold it.

    Args:
        dataset (PointTALDataset): Dataset of training or test videos.
        index: Index of the video.
    """
    item, info = dataset[index], dataset.get_data_info(index)
    item['data_samples'].set_metainfo({key: info[key] for key in GROUND_TRUTH_KEYS if key in info})
    return item


@torch.no_grad()
def mined_sample(model: torch.nn.Module, item: dict) -> ActionDataSample:
    """Data sample of a training video, with the labels that the model would be trained on now.

    Args:
        model (PointTAL): In training or evaluation mode. It is used without dropout, and does not change.
        item (dict): Item of the training dataset, ``inputs`` and ``data_samples``.

    Returns:
        ActionDataSample: The data sample of the item, with ``is_training``, ``snippet_curves`` and, if the head mines
        labels, ``extended_labels``, ``mined_labels`` and ``best_segments``, as :func:`sample_timeline` takes them.
    """
    sample, inputs = _inputs(model, item)
    sample.set_metainfo(dict(is_training=True))
    with evaluation_mode(model):
        batch = model.embed(inputs, [sample])
    sample.snippet_curves = _curves(model, batch, sample)
    if callable(getattr(model.head, 'mine', None)):
        labels = VideoLabels.from_batch([sample], *model.head.mine(batch, [sample]))[sample.video_id]
        given = labels.given.numpy()
        sample.extended_labels, sample.mined_labels = (label_runs(labels, snippets) for snippets in (given, ~given))
        sample.best_segments = None if labels.segments is None else segments_sec(labels)
    return sample


@torch.no_grad()
def predicted_sample(model: torch.nn.Module, item: dict) -> ActionDataSample:
    """Data sample of a video, with the predictions of the model.

    Args:
        model, item: As in :func:`mined_sample`; the item comes from a test pipeline.

    Returns:
        ActionDataSample: The data sample of the item, with ``snippet_curves`` and ``pred_segments``.
    """
    sample, inputs = _inputs(model, item)
    with evaluation_mode(model):
        sample.snippet_curves = _curves(model, model.embed(inputs), sample)
        model(inputs, [sample], mode='predict')
    return sample


def _inputs(model, item):
    data = pseudo_collate([item])
    (sample,) = data['data_samples']
    return sample, model.data_preprocessor(data)['inputs']


def _curves(model, batch, sample):
    scores = model.head.clean_scores(batch)
    return SnippetCurves(snippet_edges_sec(sample), to_numpy(scores.final[0]), to_numpy(scores.background_scores[0]))
