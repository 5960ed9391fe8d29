"""Reading of files of snippet features: numpy, csv and HDF5. Nothing in a file is executed."""

import io
import math
import os
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.fileio import get

from fsptal_mm.utils.errors import InputError, check_numbers
from fsptal_mm.utils.reading import known_file, known_id, regular_file, text_encoding

from .csv_features import read_csv

HDF5_SUFFIXES = ('.h5', '.hdf5')
FEATURE_SUFFIXES = ('.npy', '.npz', '.csv', *HDF5_SUFFIXES)
# Limit in bytes for the features of one video in memory: 262,144 snippets of 2048 float32 numbers. Without a limit, a
# damaged file of a few bytes could state a shape that fills the memory.
_MAX_BYTES = 2 << 30
_MAX_DEPTH = 8  # largest depth of nested HDF5 groups: a group may contain itself, and the search would never end
_CONVERTED = ('.pt', '.pth', '.pkl', '.pickle')
_CONVERTER = 'tools/data/convert_features.py'


class FeatureReader:
    """Reader of feature files; their suffix decides the format.

    Args:
        key: Name of the array in ``.npz`` and HDF5 files. In HDF5, it may be a path (``GROUP/ARRAY``), which begins at
            the top of the file or in the group of the video. Default: the array with the name of the video, else the
            only array if the path of the file has the video's id.
        backend_args (dict, optional): File backend of mmengine, for features that are not on a local disk.
        crops (int | str, optional): For files with the features of several image crops, arrays of three dimensions: the
            index of the crop to take, from 0, or ``'mean'`` for the mean of all crops. Default: such arrays are an
            error.
        crop_axis: Axis of the crops: 1 for ``(T, crops, D)``, 0 for ``(crops, T, D)``.

    Raises:
        InputError: ``crops`` is neither a whole number >= 0 nor ``'mean'``, or ``crop_axis`` is neither 0 nor 1.
    """

    def __init__(
        self,
        key: str | None = None,
        backend_args: dict[str, Any] | None = None,
        crops: int | str | None = None,
        crop_axis: int = 1,
    ) -> None:
        if crops != 'mean':
            check_numbers('LoadSnippetFeatures', 0, whole=True, optional=True, crops=crops)
        check_numbers('LoadSnippetFeatures', 0, 1, whole=True, crop_axis=crop_axis)
        self.key = key
        self.backend_args = backend_args
        self.crops = crops
        self.crop_axis = crop_axis

    def read(self, path: str | Path, video: str) -> np.ndarray:
        """Read the features of a video.

        Args:
            path: The file.
            video: Id of the video. In a file of several videos, it is the name of the video's array or group.

        Returns:
            np.ndarray: ``(T, D)`` float32.

        Raises:
            InputError: The file is missing, truncated, unreadable or too large, or holds no valid features.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in FEATURE_SUFFIXES:
            expected = f'one of {FEATURE_SUFFIXES}; {_CONVERTER} converts .pt, .pth and .pkl'
            raise InputError(expected, file=path, video=video, field='suffix', found=suffix)
        if self.backend_args is None:
            path = _known_file(path, video)
        try:
            array = self._decode(suffix, path, video)
        except FileNotFoundError as error:  # raised by a file backend other than the local disk
            raise InputError('a feature file', file=path, video=video, found='no such file') from error
        except InputError:
            raise
        except Exception as error:  # numpy and h5py raise many types of error for damaged files
            if re.search('Python objects|Object arrays', str(error)):  # words of numpy's messages
                expected = f'an array of numbers; {_CONVERTER} converts dicts and lists that were saved with pickle'
                found = 'an array of Python objects'
                raise InputError(expected, file=path, video=video, field='features', found=found) from error
            raise InputError('readable features', file=path, video=video, found=str(error)) from error
        return check_features(self._one_crop(array, path, video), path, video)

    def _one_crop(self, array, path, video):
        """Take one crop of an array, or the mean of its crops, as ``crops`` says; ``(T, D)`` stays as it is."""
        array = _without_axes(array, 2 if self.crops is None else 3)
        if self.crops is None or array.ndim != 3:
            return array
        self._check_kind(array, path, video)
        if self.crops == 'mean':
            return array.mean(self.crop_axis, dtype=np.float32)
        count = array.shape[self.crop_axis]
        if self.crops >= count:
            where = dict(file=path, video=video, field='LoadSnippetFeatures.crops')
            raise InputError(f'an index from 0 to {count - 1}, as there are {count} crops', found=self.crops, **where)
        return array.take(self.crops, self.crop_axis)

    def _check_kind(self, array, path, video):
        check_kind(array, path, video, (2, 3) if self.crops is not None else (2,))

    def _decode(self, suffix, path, video):
        """Read the array of a video as it is stored; ``suffix``, the suffix of the file, decides the format."""
        if suffix in HDF5_SUFFIXES:
            import h5py

            with h5py.File(path if self.backend_args is None else self._bytes(path), 'r') as file:
                return self._read_hdf5(file, path, video)
        if suffix == '.csv':
            if self.backend_args is None:
                regular_file(path, max_bytes=_MAX_BYTES, video=video)
            content = self._bytes(path).read()
            return read_csv(content.decode(text_encoding(content)))
        if suffix == '.npz':
            with zipfile.ZipFile(path if self.backend_args is None else self._bytes(path)) as file:
                return self._read_npz(file, path, video)
        if self.backend_args is None:  # memory-mapped: worker processes share the pages, each read once
            return np.lib.format.open_memmap(path, mode='r')
        return np.lib.format.read_array(self._bytes(path), allow_pickle=False)

    def _bytes(self, path):
        """Content of a file, read by the file backend."""
        return io.BytesIO(get(str(path), backend_args=self.backend_args))

    def _read_npz(self, file, path, video):
        members = {member.filename.removesuffix('.npy'): member for member in file.infolist()}
        member = members[self._pick(members, path, video)]
        # Decoders of other compression methods, such as LZMA, may need much memory.
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            expected = 'a file of np.savez or np.savez_compressed'
            raise InputError(expected, file=path, video=video, found=f'zip compression {member.compress_type}')
        if member.file_size > _MAX_BYTES:
            raise InputError(f'at most {_MAX_BYTES} bytes', file=path, video=video, found=f'{member.file_size} bytes')
        with file.open(member) as content:
            return np.lib.format.read_array(content, allow_pickle=False)

    def _pick(self, names, path, video):
        """Choose the array to read from the ``names`` in a file: ``key``, else the video id, else the only name."""
        names = list(names)
        wanted = [name for name in (self.key, known_id(video, names)) if name in names]
        wanted = wanted or (names if len(names) == 1 and _is_of(video, path) else [])
        if (self.key is not None and self.key not in names) or not wanted:
            expected = f'the array {self.key}' if self.key else f'only one array, or an array named {video}'
            raise InputError(expected, file=path, video=video, field='key', found=names)
        return wanted[0]

    def _read_hdf5(self, file, path, video):
        """Read the array of a video; an InputError if its data lie in another file, or are larger than 2 GiB."""
        import h5py

        data = self._find_hdf5(file, path, video)
        if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
            found = 'a group' if isinstance(data, h5py.Group) else 'data in other files'
            raise InputError('an array in the file itself', file=path, video=video, field='features', found=found)
        self._check_kind(data, path, video)
        # h5py unpacks whole chunks, and a chunk may be larger than the array. So the size of a chunk is checked, too.
        # The check needs an array of the chunk's shape: a single zero, broadcast to this shape, takes no memory.
        chunk = np.broadcast_to(np.zeros((), data.dtype), data.chunks or data.shape)
        self._check_kind(chunk, path, video)
        return data[()]

    def _find_hdf5(self, file, path, video):
        """Find the array of a video by going down from group to group.

        In each group, the next member is the next part of ``key`` if it is there, else the video, else the only member.
        Without ``key``, the id of the video must be the name of a group or array on the way, or occur in the path of
        the file. Otherwise, the only array of a file might be that of another video.
        """
        import h5py

        node, keys = file, [] if self.key is None else self.key.split('/')  # keys: parts that are still to be found
        is_met = self.key is not None or _is_of(video, path)
        for _ in range(_MAX_DEPTH):
            if not isinstance(node, h5py.Group):
                break
            names = list(node)
            is_met = is_met or known_id(video, names) is not None
            inner = known_id(video, names) or (names[0] if len(names) == 1 else None)
            if keys and keys[0] in names:
                name = keys.pop(0)
            elif inner is None or (keys and node.get(inner, getclass=True) is not h5py.Group):
                # No member can be chosen; or the chosen member is an array, although parts of ``key`` are left.
                expected = f'the array {self.key}' if self.key else f'only one array, or an array named {video}'
                raise InputError(expected, file=path, video=video, field='key', found=names)
            else:
                name = inner
            if not isinstance(node.get(name, getlink=True), h5py.HardLink):
                raise InputError('an array in the file itself', file=path, video=video, field=name, found='a link')
            node = node[name]
        if not is_met:
            raise InputError(f'an array named {video}', file=path, video=video, field='key', found=list(file))
        return node


def _is_of(video, path):
    """Whether the path of a file names the video, with or without ActivityNet's prefix ``v_``."""
    return video.removeprefix('v_') in str(path)


