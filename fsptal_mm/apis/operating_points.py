"""Choice of a checkpoint's operating point, by its detections in held-out videos and the points of these videos."""

import ast
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from fsptal_mm.engine.trained_videos import trained_videos, video_ids
from fsptal_mm.evaluation.operating_point import (
    OperatingPoint,
    choose_operating_point,
    lower_thresholds,
    model_digest,
)
from fsptal_mm.evaluation.samples import collect_detections, collect_points
from fsptal_mm.structures import Instances
from fsptal_mm.utils.configs import naming_types
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.wording import counted

from .model_loading import load_local_checkpoint

_MAX_NAMED = 5  # largest number of videos that an error lists


@naming_types()
def choose_for_checkpoint(config: Config, checkpoint: str | Path) -> OperatingPoint:
    """Run a checkpoint on the held-out videos of its config, and choose the operating point by their point labels.

    Ground-truth segments are not used.

    Args:
        config (Config): Config of an experiment with a :class:`.PointTAL`. :func:`held_out_config` says which videos
            are held out.
        checkpoint: Local file; nothing in it is executed.

    Returns:
        OperatingPoint: Score thresholds: one for all classes together, and one per class.

    Raises:
        InputError: There is no such checkpoint; the checkpoint belongs to another model, to other classes or to another
            fold; no video is held out; no held-out video has a point; or no detection covers a point.
    """
    digest = model_digest(config.model)
    with DefaultScope.overwrite_default_scope('mmaction'):
        dataset = build_held_out(config)
        model = MODELS.build(config.model)
        trained = load_local_checkpoint(model, checkpoint, dataset)
        check_held_out(config, dataset, trained, checkpoint)
        points, detections = _detect(config, model, dataset)
    if not points:
        raise InputError('points in the held-out videos', file=dataset.ann_file, found='none')
    classes = dataset.metainfo['classes']
    points, detections = Instances.join(points), Instances.join(detections)
    return choose_operating_point(points, detections, classes, digest, str(checkpoint))


@naming_types()
def carry_over(config: Config, chosen: OperatingPoint, checkpoint: str | Path, other: str | Path) -> OperatingPoint:
    """Derive the operating point of a checkpoint that was trained on all videos, which leaves no video to choose it by.

    It is derived from the operating point of an earlier checkpoint, whose training held videos out. Both checkpoints
    run on the training videos of the config, on which both were trained, and their scores are compared: see
    :func:`.lower_thresholds`.

    Args:
        config (Config): Config of the training with held-out videos.
        chosen (OperatingPoint): Operating point of ``checkpoint``, as :func:`choose_for_checkpoint` returns it.
        checkpoint: Local file of the training with held-out videos.
        other: Local file of the training on all videos.

    Returns:
        OperatingPoint: Operating point of ``other``; its ``chosen_with`` names ``checkpoint``. Precision and recall are
        those of ``chosen``.

    Raises:
        InputError: There is no such checkpoint, or it belongs to another model or to other classes.
    """
    with DefaultScope.overwrite_default_scope('mmaction'):
        dataset = DATASETS.build({**config.train_dataloader.dataset, 'pipeline': _evaluated(config).dataset.pipeline})
        found = []
        for file in (checkpoint, other):
            model = MODELS.build(config.model)
            load_local_checkpoint(model, file, dataset)
            classes = tuple(dataset.metainfo['classes'])
            if classes != tuple(chosen.by_class):
                raise InputError(', '.join(chosen.by_class), file=file, field='classes', found=', '.join(classes))
            points, detections = _detect(config, model, dataset)
            if not points:  # without points, there is nothing to compare
                return replace(chosen, chosen_with=str(checkpoint))
            found.append(Instances.join(detections))
    lowered = lower_thresholds(chosen, Instances.join(points), *found, str(other))
    return replace(lowered, chosen_with=str(checkpoint))


def _detect(config, model, dataset):
    """Points of the videos that have points, and the detections in them: two lists of :class:`.Instances`."""
    model = model.to(get_device()).eval()
    points, detections = [], []
    with torch.no_grad():
        for batch in Runner.build_dataloader({**_evaluated(config), 'dataset': dataset}):
            for sample in model.test_step(batch):
                own = collect_points(sample)
                if len(own):  # a video without points may show actions that nobody labelled
                    points.append(own)
                    detections.append(collect_detections(sample))
    return points, detections


def held_out_config(config: Config) -> ConfigDict:
    """Config of the dataset of the held-out videos.

    If the dataset of ``train_dataloader`` has a ``fold``, the held-out videos are those that the fold leaves out of
    training, with their training labels. If not, the held-out videos are those of ``val_dataloader``.

    Args:
        config (Config): Config of an experiment.

    Raises:
        InputError: There is neither a ``fold`` nor a ``val_dataloader``.
    """
    train = config.train_dataloader.dataset
    if (train.get('fold') or {}).get('part') == 'train':
        pipeline = _evaluated(config).dataset.pipeline
        return ConfigDict({**train, 'pipeline': pipeline, 'fold': {**train.fold, 'part': 'held_out'}})
    if config.get('val_dataloader') is None:
        expected = "a fold, which holds videos out, such as dict(index=0, count=4, part='train'); or a val_dataloader"
        raise InputError(expected, field='train_dataloader.dataset.fold', found='none')
    return config.val_dataloader.dataset


