"""Repairs of how mmengine reads checkpoints and resumes from them; :mod:`fsptal_mm.compat` makes them."""

import functools
import inspect
import logging
import os
import pickle
import re
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer, print_log
from mmengine.runner import Runner, checkpoint
from mmengine.utils import digit_version

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import read_text, regular_file, to_name

_DTYPE_CODES = ('b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8')  # may stand in checkpoints


def load_checkpoints_safely():
    """Let mmengine's own checkpoints pass torch's safe loading, and say clearly why another file does not.

    Symptom: ``UnpicklingError: Weights only load failed`` on resume and test.
    Cause: since torch 2.6 ``torch.load`` builds only listed types; mmengine's training log is made of others.
    The names in :func:`_checkpoint_globals` join torch's list; everything else in a file stays refused unless the user
    sets torch's own ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1``. A loader that somebody else registered is left alone.
    Delete when: mmengine itself loads its checkpoints with ``weights_only=True``.
    """
    load, schemes = checkpoint.load_from_local, checkpoint.CheckpointLoader._schemes
    replaced = schemes.get('') is not load or 'weights_only' in inspect.getsource(load)
    if replaced or digit_version(torch.__version__) < digit_version('2.6'):
        return False

    @functools.wraps(load)
    def load_from_local(filename, map_location):
        path = regular_file(os.path.expanduser(filename), 'a checkpoint')
        try:
            _check_archive(path)
            return load(filename, map_location)
        except InputError:
            raise
        except Exception as error:  # damaged data may raise any type of error
            raise _checkpoint_error(filename, error) from error

    torch.serialization.add_safe_globals(_checkpoint_globals())
    checkpoint.CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
    load_url = checkpoint.load_url
    # What comes over http is unpickled without any check by default.
    checkpoint.load_url = lambda *args, **kwargs: load_url(*args, **{**kwargs, 'weights_only': True})
    return True


def _check_archive(path):
    """InputError if a file of torch unpacks to more than it is: torch compresses nothing."""
    with open(path, 'rb') as file:
        if file.read(4) != b'PK\x03\x04':
            return
        members = zipfile.ZipFile(file).infolist()
    unpacked = sum(member.file_size for member in members)
    if unpacked > path.stat().st_size or any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise InputError('an archive that is not compressed', file=path, found=f'{unpacked} bytes when unpacked')


def _checkpoint_globals():
    """What checkpoints of mmengine hold beyond torch's own list: objects, or pairs (object, its name in the file)."""
    reconstruct, scalar = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    allowed = [HistoryBuffer, ConfigDict, np.ndarray, *{type(np.dtype(code)) for code in _DTYPE_CODES}]
    allowed += [(_numeric_dtype, 'numpy.dtype'), (_history_method, 'builtins.getattr')]
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):  # its name under numpy 1 and under numpy 2
        allowed += [(reconstruct, f'{module}._reconstruct'), (scalar, f'{module}.scalar')]
    return allowed


def _numeric_dtype(code, *_):
    """Stand in for ``numpy.dtype``, which lets a file give a number a field that takes its bytes for a pointer."""
    if code not in _DTYPE_CODES:
        raise pickle.UnpicklingError(f'GLOBAL numpy.dtype({code!r})')
    return np.dtype(code)  # numpy's own instance, which ignores the state that the file holds


def _history_method(owner, name):
    """Stand in for ``builtins.getattr``, by which a file could reach everything."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'mean', 'current'):
        raise pickle.UnpicklingError(f'GLOBAL builtins.getattr({name!r})')
    return getattr(HistoryBuffer, name)


def _checkpoint_error(filename, error):
    refused = re.search(r'GLOBAL (\S+)', str(error))
    if refused is None:
        reason = error.__context__ or error  # torch wraps the reason in a page of advice
        return InputError('a whole, undamaged checkpoint', file=filename, found=repr(reason)[:250])
    expected = (
        'only tensors, plain values and the training log of mmengine, since loading anything else can run code; if you '
        'trust the file, set the environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 for this one run'
    )
    return InputError(expected, file=filename, found=refused[1])


def run_no_config_of_a_checkpoint():
    """Let no resume run ``meta['config']``, wherever the checkpoint comes from: file, http, s3, petrel, openmmlab, ...

    Symptom: a stranger's checkpoint runs code, although it holds but tensors and texts.
    Cause: older toolboxes wrote their config there, and mmengine's resume runs that text as Python to read ``gpu_ids``.
    Delete when: the oldest mmengine supported does not.
    """
    if 'fromstring' not in inspect.getsource(Runner.resume):
        return False
    load = checkpoint.CheckpointLoader.load_checkpoint.__func__

    @functools.wraps(load)
    def load_checkpoint(cls, *args, **kwargs):
        content = load(cls, *args, **kwargs)
        meta = content.get('meta') if isinstance(content, dict) else None
        if isinstance(meta, dict):
            meta.pop('config', None)
        return content

    checkpoint.CheckpointLoader.load_checkpoint = classmethod(load_checkpoint)
    return True


def name_what_cannot_be_resumed():
    """Let a resume from something else than a training's checkpoint say what is missing there.

    Symptom: ``KeyError: 'meta'`` at ``--resume weights.pth``.
    Cause: mmengine takes for granted that a checkpoint knows how far its training was.
    Delete when: the oldest mmengine supported names the file and what it lacks.
    """
    resume = Runner.resume
    if "checkpoint['meta']['epoch']" not in inspect.getsource(resume):
        return False

    @functools.wraps(resume)
    def resume_or_refuse(self, filename, *args, **kwargs):
        load = self.load_checkpoint

        def load_and_check(*load_args, **load_kwargs):
            content = load(*load_args, **load_kwargs)
            _check_progress(content, filename)
            return content

        with _replaced_loading(self, load_and_check):
            return resume(self, filename, *args, **kwargs)

    Runner.resume = resume_or_refuse
    return True


def _check_progress(content, file):
    """InputError unless a checkpoint says after which epoch and step it was saved, and holds the training's log."""
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