def _known_file(path, video):
    """Path of an existing feature file; its name may have ActivityNet's prefix ``v_`` or lack it.

    If there is no such file, but a file of the same name with another suffix, the InputError names the other file.
    """
    path = known_file(path)
    if not os.path.exists(path):
        suffixes = [case for suffix in (*FEATURE_SUFFIXES, *_CONVERTED) for case in (suffix, suffix.upper())]
        near = (known_file(f'{path.with_suffix("")}{suffix}') for suffix in suffixes)
        other = next(filter(os.path.isfile, near), None)
        if other is not None:
            to_convert = other.suffix.lower() in _CONVERTED
            way = f'{_CONVERTER} converts' if to_convert else f"with suffix='{other.suffix}', the dataset reads"
            raise InputError(f'a feature file; {way} {other.name}', file=path, video=video, found='no such file')
    return regular_file(path, 'a feature file', video=video)


def check_kind(array: Any, path: str | Path, video: str, dimensions: Sequence[int] = (2,)) -> None:
    """Make sure that an array has the shape and type of features, before its data are read into memory.

    Args:
        array: Array of numpy or HDF5, with ``shape`` and ``dtype``.
        path: File of the array, for errors.
        video: Video of the array, for errors.
        dimensions: Numbers of dimensions that the array may have, apart from axes of length 1 that can be dropped
            (:func:`_kept_axes`).

    Raises:
        InputError: The array has another number of dimensions, holds no numbers or no snippet, or takes more than 2 GiB
            as float32.
    """
    where = dict(file=path, video=video, field='features')
    if len(_kept_axes(array.shape, max(dimensions))) not in dimensions or array.dtype.kind not in 'biuf':
        expected = 'numbers of shape (T, D)'
        if len(array.shape) == 3:
            expected += "; LoadSnippetFeatures(crops='mean', crop_axis=1) takes the mean of crops (T, crops, D)"
        raise InputError(expected, found=f'shape {array.shape} of {array.dtype}', **where)
    if 0 in array.shape:
        raise InputError('at least one snippet', found=array.shape, **where)
    if math.prod(array.shape) * max(array.dtype.itemsize, 4) > _MAX_BYTES:
        raise InputError(f'at most {_MAX_BYTES} bytes', found=f'shape {array.shape} of {array.dtype}', **where)


