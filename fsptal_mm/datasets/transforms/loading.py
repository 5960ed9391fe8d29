"""Transform that loads snippet features, and checks that the number of snippets fits the duration."""

import logging
from typing import Any

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform
from mmengine.logging import print_log

from fsptal_mm.utils.errors import InputError, check_numbers

from ..feature_files import FeatureReader, check_features


class SnippetLoader(BaseTransform):
    """Base class of transforms that load the snippets of a video, and compare T with the duration.

    Args:
        length_tolerance: Largest accepted difference between T and the number of snippets expected from the duration,
            as a share of the expected number. A larger difference is an error. A smaller one of more than one snippet
            gives a warning.

    Raises:
        InputError: ``length_tolerance`` is no number >= 0.
    """

    def __init__(self, length_tolerance: float) -> None:
        check_numbers(type(self).__name__, 0, length_tolerance=length_tolerance)
        self.length_tolerance = length_tolerance
        self._has_warned = False

    def check_grid(self, results: dict[str, Any]) -> None:
        """Compare the number of snippets T with the number expected from the duration.

        A difference of at most 1 is accepted. On grids of overlapping clips, extractors differ at the end of a video:
        those that keep only whole clips make fewer snippets than expected, those that pad the last clips make more. So
        on such grids, a difference of ``1 + offset_sec / snippet_sec`` is accepted. A larger difference within
        ``length_tolerance`` gives a warning for the first such video only. If the duration is unknown, it is computed
        from T.

        Args:
            results (dict): With ``features``, ``grid``, ``duration_sec``, ``video_id`` and ``feature_paths``.

        Raises:
            InputError: The difference is more than 1 and not within ``length_tolerance``.
        """
        found, grid = len(results['features']), results['grid']
        if results['duration_sec'] is None:
            results['duration_sec'] = float(grid.to_sec(found))
            return
        expected = grid.num_snippets(results['duration_sec'])
        overlap = max(grid.offset_sec, 0) / grid.snippet_sec
        least, most = max(expected - overlap, 1), max(expected + overlap, 1)
        off = max(least - found, found - most)
        if off <= 1 or (off <= self.length_tolerance * expected and self._has_warned):
            return
        shape = results['features'].shape
        if off > self.length_tolerance * expected and abs(shape[1] - expected) <= self.length_tolerance * expected + 1:
            wanted = f'(T, D) with T about {expected:.1f}; transpose (D, T) by np.save(path, array.T)'
            where = dict(file=results['feature_paths'][0], video=results['video_id'], field='shape of the features')
            raise InputError(wanted, found=shape, **where)
        error = InputError(
            f'about {expected:.1f} for {results["duration_sec"]:.2f} s at {grid.snippet_sec:.4f} s per snippet (grid); '
            f'it may differ by at most the share {type(self).__name__}.length_tolerance={self.length_tolerance:g}',
            file=results['feature_paths'][0],
            video=results['video_id'],
            field='number of snippets',
            found=found,
        )
        if off > self.length_tolerance * expected:
            raise error
        self._has_warned = True
        message = f'{error} (a warning for the first such video only; tools/data/check_dataset.py lists all)'
        print_log(message, 'current', logging.WARNING)


@TRANSFORMS.register_module()
class LoadSnippetFeatures(SnippetLoader):
    """Load the snippet features of a video from one or several files and concatenate them along dimension D.

    The suffix of a file decides its format: ``.npy``, ``.npz``, ``.csv`` (one row per snippet, with or without a
    header, such as mmaction2's BMN features), ``.h5`` and ``.hdf5`` (one file per video, or one file for all videos,
    with an array or a group per video). ActivityNet's prefix ``v_`` may stand before the name of a file or be missing.
    Numbers of any type become float32. Nothing in a file is executed (``allow_pickle=False``). HDF5 files with links to
    other files are errors, and so are features of more than 2 GiB, which are found before they are unpacked.

    Required keys: ``video_id``, ``feature_paths``, ``grid``, ``duration_sec``. Added: ``features (T, D)``; if the
    features are there already, they are only checked. Set: ``duration_sec``, if the annotations do not state it.

    Args:
        key: Name of the array in ``.npz`` and HDF5 files. Default: the array with the name of the video, else the only
            array.
        length_tolerance: See :class:`SnippetLoader`.
        backend_args (dict, optional): File backend of mmengine, for features that are not on a local disk.
        crops (int | str, optional): For files with the features of several image crops, arrays ``(T, crops, D)``: the
            index of the crop to take, from 0, or ``'mean'`` for the mean of all crops. Default: such arrays are an
            error.
        crop_axis: Axis of the crops: 1, or 0 for ``(crops, T, D)``.

    Raises:
        InputError: An argument is out of range.
    """

    def __init__(
        self,
        key: str | None = None,
        length_tolerance: float = 0.1,
        backend_args: dict[str, Any] | None = None,
        crops: int | str | None = None,
        crop_axis: int = 1,
    ) -> None:
        super().__init__(length_tolerance)
        self.reader = FeatureReader(key, backend_args, crops, crop_axis)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Read, check and concatenate the streams.

        Raises:
            InputError: A file is missing, truncated, unreadable or too large; an array has a wrong shape or type, NaN
                or Inf, or no snippet; the streams differ in length by more than 1; or the length does not fit the
                duration.
        """
        video, paths = results['video_id'], results['feature_paths']
        if 'features' in results:
            streams = [check_features(np.asarray(results['features']), paths[0], video)]
        else:
            streams = [self.reader.read(path, video) for path in paths]
        lengths = [len(stream) for stream in streams]
        if max(lengths) - min(lengths) > 1:
            expected = 'streams whose numbers of snippets differ by at most 1'
            raise InputError(expected, file=paths, video=video, field='number of snippets', found=lengths)
        features = np.concatenate([stream[: min(lengths)] for stream in streams], axis=1)
        results['features'] = features
        self.check_grid(results)
        return results