def refuse_weights_of_another_model():
    """Let the test of a model that ``is_tested_whole`` fail if the checkpoint is of another model.

    Symptom: ``The model and loaded state dict do not match exactly`` amid the log, then figures of random weights.
    Cause: mmengine loads what fits, and leaves the rest as it was drawn.
    Delete when: ``Runner.test`` of the oldest mmengine supported loads every weight or fails.
    """
    test = Runner.test
    if 'strict=True' in inspect.getsource(test):
        return False

    @functools.wraps(test)
    def test_of_this_model(self):
        if not getattr(getattr(self.model, 'module', self.model), 'is_tested_whole', False):
            return test(self)
        load = self.load_checkpoint

        def load_all(filename, *args, **kwargs):
            return load_exactly(functools.partial(load, filename, *args, **{**kwargs, 'strict': True}), filename)

        with _replaced_loading(self, load_all):
            return test(self)

    Runner.test = test_of_this_model
    return True


@contextmanager
def _replaced_loading(runner, load):
    """Hide a runner's ``load_checkpoint`` by another function; such changes may be nested."""
    hidden = vars(runner).get('load_checkpoint')
    runner.load_checkpoint = load
    try:
        yield
    finally:
        del runner.load_checkpoint  # the method is seen again
        if hidden is not None:
            runner.load_checkpoint = hidden


def load_exactly(load, file):
    """What ``load()``, a strict loading of weights, returns.

    Raises:
        InputError: A weight is missing, left over or of another shape.
    """
    try:
        return load()
    except RuntimeError as error:
        first, *reasons = map(str.strip, str(error).splitlines() or [''])
        if 'do not match' not in first:  # another fault, such as of the device
            raise
        found = '; '.join(filter(None, reasons))
        raise InputError('the weights of the model in the config', file=file, found=found) from error


def resume_from_a_whole_checkpoint():
    """Let ``--resume`` pass over a damaged checkpoint to the one before.

    Symptom: ``--resume`` fails at a checkpoint that cannot be read, although older ones lie beside it.
    Cause: mmengine's ``find_latest_checkpoint`` returns whatever ``last_checkpoint`` says.
    Delete when: the oldest mmengine supported looks whether the file can be read.
    """
    original = checkpoint.find_latest_checkpoint
    if 'load' in inspect.getsource(original):
        return False
    for module in [m for m in sys.modules.values() if getattr(m, '__dict__', {}).get(original.__name__) is original]:
        setattr(module, original.__name__, find_latest_checkpoint)
    return True


def find_latest_checkpoint(path):
    """Return the latest checkpoint of a work directory that can be read.

    Args:
        path: The work directory; its file ``last_checkpoint`` names the checkpoint that was saved last.

    Returns:
        str | None: What ``last_checkpoint`` names, or the newest readable one of the same kind (``epoch_N.pth``) before
        it, with a warning; None if there is no ``last_checkpoint``.

    Raises:
        InputError: None of them can be read.
    """
    listed = Path(path, 'last_checkpoint')
    if not listed.is_file():
        print_log('Did not find last_checkpoint to be resumed.', 'current')
        return None
    try:
        named = to_name(read_text(listed))
    except InputError:  # a run that was killed may leave an empty file
        named = ''
    if '://' in named:  # not on this machine
        return named
    reasons = {}
    for candidate in [named, *_checkpoints_until(Path(named), Path(path))]:
        try:
            checkpoint.CheckpointLoader.load_checkpoint(candidate, map_location='cpu')
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
    """Paths of the checkpoints of the named one's kind up to its number, in its folder and the work directory."""
    kind = re.fullmatch(r'(.*?)(\d+)(\D*)', named.name)
    prefix, last, suffix = kind.groups() if kind else ('epoch_', 'inf', '.pth')
    numbered = []
    for folder in {named.parent, work_dir} if kind else {work_dir}:  # it may have been moved since
        for path in folder.glob('*'):
            number = path.name.removeprefix(prefix).removesuffix(suffix)
            if path.name == f'{prefix}{number}{suffix}' and number.isdecimal() and int(number) <= float(last):
                numbered.append((int(number), str(path)))
    return [path for _, path in sorted(numbered, reverse=True) if Path(path) != named]
