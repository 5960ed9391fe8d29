"""Finding the checkpoint that a training goes on from."""

import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path

from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import read_text, to_name


def find_latest_checkpoint(path: str | os.PathLike) -> str | None:
    """Return the latest checkpoint of a work directory that can be read.

    Args:
        path: The work directory; its file ``last_checkpoint`` names the checkpoint that was saved last.

    Returns:
        The checkpoint that ``last_checkpoint`` names. If it cannot be read, the newest readable one of the same kind
        (``epoch_N.pth``) before it, with a warning. None if there is no ``last_checkpoint``.

    Raises:
        InputError: No checkpoint can be read.
    """
    listed = Path(path, 'last_checkpoint')
    if not listed.is_file():
        return None
    try:
        named = to_name(read_text(listed))
    except InputError:  # a run that was killed may leave an empty file
        named = ''
    if '://' in named:  # a checkpoint on other storage is not checked
        return named
    reasons = {}
    for candidate in [named, *_checkpoints_until(Path(named), Path(path))]:
        try:
            CheckpointLoader.load_checkpoint(candidate, map_location='cpu')
        except Exception as error:  # damaged data may raise any type of error
            reasons[candidate] = error
            continue
        for passed_over, reason in reasons.items():
            print_log(f'Resume passes over {passed_over or listed}: {reason}', 'current', logging.WARNING)
        if reasons:
            print_log(f'Resume from an older checkpoint instead: {candidate}', 'current', logging.WARNING)
        return candidate
    found = '; '.join(f'{candidate!r}: {reason}' for candidate, reason in reasons.items())
    raise InputError('a checkpoint that can be read, or training without --resume', file=str(listed), found=found)


def _checkpoints_until(named, work_dir):
    """Paths of checkpoints ``epoch_N.pth`` up to the named one, newest first, in its folder and the work directory."""
    kind = re.fullmatch(r'(.*?)(\d+)(\D*)', named.name)
    prefix, last, suffix = kind.groups() if kind else ('epoch_', 'inf', '.pth')
    numbered = []
    for folder in {named.parent, work_dir} if kind else {work_dir}:  # the run may have been moved
        for path in folder.glob('*'):
            number = path.name.removeprefix(prefix).removesuffix(suffix)
            if path.name == f'{prefix}{number}{suffix}' and number.isdecimal() and int(number) <= float(last):
                numbered.append((int(number), str(path)))
    return [path for _, path in sorted(numbered, reverse=True) if Path(path) != named]


def check_progress(content: object, file: str | os.PathLike) -> None:
    """Make sure that a checkpoint says after which epoch and step it was saved, and holds the log of the training.

    Raises:
        InputError: One of these is missing, as in a file of weights alone.
    """
    meta = content.get('meta') if isinstance(content, dict) else None
    counts = [meta.get('epoch'), meta.get('iter')] if isinstance(meta, dict) else [None]
    known = all(isinstance(count, int) and count >= 0 for count in counts)
    if not known or not isinstance(content.get('message_hub'), dict):
        expected = (
            'a checkpoint that a training saved, with epoch and iter in meta, and message_hub; with weights alone a '
            'training can start (load_from=FILE without --resume), but not go on'
        )
        held = list(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise InputError(expected, file=file, found=held[:5])


def best_checkpoints(checkpoint: dict) -> list[str]:
    """List the names of the best checkpoints that a training knew when it saved a checkpoint."""
    noted = checkpoint['message_hub'].get('runtime_info') or {}
    return [Path(path).name for key, path in noted.items() if key.startswith('best_ckpt')]


def take_up_best(checkpoint: dict, files: Iterable[Path]) -> None:
    """Note, in the checkpoint to resume from, the best checkpoint that a killed training wrote last.

    A training saves a checkpoint, validates, writes a best checkpoint, and then saves the first checkpoint again, which
    now names the best one. If the training is killed before this last step, the checkpoint to resume from does not name
    the best one. This function then gives it the log of the best one, if the same process saved both at the same step.

    Args:
        checkpoint: Content of the checkpoint to resume from; its ``message_hub`` is replaced.
        files: Paths at which best checkpoints of the same step would be; they need not exist.
    """
    name = checkpoint['meta'].get('experiment_name')  # holds the time of the start: each process has its own
    for file in files:
        if file.name in best_checkpoints(checkpoint) or not file.is_file():
            continue
        try:
            best = CheckpointLoader.load_checkpoint(str(file), map_location='cpu')
            check_progress(best, file)
        except Exception as error:  # damaged data may raise any type of error
            print_log(f'Resume passes over {file}: {error}', 'current', logging.WARNING)
            continue
        if name is not None and best['meta'].get('experiment_name') == name:
            checkpoint['message_hub'] = best['message_hub']
