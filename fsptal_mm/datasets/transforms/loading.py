"""Loading of snippet features."""

import csv
import io
import logging
import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from mmengine.fileio import get
from mmengine.logging import print_log

from fsptal_mm.utils.errors import InputError, check_numbers
from fsptal_mm.utils.reading import regular_file

HDF5_SUFFIXES = ('.h5', '.hdf5')
FEATURE_SUFFIXES = ('.npy', '.npz', '.csv', *HDF5_SUFFIXES)
# A video's features, unpacked and as float32: 262,144 snippets of 2048 numbers. A file of a few bytes may state more.
_MAX_BYTES = 2 << 30


class SnippetLoader(BaseTransform):
    """Base class of transforms that load the snippets of a video; checks their number against the duration.

    Args:
        length_tolerance: Share of the expected number of snippets by which T may differ. Within it, a difference of
            more than one snippet gives a warning; beyond it an error.
    """

    def __init__(self, length_tolerance: float) -> None:
        check_numbers(type(self).__name__, 0, length_tolerance=length_tolerance)
        self.length_tolerance = length_tolerance
        self._has_warned = False

    def check_grid(self, results: dict[str, Any]) -> None:
        """Compare the number of snippets T with the number expected from the duration.

        A difference of at most 1 is accepted. One within ``length_tolerance`` gives a warning, once per loader. An
        unknown duration is set from T.

        Raises:
            InputError: The difference is larger.
        """
        found, grid = len(results['features']), results['grid']
        if results['duration_sec'] is None:
            results['duration_sec'] = float(grid.to_sec(found))
            return
        expected = grid.num_snippets(results['duration_sec'])
        off = abs(found - expected)
        if off <= 1 or (off <= self.length_tolerance * expected and self._has_warned):
            return
        error = InputError(
            f'about {expected:.1f} for {results["duration_sec"]:.2f} s at {grid.snippet_sec:.4f} s per snippet',
            file=results['feature_paths'][0],
            video=results['video_id'],
            field='number of snippets',
            found=found,
        )
        if off > self.length_tolerance * expected:
            raise error
        self._has_warned = True
        print_log(f'{error} (said once; check_dataset lists all such videos)', 'current', logging.WARNING)


@TRANSFORMS.register_module()
class LoadSnippetFeatures(SnippetLoader):
    """Load the snippet features of a video from one or several files and concatenate them along dimension D.

    Formats, by the file's suffix: ``.npy``, ``.npz``, ``.csv`` (one header line and one row per snippet, as
    mmaction2's BMN features), ``.h5``/``.hdf5`` (one file per video, or one for all with a dataset per video).
    Any number type is read and becomes float32. Nothing in a file is executed (``allow_pickle=False``), links of HDF5
    files to other files are refused, and so are features of more than 2 GiB, before they are unpacked.

    Required keys: ``video_id``, ``feature_paths``, ``grid``, ``duration_sec``. Added: ``features (T, D)``; if they are
    there already, they are only checked. Changed: ``duration_sec``, if the annotations lack it.

    Args:
        key: Name of the array in ``.npz`` and per-video HDF5 files; not needed if there is only one.
        length_tolerance: See :class:`SnippetLoader`.
        backend_args (dict, optional): File backend of mmengine, for features that are not on a local disk.
    """

    def __init__(
        self, key: str | None = None, length_tolerance: float = 0.1, backend_args: dict[str, Any] | None = None
    ) -> None:
        super().__init__(length_tolerance)
        self.key = key
        self.backend_args = backend_args

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read, check and concatenate the streams.

        Raises:
            InputError: A file is missing, truncated, unreadable or too large; an array has a wrong shape or type, NaN
                or Inf, or no snippet; the streams differ in length; or the length does not fit the grid.
        """
        video, paths = results['video_id'], results['feature_paths']
        if 'features' in results:
            streams = [_check(np.asarray(results['features']), paths[0], video)]
        else:
            streams = [self._read(path, video) for path in paths]
        lengths = [len(stream) for stream in streams]
        if max(lengths) - min(lengths) > 1:
            raise InputError('streams whose lengths differ by at most 1', file=paths, video=video, found=lengths)
        features = np.concatenate([stream[: min(lengths)] for stream in streams], axis=1)
        results['features'] = features
        self.check_grid(results)
        return results

    def _read(self, path, video):
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
        return _check(array, path, video)

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


def _check(array, path, video):
    """Convert features to float32; InputError if they are not valid."""
    _check_kind(array, path, video)
    with np.errstate(over='ignore'):
        array = np.asarray(array, dtype=np.float32)
    if not np.isfinite(array).all():
        snippet = int(np.flatnonzero(~np.isfinite(array).all(1))[0])
        found = f'NaN or Inf in snippet {snippet}'
        raise InputError('finite numbers', file=path, video=video, field='features', found=found)
    return array
