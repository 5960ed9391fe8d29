"""Checks before a run starts, against faults that would silently give meaningless figures."""

import logging

from mmaction.registry import HOOKS
from mmengine.dist import get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import print_log
from mmengine.runner import BaseLoop, Runner

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.wording import counted

from ..class_lists import align_classes, classes_of_checkpoint
from ..trained_videos import trained_videos, video_ids
from ..unwrapping import unwrapped_model

# By `supervision` of a head: the field of a dataset's items with the labels that it needs, and their name.
_LABELS = dict(points=('point_sec', 'point labels'), clicks=('background_sec', 'background clicks'))


@HOOKS.register_module()
class RunChecksHook(Hook):
    """Hook that compares the class lists of data and checkpoint, and refuses a run that could not work.

    - Class lists are brought into the same order, by the names of the classes: those of test data into the order of the
      checkpoint, those of validation data into the order of the training data, and, on a resume, those of training data
      into the order of the checkpoint. An unknown name is an error. A checkpoint without names is not compared.
    - A warning names validation or test videos that the model is trained on.
    - A training whose videos have none of the labels that the head needs, points or background clicks, is an error:
      losses of labels that nobody gave are 0, and the training would go on silently.
    - A training whose epochs have no step (fewer videos than a batch, and ``drop_last``) is an error; so is a
      validation or test that leaves videos out by ``drop_last``.
    - A resume from the checkpoint of another model, such as one of other classes, is an error.
    - A ``save_best`` that is not the name of a figure of some metric is an error. This is checked if all metrics list
      their figures (in ``keys``).
    """

    priority = 'HIGHEST'  # before any other hook reads the datasets

    def __init__(self) -> None:
        self._classes, self._trained = None, set()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remember the classes and the training videos of the checkpoint."""
        self._classes, self._trained = classes_of_checkpoint(checkpoint), trained_videos(checkpoint) or set()

    def before_test(self, runner: Runner) -> None:
        """Put the classes of the test data in the checkpoint's order, and warn of videos that it was trained on.

        Raises:
            InputError: The test data have a class that the checkpoint does not know.
        """
        _align(runner, runner.test_loop, self._classes, 'the checkpoint', 'test_dataloader')
        _warn_of_trained_videos(self._trained, runner.test_loop, 'test_dataloader')

    def before_train(self, runner: Runner) -> None:
        """Check data, labels, resumed checkpoint and ``save_best`` before the training starts.

        Raises:
            InputError: The class lists do not fit, there is nothing to train on, the labels that the head needs are
                missing, the checkpoint of a resume is of another model, or ``save_best`` is unknown.
        """
        loader, model = runner.train_dataloader, unwrapped_model(runner)
        if not len(loader):
            batch = getattr(loader.batch_sampler, 'batch_size', None) or loader.batch_size
            found = f'{batch} with drop_last, and {_share(loader)}: no step'
            raise InputError('at most the number of videos', field='train_dataloader.batch_size', found=found)
        _check_labels(loader.dataset, getattr(model, 'head', None))
        if runner._resume:
            align_classes(loader.dataset, self._classes, 'the checkpoint', 'train_dataloader')
            misfit = getattr(model, 'misfit', None)
            if misfit is not None:
                raise InputError('the weights of the model in the config, to resume', field='checkpoint', found=misfit)
        if runner.val_loop is not None:
            classes = getattr(loader.dataset, 'metainfo', {}).get('classes')
            _align(runner, runner.val_loop, classes, 'the training data', 'val_dataloader')
            _check_save_best(runner)
            _warn_of_trained_videos(video_ids(loader.dataset), runner.val_loop, 'val_dataloader')


def _check_labels(dataset, head):
    """Make sure that some training video has the labels that the head needs."""
    field, name = _LABELS.get(getattr(head, 'supervision', None), (None, None))
    read = getattr(dataset, 'get_data_info', None)
    if field is None or read is None or not len(dataset) or field not in read(0):  # or data of another project
        return
    if not any(len(read(index)[field]) for index in range(len(dataset))):
        given, owner = getattr(dataset, 'supervision', None), type(head).__name__
        expected = f'videos with {name}, which {owner} is trained on, and supervision={head.supervision!r}'
        found = f'no {name} in {len(dataset)} videos' + (f', with supervision={given!r}' if given else '')
        raise InputError(expected, field='train_dataloader.dataset', found=found)


def _align(runner: Runner, loop: BaseLoop, classes, of, name):
    loader = loop.dataloader
    dataset, batch = loader.dataset, loader.batch_size
    left_out = len(loader.sampler) % batch if loader.drop_last and batch else 0
    if left_out:
        found = f'True: {left_out} of {_share(loader)} would be left out'
        raise InputError('False, to evaluate all videos', field=f'{name}.drop_last', found=found)
    if getattr(dataset, 'metainfo', None) and align_classes(dataset, classes, of, name):
        loop.evaluator.dataset_meta = runner.visualizer.dataset_meta = dataset.metainfo  # both hold a copy of the list


def _share(loader):
    """Number of videos that a process gets, in words; a sampler deals the videos out to the processes."""
    count = len(loader.sampler)
    return counted(count, 'video') + (f' in each of {get_world_size()} processes' if get_world_size() > 1 else '')


def _warn_of_trained_videos(trained, loop, name):
    held_out = video_ids(loop.dataloader.dataset)
    both = sorted(trained & held_out)
    if both:
        print_log(
            f'trained on {len(both)} of {counted(len(held_out), "video")} of {name}, such as {both[0]}: '
            'its figures say nothing about new videos',
            'current',
            logging.WARNING,
        )


def _check_save_best(runner):
    metrics = runner.val_loop.evaluator.metrics
    if not all(hasattr(metric, 'keys') for metric in metrics):
        return
    known = [f'{metric.prefix}/{key}' if metric.prefix else key for metric in metrics for key in metric.keys]
    for hook in runner.hooks:
        wanted = hook.save_best if isinstance(hook, CheckpointHook) else None
        for key in [wanted] if isinstance(wanted, str) else wanted or ():
            if key != 'auto' and key not in known:
                raise InputError(f'auto or one of {known}', field='save_best', found=key)