def _kept_axes(shape, most):
    """Indices of the axes of ``shape`` that stay when needless axes of length 1 are dropped.

    Networks leave such axes in their features. Those at the end are dropped until two axes are left, the others until
    ``most`` axes are left. With ``most=2``, ``(90, 1024, 1, 1)`` and ``(1, 90, 1024)`` become ``(90, 1024)``, and
    ``(1, 1024)`` stays.
    """
    kept = list(range(len(shape)))
    while len(kept) > 2 and shape[kept[-1]] == 1:
        kept.pop()
    while len(kept) > most and 1 in [shape[axis] for axis in kept]:
        kept.remove(next(axis for axis in kept if shape[axis] == 1))
    return kept


def _without_axes(array, most):
    kept = _kept_axes(array.shape, most)
    return array if len(kept) == array.ndim else array.reshape([array.shape[axis] for axis in kept])


def check_features(array: np.ndarray, path: str | Path, video: str) -> np.ndarray:
    """Convert the features of a video to float32.

    Args:
        array (np.ndarray): ``(T, D)`` numbers of any type; it may have further axes of length 1, which are dropped.
        path: File of the features, for errors.
        video: The video, for errors.

    Returns:
        np.ndarray: ``(T, D)`` float32.

    Raises:
        InputError: Shape or type do not fit features (see :func:`check_kind`), or a number is NaN or Inf.
    """
    check_kind(array, path, video)
    array = _without_axes(array, 2)
    with np.errstate(over='ignore'):
        array = np.asarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        snippet = int(np.flatnonzero(~np.isfinite(array).all(1))[0])
        found = f'NaN or Inf in snippet {snippet}'
        raise InputError('finite numbers', file=path, video=video, field='features', found=found)
    return array
