"""Lookup of configs by name, loading of checkpoints that fit them, and replacement of the NMS."""

import copy
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import BaseDataset
from mmengine.device import get_device
from mmengine.infer import BaseInferencer
from mmengine.runner.checkpoint import CheckpointLoader, _load_checkpoint_to_model
from torch import nn

from fsptal_mm.datasets.annotations.readers import read_classes
from fsptal_mm.engine.class_lists import align_classes, classes_of_checkpoint
from fsptal_mm.models import PointTAL
from fsptal_mm.models.task_modules import ProposalGenerator
from fsptal_mm.models.task_modules.nms import find_nms
from fsptal_mm.utils.configs import read_config
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import regular_file

_INDEX_DIR = Path(__file__).parents[1] / '.mim'  # holds model-index.yml and configs/, in a clone and when installed
_MAX_NAMED = 5  # largest number of names that an error lists


def model_index() -> dict[str, dict[str, Any]]:
    """Entries of ``model-index.yml`` by name, with ``Config``, ``In Collection`` and ``Metadata``."""
    return {entry['Name']: entry for entry in BaseInferencer._get_models_from_metafile(_INDEX_DIR)}


def find_config(model: str | Path | Config) -> Config:
    """Find and read a config.

    Args:
        model: Config file, name in ``model-index.yml``, or a :class:`Config`, which is copied.

    Raises:
        InputError: There is no such file or name (the message lists similar names), or the file has mistakes.
    """
    if isinstance(model, Config):
        return copy.deepcopy(model)
    path = Path(model)
    if path.is_file():
        return read_config(path)
    if path.suffix == '.py' or len(path.parts) > 1:
        raise InputError('a config file', file=path, found='no such file')
    configs = {name: entry['Config'] for name, entry in model_index().items()}
    if str(model) not in configs:
        near = difflib.get_close_matches(str(model), configs, n=_MAX_NAMED, cutoff=0.4)
        expected = (
            f'a config file, or a name of model-index.yml such as {", ".join(near or sorted(configs)[:_MAX_NAMED])}'
        )
        raise InputError(expected, field='model', found=str(model))
    return read_config(_INDEX_DIR / configs[str(model)])


def local_file(path: str | Path) -> str:
    """Make sure that a path is a file on this machine, since nothing is downloaded here.

    For a URL, the error states the command that downloads the file.

    Returns:
        str: The path.

    Raises:
        InputError: There is no such file, or the path is a URL.
    """
    if '://' in str(path):
        raise InputError(f'a local checkpoint; to download this one: curl -fLO {path}', file=path, found='a URL')
    return str(regular_file(path, 'a local checkpoint'))


def usable_device(name: str | torch.device | None = None) -> torch.device:
    """Return the device of a name, and make sure that it can be used.

    Args:
        name: Name of the device. Default: the device that mmengine chooses, a GPU if there is one.

    Raises:
        InputError: There is no such device on this machine.
    """
    try:
        device = torch.device(get_device() if name is None else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, ImportError, TypeError) as error:  # raised by different builds of torch
        raise InputError('a device of this machine, such as cpu', field='device', found=str(name)) from error
    return device


