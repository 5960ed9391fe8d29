"""Repairs of checkpoint loading: mmengine's checkpoints can be loaded again, and no checkpoint can run code."""

import functools
import os
import pickle
import re
import zipfile

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.runner import checkpoint
from mmengine.utils import digit_version

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import regular_file

# Types of numbers that arrays in checkpoints may have.
_DTYPE_CODES = ('b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8')


def load_checkpoints_safely() -> bool:
    """Let mmengine's own checkpoints pass torch's safe loading; the error for any other file states the reason.

    Symptom: ``UnpicklingError: Weights only load failed`` on resume and test.
    Cause: since torch 2.6, ``torch.load`` builds only types on a list; mmengine's training log is made of other types.
    The names in ``_checkpoint_globals`` are added to torch's list. Everything else in a file is refused, unless the
    user sets torch's own ``TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1``. A loader registered by other code stays as it is.
    Delete when: mmengine itself loads its checkpoints with ``weights_only=True``.
    """
    load, schemes = checkpoint.load_from_local, checkpoint.CheckpointLoader._schemes
    if schemes.get('') is not load or digit_version(torch.__version__) < digit_version('2.6'):
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
    # Without this argument, mmengine would unpickle files from http without a check, and code in them could run.
    checkpoint.load_url = lambda *args, **kwargs: load_url(*args, **{**kwargs, 'weights_only': True})
    return True


def _check_archive(path):
    """Refuse a compressed archive: torch does not compress, and a compressed file could unpack to any size."""
    with open(path, 'rb') as file:
        if file.read(4) != b'PK\x03\x04':
            return
        members = zipfile.ZipFile(file).infolist()
    unpacked = sum(member.file_size for member in members)
    if unpacked > path.stat().st_size or any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise InputError('an archive that is not compressed', file=path, found=f'{unpacked} bytes when unpacked')


def _checkpoint_globals():
    """List the types and functions to add to torch's list: objects, or pairs (object, its name in a checkpoint)."""
    # The functions of numpy that rebuild a pickled array and a pickled scalar.
    reconstruct, scalar = np.zeros(0).__reduce__()[0], np.float64(0).__reduce__()[0]
    allowed = [HistoryBuffer, ConfigDict, np.ndarray, *{type(np.dtype(code)) for code in _DTYPE_CODES}]
    allowed += [(_numeric_dtype, 'numpy.dtype'), (_history_method, 'builtins.getattr')]
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray'):  # its name under numpy 1 and under numpy 2
        allowed += [(reconstruct, f'{module}._reconstruct'), (scalar, f'{module}.scalar')]
    return allowed


def _numeric_dtype(code, *_):
    """Replace ``numpy.dtype`` during loading; with the original, a file could make numpy use its bytes as a pointer."""
    if code not in _DTYPE_CODES:
        raise pickle.UnpicklingError(f'GLOBAL numpy.dtype({code!r})')
    return np.dtype(code)  # numpy's own instance, which ignores the state that the file holds


def _history_method(owner, name):
    """Replace ``builtins.getattr`` during loading; with the original, a file could reach any object."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'mean', 'current'):
        raise pickle.UnpicklingError(f'GLOBAL builtins.getattr({name!r})')
    return getattr(HistoryBuffer, name)


def _checkpoint_error(filename, error):
    """InputError for a file that torch cannot read, or refuses because of what it holds."""
    refused = re.search(r'GLOBAL (\S+)', str(error))
    if refused is None:
        reason = error.__context__ or error  # torch wraps the reason in a page of advice
        return InputError('a whole, undamaged checkpoint', file=filename, found=repr(reason)[:250])
    expected = (
        'only tensors, plain values and the training log of mmengine, since loading anything else can run code; if you '
        'trust the file, set the environment variable TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1 for this one run'
    )
    return InputError(expected, file=filename, found=refused[1])


def run_no_config_of_a_checkpoint() -> bool:
    """Keep a resume from running ``meta['config']`` of a checkpoint from any source: file, http, s3, petrel, ...

    Symptom: an untrusted checkpoint runs code, although it holds only tensors and texts.
    Cause: older toolboxes wrote their config into ``meta['config']``, and mmengine's resume runs that text as Python to
    read ``gpu_ids``.
    Delete when: the oldest mmengine supported does not run that text; all versions 0.10 run it.
    """
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
