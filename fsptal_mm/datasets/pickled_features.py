"""Reading of features from files of torch and pickle. No code in a file is executed.

An ordinary unpickler calls any function that a file names. The unpickler here accepts a few names of classes and
functions only, and calls its own replacements for them.
"""

import io
import math
import pickle
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.runner import CheckpointLoader

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import regular_file

from .feature_files import check_kind

PICKLE_SUFFIXES = ('.pkl', '.pickle', '.npy')
TORCH_SUFFIXES = ('.pt', '.pth')
_MAX_BYTES = 4 << 30  # largest file that is read, since the whole content must fit into memory


def read_pickled(path: str | Path, key: str | None = None, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Read the features in a file that ``torch.save``, ``pickle.dump`` or ``numpy.save`` (of Python objects) wrote.

    A file of one video holds one of:

    - an array or tensor ``(T, D)``, or an array of three dimensions, one of which is the axis of image crops,
    - a list of T rows ``(D,)``,
    - a dict with such an array and other values.

    A file of several videos holds one of:

    - a dict from video id to array,
    - a dict from video id to a dict with one array per feature stream; ``key`` names the stream to read,
    - a list of arrays, for which ``names`` gives the ids.

    A list of lists of numbers counts as an array.

    Args:
        path: File that ends in .pt, .pth, .pkl, .pickle or .npy.
        key: Name of the array in the dict of a video. Default: the only array.
        names: Video ids for a list of arrays, in the order of the list.

    Returns:
        dict[str, np.ndarray]: Features by video id; in a file of one video, the id is the name of the file.

    Raises:
        InputError: The file is damaged or too large, holds objects other than numbers and texts, or has none of the
            forms above; or ``key`` or ``names`` is missing or does not fit.
    """
    path = regular_file(path, 'a file of features', _MAX_BYTES)
    suffix = path.suffix.lower()
    if suffix in TORCH_SUFFIXES:
        content = CheckpointLoader.load_checkpoint(str(path), 'cpu', 'silent')
    elif suffix in PICKLE_SUFFIXES:
        content = _read_pickle(path)
    else:
        raise InputError(f'one of {(*TORCH_SUFFIXES, *PICKLE_SUFFIXES)}', file=path, field='suffix', found=suffix)
    found = {}
    for video_id, array in _arrays(content, path, key, names):
        to_check = array
        if isinstance(array, torch.Tensor):  # check_kind needs a numpy array: a zero, broadcast to the tensor's shape
            to_check = np.broadcast_to(np.zeros((), np.float32), tuple(array.shape))
        check_kind(to_check, path, video_id, (2, 3))
        found[video_id] = _to_numpy(array)
    return found


def _arrays(content, path, key, names) -> Iterator[tuple[str, Any]]:
    """Video id and array of each video in the content of a file; arguments as in :func:`read_pickled`."""
    content = _open(content)
    if isinstance(content, dict):
        content = {_to_text(name): _open(value) for name, value in content.items()}
    elif isinstance(content, (list, tuple)):
        content = [_open(value) for value in content]
    is_one_video = not isinstance(content, dict) or key is None or key in content
    if not is_one_video and content and all(_has(value, key) for value in content.values()):
        for name, streams in content.items():  # a dict of streams for each video
            yield from ((name, array) for _, array in _arrays(streams, path, key, None))
        return
    if isinstance(content, dict) and content and key is None and all(map(_is_array, content.values())):
        arrays = list(content.values())
        yield from content.items() if len(content) > 1 else [(path.stem, *arrays)]
    elif isinstance(content, dict):  # one video: an array and other values
        array_names = [name for name, value in content.items() if _is_array(value)]
        wanted = key
        if key is None and len(array_names) == 1:
            wanted = array_names[0]
        if wanted not in content:
            raise InputError(key or 'one array only, or --key', file=path, field='key', found=list(content)[:10])
        yield from _arrays(content[wanted], path, None, names)
    elif isinstance(content, list) and content and all(_is_row(row) for row in content):
        yield path.stem, np.stack([np.asarray(_to_numpy(row), dtype=np.float32) for row in content])
    elif isinstance(content, list) and all(map(_is_array, content)):
        if names is None or len(names) != len(content):
            found = 'no names' if names is None else f'{len(names)} names'
            raise InputError(f'the ids of {len(content)} arrays (--names)', file=path, field='names', found=found)
        yield from zip(names, content)
    elif _is_array(content):
        yield path.stem, content
    else:
        raise InputError('an array of numbers, or a dict or list of arrays', file=path, found=type(content).__name__)


def _open(value):
    """Unwrap the value of an :class:`_Array`, and convert a list of lists of numbers to an array."""
    while isinstance(value, _Array):
        value = value.value
    if isinstance(value, (list, tuple)) and value and all(map(_is_list_of_numbers, value)):
        lengths = {len(row) for row in value}
        return np.array(value, dtype=np.float32) if len(lengths) == 1 and lengths != {0} else value
    return value


def _is_list_of_numbers(value):
    return isinstance(value, (list, tuple)) and all(isinstance(number, (int, float)) for number in value)


def _to_text(name):
    return name.decode('latin1') if isinstance(name, bytes) else str(name)


def _has(value, key):
    """Whether a value is a dict with the key ``key``."""
    value = _open(value)
    return isinstance(value, dict) and key in map(_to_text, value)


def _is_array(value):
    return isinstance(value, (np.ndarray, torch.Tensor)) and value.ndim > 1


def _is_row(value):
    return isinstance(value, (np.ndarray, torch.Tensor)) and value.ndim == 1


def _to_numpy(array):
    return array.detach().to_dense().cpu().float().numpy() if isinstance(array, torch.Tensor) else array


def _read_pickle(path):
    """Content of a pickle or .npy file. Its arrays are :class:`_Array`; but a .npy of numbers is memory-mapped."""
    try:
        with path.open('rb') as file:
            if path.suffix.lower() == '.npy':
                version = np.lib.format.read_magic(file)
                readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                _, _, dtype = readers[version](file)
                if not dtype.hasobject:
                    return np.load(path, mmap_mode='r', allow_pickle=False)
            # In a .npy file of objects, a pickle follows the header.
            return _NumbersOnly(file, encoding='latin1').load()
    except InputError:
        raise
    except Exception as error:  # unpickling damaged data may raise any type of error
        raise InputError('a pickle of numbers, texts, lists and dicts', file=path, found=repr(error)[:250]) from error


class _Dtype:
    """Stand-in for ``numpy.dtype``, for types of numbers and for objects only; any other type is an error."""

    def __init__(self, code, *_):
        self.value = np.dtype(code if isinstance(code, str) else '')
        if self.value.kind not in 'biufO' or self.value.names:
            raise pickle.UnpicklingError(f'numbers of type {code!r}')

    def __setstate__(self, state):
        byte_order = state[1]
        if byte_order in ('<', '>'):
            self.value = self.value.newbyteorder(byte_order)


class _Array:
    """Stand-in for ``numpy.ndarray``: a holder of the array, in ``value``."""

    def __setstate__(self, state):
        _, shape, dtype, is_fortran, data = state
        self.fill(data, dtype, shape, 'F' if is_fortran else 'C')

    def fill(self, data, dtype, shape, order='C'):
        """Set ``value`` from bytes or a list of objects; ``dtype`` is a :class:`_Dtype`. Too few bytes are an error."""
        if dtype.value.hasobject:  # data is a list of objects; with shape (), it holds one object, such as a dict
            self.value = data[0] if shape == () else list(data)
            return
        data = data.encode('latin1') if isinstance(data, str) else data  # a pickle of Python 2
        self.value = np.frombuffer(data, dtype.value).reshape(shape, order=order)


class _Storage:
    """Stand-in for a storage of torch, the memory of tensors; ``torch.load`` with ``weights_only`` reads it."""

    def __init__(self, data):
        self.value = torch.load(io.BytesIO(data), map_location='cpu', weights_only=True)


class _NumbersOnly(pickle.Unpickler):
    """Unpickler of arrays, tensors and plain values; any other class or function in the file is an error."""

    def find_class(self, module, name):
        """Return the stand-in for a class or function of ``_KNOWN``; UnpicklingError for any other name."""
        known = _KNOWN.get((module.replace('numpy._core', 'numpy.core'), name))
        if known is None:
            raise pickle.UnpicklingError(f'{module}.{name}, which could run code')
        return known


# Replacements for functions of numpy, torch and codecs that a pickle calls to rebuild a value; they take the same
# arguments.


def _from_buffer(data, dtype, shape, order):
    array = _Array()
    array.fill(bytes(data), dtype, shape, order)
    return array


def _scalar(dtype, data):
    array = _Array()
    array.fill(data, dtype, (1,))
    return array.value[0].item()


def _tensor(storage, offset, size, stride, *_):
    # Refuse a tensor that reaches beyond its storage, or that a stride of 0 makes larger than its storage.
    last = offset + sum((length - 1) * step for length, step in zip(size, stride)) if math.prod(size) else -1
    if min((0, offset, *size, *stride)) < 0 or max(last + 1, math.prod(size)) > len(storage.value):
        raise pickle.UnpicklingError('a tensor that is larger than its storage')
    return torch._utils._rebuild_tensor_v2(storage.value, offset, size, stride, False, {})


def _encode(text, encoding):
    if encoding != 'latin1':
        raise pickle.UnpicklingError(f'bytes as {encoding!r}')
    return text.encode('latin1')


_KNOWN = {
    ('numpy', 'ndarray'): _Array,
    ('numpy', 'dtype'): _Dtype,
    ('numpy.core.multiarray', '_reconstruct'): lambda *_: _Array(),
    ('numpy.core.multiarray', 'scalar'): _scalar,
    ('numpy.core.numeric', '_frombuffer'): _from_buffer,
    ('torch._utils', '_rebuild_tensor_v2'): _tensor,
    ('torch.storage', '_load_from_bytes'): _Storage,
    ('collections', 'OrderedDict'): OrderedDict,
    ('collections', 'defaultdict'): lambda *_: {},
    ('builtins', 'list'): lambda *_: [],  # the argument of a pickled defaultdict(list)
    ('__builtin__', 'list'): lambda *_: [],
    ('_codecs', 'encode'): _encode,  # older pickle protocols store bytes as text, with this call
}