def state_dict_holder(checkpoint: Any, file: str | Path) -> dict[str, Any]:
    """Make sure that a checkpoint is a dict of weights, or a dict with such a dict as ``state_dict``.

    Args:
        checkpoint: Content of the file.
        file: The file, for errors.

    Returns:
        dict: ``checkpoint``, unchanged.

    Raises:
        InputError: The checkpoint holds no dict of weights, or this dict is damaged.
    """
    weights = checkpoint.get('state_dict', checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(weights, dict):
        raise InputError('a checkpoint with a state_dict', file=file, found=type(checkpoint).__name__)
    if not all(isinstance(name, str) for name in weights):
        raise InputError('a state_dict from names to weights', file=file, found=f'{list(weights)[:_MAX_NAMED]}')
    versions = getattr(weights, '_metadata', None)  # torch notes the version of each module there
    is_sound = isinstance(versions, dict) and all(isinstance(own, dict) for own in versions.values())
    if versions is not None and not is_sound:
        expected, found = 'a dict of dicts, as torch saves it', f'{versions!r:.80}'
        raise InputError(expected, file=file, field='state_dict._metadata', found=found)
    return checkpoint


def load_local_checkpoint(model: nn.Module, path: str | Path, *datasets: BaseDataset) -> dict[str, Any]:
    """Load a local checkpoint into a model; nothing in it is executed.

    Args:
        model: The model.
        path: File of the checkpoint.
        *datasets: Datasets for the model. Their class lists are replaced by the class list of the checkpoint, so that
            an index means the same class in the model and in the datasets.

    Returns:
        dict: The checkpoint.

    Raises:
        InputError: There is no such file; the file is no checkpoint; its weights do not fit the model, see
            :func:`load_weights`; or the annotations of a dataset have other classes than the checkpoint.
    """
    checkpoint = CheckpointLoader.load_checkpoint(local_file(path), 'cpu', 'silent')
    load_weights(model, state_dict_holder(checkpoint, path), path)
    for dataset in datasets:
        align_classes(dataset, classes_of_checkpoint(checkpoint), str(path), 'the dataset')
    return checkpoint


def load_weights(model: nn.Module, checkpoint: dict[str, Any], file: str | Path) -> None:
    """Load all weights of a checkpoint into a model.

    Args:
        model: The model.
        checkpoint (dict): Content of the checkpoint.
        file: File of the checkpoint, for errors.

    Raises:
        InputError: A weight is missing, unexpected or of another shape.
    """
    try:
        _load_checkpoint_to_model(model, checkpoint, strict=True, logger='silent')
    except RuntimeError as error:
        first, *reasons = map(str.strip, str(error).splitlines() or [''])
        if 'do not match' not in first:  # another error, for example of the device
            raise
        found = '; '.join(filter(None, reasons))
        raise InputError('the weights of the model in the config', file=file, found=found) from error


def replace_nms(model: ConfigDict, nms: dict[str, Any]) -> None:
    """Replace the NMS in the config of a model.

    This is done before the model is built, since the NMS of the config may need a package that is not installed.

    Args:
        model (ConfigDict): Config of the model; it is changed.
        nms (dict): As in ``ProposalGenerator``.
    """
    if 'proposals' in (model.get('head') or {}):
        model.head.proposals.nms = nms
    if model.get('refinement'):
        model.refinement.nms = nms


def set_nms(model: PointTAL, nms: dict[str, Any]) -> None:
    """Replace the NMS of a model after it is built, in both stages if it has two.

    Args:
        model (PointTAL): Model whose head has a ``ProposalGenerator``.
        nms (dict): As in ``ProposalGenerator``.

    Raises:
        InputError: The model has no ``ProposalGenerator``, or ``nms`` is wrong.
    """
    proposals = getattr(model.head, 'proposals', None)
    if not isinstance(proposals, ProposalGenerator):
        found = f'a model with {type(model.head).__name__}'
        raise InputError('a model whose head has a ProposalGenerator', field='nms', found=found)
    for stage in filter(None, (proposals, getattr(model, 'refinement', None))):
        stage.nms, stage.nms_args = find_nms(nms)


def choose_class_names(
    num_classes: int, sources: dict[str, Sequence[str] | Path | None], file: str | Path
) -> tuple[str, ...]:
    """Find the names of the classes. All sources that state them must agree.

    Args:
        num_classes: Number of classes of the model, C.
        sources (dict): From the description of a source, such as ``'the config'``, to a list or tuple of names, to the
            ``Path`` of a text file with one name per line, or to ``None`` if the source does not state the names.
        file: The checkpoint, for errors.

    Returns:
        tuple[str]: Names in the order of the indices.

    Raises:
        InputError: No source states the names, their number is not C, or two sources disagree.
    """
    known = {source: _read_names(names, file, source) for source, names in sources.items() if names is not None}
    if not known:
        expected = f'the names of {num_classes} classes in one of: {", ".join(sources)}'
        raise InputError(expected, file=file, field='classes', found='none')
    for source, names in known.items():
        if len(names) != num_classes:
            expected = f'{num_classes}, the num_classes of the model in the config'
            raise InputError(expected, file=file, field=f'classes of {source}', found=_short(names))
    (first, names), *others = known.items()
    for source, other in others:
        if other != names:
            differ = [f'{ours!r} and {theirs!r}' for ours, theirs in zip(names, other) if ours != theirs]
            found = f'{len(differ)} pairs of different names: {", ".join(differ[:_MAX_NAMED])}'
            raise InputError(
                'the same names in the same order', file=file, field=f'classes of {first} and of {source}', found=found
            )
    return names


def _read_names(names, file, source):
    if isinstance(names, Path):
        return tuple(read_classes(names))
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise InputError('a list of names', file=file, field=f'classes of {source}', found=repr(names)[:80])
    return tuple(names)


def _short(names):
    return f'{len(names)} ({", ".join(names[:_MAX_NAMED])}{", ..." if len(names) > _MAX_NAMED else ""})'
