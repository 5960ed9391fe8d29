"""Class lists of checkpoints and datasets, matched by the names of the classes."""

import logging
from typing import Any

from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from fsptal_mm.utils.errors import InputError

_MAX_NAMED = 5  # largest number of class names that a message lists


def classes_of_checkpoint(checkpoint: dict[str, Any]) -> Any:
    """Names of the classes that mmengine stores in a checkpoint, unchecked; None if it holds none."""
    found = checkpoint
    for field in ('meta', 'dataset_meta', 'classes'):
        found = found.get(field) if isinstance(found, dict) else None
    return found


def align_classes(dataset: BaseDataset, classes: Any, of: str, name: str) -> bool:
    """Give a dataset the class list of a model: labels keep their class names and get the class indices of the model.

    Args:
        dataset (PointTALDataset): The dataset, or a wrapper around one or several; it changes in place.
        classes (Sequence[str]): Names in the order of the model. If it is not a list of names, nothing changes.
        of: Source of ``classes``, such as ``'the checkpoint'``, for messages.
        name: Field of the dataset in the config, such as ``'test_dataloader'``, for messages.

    Returns:
        bool: Whether the dataset was changed.

    Raises:
        InputError: The dataset has a class that the model does not know, or is of a kind that cannot be changed.
    """
    if not isinstance(classes, (list, tuple)) or not all(isinstance(label, str) for label in classes):
        return False
    classes, own = tuple(classes), dataset.metainfo.get('classes')
    if own is None or tuple(own) == classes:
        return False
    leaves_out = getattr(dataset, 'other_labels', None) == 'leave out'  # the dataset drops labels of other classes
    unknown = [] if leaves_out else [label for label in own if label not in classes]
    parts = getattr(dataset, 'datasets', None) or ([dataset.dataset] if hasattr(dataset, 'dataset') else [])
    if unknown or not (parts or hasattr(dataset, 'use_classes')):
        found = f'{_short(unknown)}, which is not among them' if unknown else f'another order: {_short(own)}'
        raise InputError(f'those of {of}: {_short(classes)}', field=f'classes of {name}', found=found)
    if not parts:
        dataset.use_classes(classes)
        print_log(f'{name}: classes put in the order of {of}: {_short(classes)}', 'current', logging.WARNING)
    for part in parts:
        align_classes(part, classes, of, name)
    if parts:
        dataset._metainfo['classes'] = classes  # the wrapper's copy of the list
    return True


def _short(names):
    names = list(map(str, names))
    return ', '.join(names[:_MAX_NAMED]) + (f', ... ({len(names)})' if len(names) > _MAX_NAMED else '')
