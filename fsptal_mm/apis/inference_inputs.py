"""Inputs of an inferencer: paths, arrays and folders are converted to one entry per video."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from fsptal_mm.datasets.feature_files import FEATURE_SUFFIXES, HDF5_SUFFIXES
from fsptal_mm.datasets.videos.reader import VIDEO_SUFFIXES
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import regular_file, to_name, to_positive

# One input, or a list of them: see list_inputs.
Input: TypeAlias = str | Path | np.ndarray | torch.Tensor | dict[str, Any]
Inputs: TypeAlias = Input | list[Input] | tuple[Input, ...]


@dataclass(frozen=True, eq=False)
class VideoInput:
    """One video to localize actions in: a video file, feature files, or an array.

    Attributes:
        video_id: Id of the video in the results.
        paths: The video file, or a feature file per stream; empty for an array.
        features: ``(T, D)``; ``None`` for files.
        duration_sec: Duration in seconds; ``None`` if it is not given.
    """

    video_id: str
    paths: tuple = ()
    features: np.ndarray | None = None
    duration_sec: float | None = None

    @property
    def source(self) -> str:
        """Name of the input in messages, which is its first path, or ``'array'``."""
        return self.paths[0] if self.paths else 'array'

    @property
    def is_video(self) -> bool:
        """Whether the input is a video file; if not, it is features."""
        return self.features is None and Path(self.paths[0]).suffix.lower() in VIDEO_SUFFIXES

    def naming(self, error: InputError) -> InputError:
        """Copy an error; if it names no file or no video, add the source or the id of this input."""
        file, video_id = error.file or self.source, error.video or self.video_id
        return InputError(error.expected, file=file, video=video_id, field=error.field, found=error.found)


def list_inputs(inputs: Inputs, streams: Iterable[str] = ('feature',)) -> list[VideoInput]:
    """List the videos that ``inputs`` stands for.

    Args:
        inputs: One input or a list of inputs. An input is the path of a video file, of a feature file or of a folder;
            an array or tensor ``(T, D)``; or a dict with ``features`` (an array, a path, or a dict from stream to path)
            and, if known, ``video_id`` and ``duration_sec``. An HDF5 file of several videos stands for all of them. A
            folder stands for its feature files and for the video files in it and its subfolders. If the model reads
            several streams, a folder holds one subfolder per stream, or files in which the streams are joined. If a
            folder has video files, its csv files are left out, since they are probably tables of labels or results.
        streams (Iterable[str]): Names of the model's streams.

    Returns:
        list[VideoInput]: The videos in the order of ``inputs``; those of a folder are sorted by path. Whether a file
        exists and can be read is not checked here.

    Raises:
        InputError: An input has another type, a folder has no video or feature file, or a dict has an unknown field.
    """
    entries = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    return [video for number, entry in enumerate(entries) for video in _expand(entry, number, tuple(streams))]


def _expand(entry, number, streams):
    """Videos of one input; the id of an array is made from ``number``, the index of the input."""
    if isinstance(entry, dict):
        return [_from_dict(entry, number)]
    if isinstance(entry, (np.ndarray, torch.Tensor)):
        return [VideoInput(f'array_{number}', features=_to_array(entry))]
    if not isinstance(entry, (str, Path)):
        found = type(entry).__name__
        raise InputError('a path, an array (T, D), a dict or a list of these', field='inputs', found=found)
    path = Path(entry)
    if path.is_dir():
        return _list_folder(path, streams)
    return _from_file(path)


def _from_dict(entry, number):
    known = {'features', 'video_id', 'duration_sec'}
    features = entry.get('features')
    if not set(entry) <= known or features is None:
        raise InputError('features and, if known, video_id and duration_sec', field='inputs', found=sorted(entry))
    duration_sec = to_positive(entry.get('duration_sec'), field='duration_sec')
    if isinstance(features, (np.ndarray, torch.Tensor)):
        paths, name, features = (), f'array_{number}', _to_array(features)
    else:
        paths = tuple(map(str, features.values() if isinstance(features, dict) else [features]))
        name, features = Path(paths[0]).stem if paths else None, None
    return VideoInput(to_name(entry.get('video_id', name), field='video_id'), paths, features, duration_sec)


def _to_array(features):
    return features.detach().cpu().float().numpy() if torch.is_tensor(features) else features


def _list_folder(folder, streams):
    """Videos of a folder with one subfolder of feature files per stream, or with video files and feature files."""
    folders = [folder / stream for stream in streams]
    if len(streams) > 1 and all(path.is_dir() for path in folders):
        # The folder of the first stream decides which videos there are. If another stream lacks a file of this folder,
        # an error is raised later, when the file is read.
        names = sorted({path.name for path in folders[0].iterdir() if _is_input(path, FEATURE_SUFFIXES)})
        return [VideoInput(Path(name).stem, tuple(str(path / name) for path in folders)) for name in names]
    videos = [path for path in folder.rglob('*') if _is_input(path, VIDEO_SUFFIXES)]
    features = [path for path in folder.iterdir() if _is_input(path, FEATURE_SUFFIXES)]
    if videos:  # a csv beside videos is probably a table of labels or results, not a feature file
        features = [path for path in features if path.suffix.lower() != '.csv']
    files = sorted([*features, *videos])
    if not files:
        expected = f'video files ({", ".join(VIDEO_SUFFIXES)}) or feature files ({", ".join(FEATURE_SUFFIXES)})'
        raise InputError(expected, file=folder, found='a folder without any')
    return [video for path in files for video in _from_file(path)]


def _is_input(path, suffixes):
    return path.suffix.lower() in suffixes and path.is_file() and not path.name.startswith('.')


def _from_file(path):
    """Videos of a file: all videos of an HDF5 file that holds several, else one video with the name of the file."""
    videos = _videos_in(path) if path.suffix.lower() in HDF5_SUFFIXES else []
    return [VideoInput(video_id, (str(path),)) for video_id in (videos if len(videos) > 1 else [path.stem])]


def _videos_in(path):
    """Names of the arrays and groups in an HDF5 file; none for an unreadable file, for which loading fails later."""
    import h5py

    try:
        with h5py.File(regular_file(path), 'r') as file:
            own = [name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)]
            return [name for name in own if file.get(name, getclass=True) in (h5py.Dataset, h5py.Group)]
    except Exception:  # h5py raises many types of errors for damaged files
        return []
