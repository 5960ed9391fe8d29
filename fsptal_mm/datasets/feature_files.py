"""Files of snippet features: numpy, csv and HDF5. Nothing in a file is executed."""

import csv
import io
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.fileio import get

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import regular_file

HDF5_SUFFIXES = ('.h5', '.hdf5')
FEATURE_SUFFIXES = ('.npy', '.npz', '.csv', *HDF5_SUFFIXES)
# A video's features, unpacked and as float32: 262,144 snippets of 2048 numbers. A file of a few bytes may state more.
_MAX_BYTES = 2 << 30


class FeatureReader:
    """Reader of feature files; their suffix decides the format.

    Args:
        key: Name of the array in ``.npz`` and per-video HDF5 files; not needed if there is only one.
        backend_args (dict, optional): File backend of mmengine, for features that are not on a local disk.
    """

    def __init__(self, key: str | None = None, backend_args: dict[str, Any] | None = None) -> None:
        self.key = key
        self.backend_args = backend_args

    def read(self, path: str | Path, video: str) -> np.ndarray:
        """Read the features of a video, ``(T, D)`` float32.

        Raises:
            InputError: The file is missing, truncated, unreadable or too large, or holds no valid features.
        """
        suffix = Path(path).suffix.lower()
        if suffix not in FEATURE_SUFFIXES:
            raise InputError(f'one of {FEATURE_SUFFIXES}', file=path, video=video, field='suffix', found=suffix)
        if self.backend_args is None:
            regular_file(path, 'a feature file', video=video)
        try:
            array = self._decode(suffix, path, video)
        except FileNotFoundError as error:  # of another backend
            raise InputError('a feature file', file=path, video=video, found='no such file') from error
        except InputError:
            raise
        except Exception as error:  # numpy and h5py raise many types of error for damaged files
            raise InputError('readable features', file=path, video=video, found=str(error)) from error
        return check_features(array, path, video)

    def _decode(self, suffix, path, video):
        if suffix in HDF5_SUFFIXES:
            import h5py

            with h5py.File(path if self.backend_args is None else self._bytes(path), 'r') as file:
                name = self._pick(file.keys(), path, video)
                if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                    raise InputError('an array in the file itself', file=path, video=video, field=name, found='a link')
                return _read_hdf5(file[name], path, video)
        if suffix == '.csv':
            if self.backend_args is None:
                regular_file(path, max_bytes=_MAX_BYTES, video=video)
            rows = csv.reader(io.StringIO(self._bytes(path).read().decode('utf-8-sig')))
            next(rows, None)
            with np.errstate(over='ignore'):  # what float32 cannot hold is Inf, and refused as such
                return np.array([np.array(row, dtype=np.float32) for row in rows if row], ndmin=2)
        if suffix == '.npz':
            with zipfile.ZipFile(path if self.backend_args is None else self._bytes(path)) as file:
                return self._read_npz(file, path, video)
        if self.backend_args is None:  # pages are shared between workers and read once
            return np.lib.format.open_memmap(path, mode='r')
        return np.lib.format.read_array(self._bytes(path), allow_pickle=False)

    def _bytes(self, path):
        return io.BytesIO(get(str(path), backend_args=self.backend_args))

    def _read_npz(self, file, path, video):
        members = {member.filename.removesuffix('.npy'): member for member in file.infolist()}
        member = members[self._pick(members, path, video)]
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others take memory by themselves
            raise InputError("numpy's own compression", file=path, video=video, found=member.compress_type)
        if member.file_size > _MAX_BYTES:
            raise InputError(f'at most {_MAX_BYTES} bytes', file=path, video=video, found=f'{member.file_size} bytes')
        with file.open(member) as content:
            return np.lib.format.read_array(content, allow_pickle=False)

    def _pick(self, names, path, video):
        """Name of the array in a container: ``key``, else the video id, else the only one."""
        names = list(names)
        wanted = [name for name in (self.key, video) if name in names] or (names if len(names) == 1 else [])
        if (self.key is not None and self.key not in names) or not wanted:
            raise InputError(self.key or f'one array, or {video}', file=path, video=video, field='key', found=names)
        return wanted[0]


def _read_hdf5(data, path, video):
    """Read an HDF5 dataset; InputError if its data lie in other files, or are too large when unpacked."""
    import h5py

    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        found = 'a group' if isinstance(data, h5py.Group) else 'data in other files'
        raise InputError('an array in the file itself', file=path, video=video, field='features', found=found)
    _check_kind(data, path, video)
    _check_kind(np.broadcast_to(np.zeros((), data.dtype), data.chunks or data.shape), path, video)
    return data[()]


def _check_kind(array, path, video):
    """InputError if shape or type of an array cannot be those of features; the data need not be in memory yet."""
    where = dict(file=path, video=video, field='features')
    if len(array.shape) != 2 or array.dtype.kind not in 'biuf':
        raise InputError('numbers of shape (T, D)', found=f'shape {array.shape} of {array.dtype}', **where)
    if 0 in array.shape:
        raise InputError('at least one snippet', found=array.shape, **where)
    if math.prod(array.shape) * max(array.dtype.itemsize, 4) > _MAX_BYTES:
        raise InputError(f'at most {_MAX_BYTES} bytes', found=f'shape {array.shape} of {array.dtype}', **where)


def check_features(array: np.ndarray, path: str | Path, video: str) -> np.ndarray:
    """Convert features to float32; InputError if they are not valid."""
    _check_kind(array, path, video)
    with np.errstate(over='ignore'):
        array = np.asarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        snippet = int(np.flatnonzero(~np.isfinite(array).all(1))[0])
        found = f'NaN or Inf in snippet {snippet}'
        raise InputError('finite numbers', file=path, video=video, field='features', found=found)
    return array