def build_held_out(config: Config, with_segments: bool = False) -> BaseDataset:
    """Build the dataset of :func:`held_out_config`.

    Args:
        config (Config): Config of an experiment.
        with_segments: Whether the samples hold ground-truth segments, too, for an analysis. Default: points only.

    Raises:
        InputError: There are no held-out videos, or some of them are also training videos.
    """
    held_out = held_out_config(config)
    dataset = DATASETS.build({**held_out, 'test_mode': True} if with_segments else held_out)
    datasets = (dataset, config.train_dataloader.dataset, _evaluated(config).dataset)
    ids, trained, tested = (video_ids(DATASETS.build(part) if isinstance(part, dict) else part) for part in datasets)
    both = sorted(ids & trained)
    if both:
        found = f'{len(both)} of {counted(len(ids), "video")} of train_dataloader, such as {both[0]}'
        expected = "other videos: train_dataloader.dataset.fold=dict(index=0, count=4, part='train') holds some out"
        raise InputError(expected, field='val_dataloader.dataset', found=found)
    if ids & tested and config.train_dataloader.dataset.get('fold') is None:
        print_log(
            'val_dataloader: held-out videos are also in test_dataloader, so the results of the test will be too good',
            'current',
            logging.WARNING,
        )
    return dataset


def check_held_out(config: Config, dataset: BaseDataset, checkpoint: Mapping[str, Any], file: str | Path) -> None:
    """Check that a checkpoint was not trained on the held-out videos.

    A checkpoint that :class:`.AtomicCheckpointHook` saved lists the videos it was trained on. Without this list, the
    checkpoint's copy of its config must state the same ``fold`` as ``config``. This check is weaker, since the same
    ``fold`` selects other videos when the set of videos has changed. A checkpoint with neither the list nor the copy is
    not checked.

    Args:
        config (Config): Config of the experiment.
        dataset: Dataset of the held-out videos, see :func:`build_held_out`.
        checkpoint: Content of the checkpoint.
        file: File of the checkpoint, for the error.

    Raises:
        InputError: The checkpoint says that it was trained on held-out videos, on another fold, or on all videos.
    """
    trained = trained_videos(checkpoint)
    if trained is None:
        _check_same_fold(config.train_dataloader.dataset, checkpoint, file)
        return
    held_out = video_ids(dataset)
    both = sorted(held_out & trained)
    if both:
        named = ', '.join(both[:_MAX_NAMED]) + (', ...' if len(both) > _MAX_NAMED else '')
        found = f'{len(both)} of {counted(len(held_out), "held-out video")} ({named})'
        expected = 'none of the held-out videos; train again: the folds change with the videos that are labelled'
        raise InputError(expected, file=file, field='videos of its training', found=found)


def _check_same_fold(dataset, checkpoint, file):
    """Check that a checkpoint's training left out the same fold, by the copy of the config in the checkpoint."""
    used = _trained_dataset(checkpoint)
    if used is None:
        return
    expected = None if dataset.get('fold') is None else dict(dataset.fold)
    found = _literal(used.get('fold'))
    if found != expected:
        expected = f'{expected}, as in the config'
        raise InputError(expected, file=file, field='fold of its training', found=str(found))


def _evaluated(config):
    """Config of ``test_dataloader``, or of ``val_dataloader`` if there is none."""
    return config.get('test_dataloader') or config.val_dataloader


def _trained_dataset(checkpoint):
    """Fields of the training dataset as syntax trees, from the copy of the config in a checkpoint.

    The copy is Python text. It is parsed and not executed, since a checkpoint may come from anybody. ``None`` if the
    checkpoint holds no copy.
    """
    meta = checkpoint.get('meta')
    text = meta.get('cfg') if isinstance(meta, dict) else None
    try:
        # mmengine writes assignments such as train_dataloader = dict(dataset=dict(fold=...)): calls with keywords.
        found = {node.targets[0].id: node.value for node in ast.parse(text).body if isinstance(node, ast.Assign)}
        loader = {entry.arg: entry.value for entry in found['train_dataloader'].keywords}
        return {entry.arg: entry.value for entry in loader['dataset'].keywords}
    except (TypeError, SyntaxError, ValueError, KeyError, AttributeError):  # no text, or no text as mmengine writes it
        return None


def _literal(node):
    """Value of the syntax tree of a call such as ``dict(index=0, count=4)``; ``None`` for any other tree."""
    if not isinstance(node, ast.Call):
        return None
    return {entry.arg: ast.literal_eval(entry.value) for entry in node.keywords}
