"""Dataset of snippet features with point labels."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
from mmaction.registry import DATASETS, TRANSFORMS
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log
from mmengine.utils import is_abs

from fsptal_mm.structures import SnippetGrid, segments_inside
from fsptal_mm.utils.errors import InputError, check_flags
from fsptal_mm.utils.reading import path_below
from fsptal_mm.utils.wording import counted

from .annotations.records import VideoRecord, load_annotations
from .feature_settings import SIDE_FILE, stated_grid
from .feature_store import PLACES, FeatureStore
from .folds import Fold
from .supervision import SUPERVISIONS, supervision_labels
from .transforms.loading import LoadSnippetFeatures
from .windows import Windows

# About a week at 15 snippets per second. A longer duration is surely a mistake in the annotations, and arrays of that
# length would fill the memory.
_MAX_SNIPPETS = 10**7


@DATASETS.register_module()
class PointTALDataset(BaseDataset):
    """Dataset of snippet features with point labels for training and segments for evaluation.

    Relative paths lie below ``data_root``. :func:`.load_annotations` describes the formats of the annotation files.

    Args:
        ann_file: JSON with segments, durations and frames per second, or the package's plain format, which may also
            hold points. Empty: there is none.
        data_prefix (dict): From feature stream to a folder with one file per video, or to an HDF5 file with all videos.
            The streams are joined in this order. For example ``dict(feature='features/train')``, or
            ``dict(rgb='features/train/rgb', flow='features/train/flow')``.
        grid (dict, optional): The feature grid: fields of :meth:`.SnippetGrid.from_config`. Default: the grid in
            ``features.json``, the side file that ``tools/data/extract_features.py`` writes beside the features. A
            config states the grid nowhere else: models read it from the data samples.
        suffix: Suffix of the feature files, which follows the video id.
        split_file: Text file with the ids of the videos, one per line. Default: the videos of ``subset``, or all videos
            of ``ann_file``; without ``ann_file``, all videos of ``point_file``.
        subset: Name of the subset in ``ann_file``.
        point_file: Point labels, if they are not in ``ann_file``; or a list of such files, one per annotator.
        background_file: Background clicks, in BackTAL's csv or the plain format; see :func:`.load_annotations`.
        fps_file: JSON from video id to native frames per second, for point files with frame numbers.
        ambiguous_file: Time ranges where annotators could not tell whether an action happens, in the format of
            THUMOS14's ``Ambiguous_test.txt``. Evaluation can leave out detections there.
        annotator: Index of the annotator in a list of ``point_file``; ``None`` draws one per video with ``seed``.
        seed: Seed for drawing annotators and background clicks.
        fold (dict, optional): Fields of :class:`Fold`, e.g. ``dict(index=0, count=4, part='held_out')``: keep one of
            ``count`` folds of the videos (``'held_out'``) or all other videos (``'train'``), to choose checkpoints and
            settings without test labels. Folds are made of all videos, before ``pointless='skip'`` leaves out any.
            Default: all videos.
        windows (dict, optional): Fields of :class:`Windows`: every window of a video becomes a separate sample, which
            ``CropToWindow`` cuts out. For localizers that are trained on segments. In training, windows without a
            segment are left out.
        supervision: ``'points'``: points and background clicks. ``'clicks'``: video labels and background clicks
            without any point, as BackTAL is trained; if a video has segments and no clicks, one is drawn with ``seed``
            in each gap between its segments. ``'segments'``: every snippet is labelled from the ground truth (dense
            supervision, for analysis only).
        pointless: ``'skip'``: leave out training videos without any point, since they may show actions that nobody
            labelled. ``'background'``: keep them as videos that show background only.
        background_label: Label of those points in ``ann_file`` and ``point_file`` that are background clicks.
        other_labels: ``'error'``: a label that is not among the classes is an error. ``'leave out'``: its points and
            segments are left out, with a warning, to train on some of the classes of a file. Actions of the other
            classes then count as background.
        keep_features (str, optional): Where the features of all videos are kept, as one array that is filled when the
            first item is requested. ``'memory'``: in the memory of the host; use ``num_workers=0``, since each worker
            process would keep a separate array. ``'device'``: in the memory of the device, so that a training step
            copies no features to it; this requires ``num_workers=0`` and a pipeline that does not change features. The
            samples are the same in all cases. ``None``: features are not kept, and each item reads its files.
        pipeline: Transforms, as modules or configs.
        test_mode: Whether this is a test dataset: its video labels are the classes of the segments (of the points if
            there are no segments), and no video is left out.
        **kwargs: As in ``mmengine.dataset.BaseDataset``: ``data_root``, ``indices``, ... and
            ``metainfo=dict(classes=...)``: names of the model's classes in the order of their indices, or the path of a
            text file with one name per line; see ``other_labels``. Default: see ``classes`` of
            :func:`.load_annotations`.

    Raises:
        InputError: A file or an argument is wrong; the message names file, video and field.
    """

    def __init__(
        self,
        ann_file: str = '',
        data_prefix: dict[str, str] = dict(feature='features'),
        *,
        grid: dict[str, Any] | None = None,
        suffix: str = '.npy',
        split_file: str | None = None,
        subset: str | None = None,
        point_file: str | Sequence[str] | None = None,
        background_file: str | None = None,
        fps_file: str | None = None,
        ambiguous_file: str | None = None,
        annotator: int | None = None,
        seed: int = 0,
        fold: dict[str, Any] | None = None,
        windows: dict[str, int] | None = None,
        supervision: str = 'points',
        pointless: str = 'skip',
        background_label: str = 'background',
        other_labels: str = 'error',
        keep_features: str | None = None,
        pipeline: Sequence[dict[str, Any] | Callable] = (),
        test_mode: bool = False,
        **kwargs: Any,
    ) -> None:
        for name, value, choices in (
            ('supervision', supervision, SUPERVISIONS),
            ('pointless', pointless, ('skip', 'background')),
            ('keep_features', keep_features, (None, *PLACES)),
        ):
            if value not in choices:
                raise InputError(f'one of {choices}', field=name, found=value)
        check_flags('PointTALDataset', test_mode=test_mode)
        files = dict(split_file=split_file, point_file=point_file, background_file=background_file)
        files |= dict(fps_file=fps_file, ambiguous_file=ambiguous_file)
        _check_paths(data_prefix, suffix, ann_file=ann_file, **files)
        self.grid = grid
        self.suffix = suffix
        self.fold = None if fold is None else Fold.from_config(fold)
        self.windows = None if windows is None else Windows.from_config(windows)
        self.supervision = supervision
        self.pointless = pointless
        self.seed = seed
        self.other_labels = other_labels
        self._ann_args = dict(
            subset=subset,
            annotator=annotator,
            seed=seed,
            background_label=background_label,
            other_labels=other_labels,
            # Training on points does not use segments, so faulty segments need not stop it.
            check_segments=test_mode or supervision != 'points' or windows is not None,
        )
        self.keep_features = keep_features
        self._store = None
        self._ann_paths = files
        metainfo = kwargs.pop('metainfo', None)
        if isinstance(metainfo, dict) and isinstance(metainfo.get('classes'), str):
            # If classes is a str, the base class reads the file itself, by other rules. It leaves a Path alone.
            metainfo = {**metainfo, 'classes': Path(metainfo['classes'])}
        # Transforms are built here: the base class would find those of mmaction2 and of this package only if the
        # default scope is 'mmaction'.
        pipeline = [TRANSFORMS.build(step) if isinstance(step, dict) else step for step in pipeline]
        super().__init__(
            ann_file=ann_file,
            data_prefix=data_prefix,
            pipeline=pipeline,
            metainfo=metainfo,
            test_mode=test_mode,
            **kwargs,
        )

    def _join_prefix(self):
        """Put ``data_root`` before all relative paths, and take the grid of the side file if the config has none."""
        super()._join_prefix()

        def below_root(path):
            if isinstance(path, (list, tuple)):
                return [below_root(part) for part in path]
            return path if not path or is_abs(path) else str(Path(self.data_root, path))

        self._ann_paths = {name: below_root(path) for name, path in self._ann_paths.items()}
        folders = list(self.data_prefix.values())
        self._stated_grid = stated_grid(folders)
        if self.grid is None:
            if self._stated_grid is None:
                raise InputError(
                    f'a grid, since no {SIDE_FILE} beside the features states it', file=folders, field='grid'
                )
            self.grid = self._stated_grid[0]

    def load_data_list(self) -> list[dict[str, Any]]:
        """Read the annotations into one dict per video (or window), with times in seconds: see :meth:`data_info`."""
        annotations = load_annotations(
            self.ann_file or None, classes=self._metainfo.get('classes'), **self._ann_paths, **self._ann_args
        )
        self._metainfo['classes'] = annotations.classes
        videos = annotations.videos
        kept = videos if self.fold is None else self.fold.select(videos)
        infos = [self.data_info(videos[video_id], len(annotations.classes)) for video_id in kept]
        return infos if self.windows is None else [window for info in infos for window in self.windows.cut(info)]

    def use_classes(self, classes: Sequence[str]) -> None:
        """Replace the class list, for example by the class list of a checkpoint.

        If the annotations were read already, they are read again.

        Args:
            classes: Names in the order of the indices.

        Raises:
            InputError: The annotations have a label that is not in ``classes``.
        """
        self._metainfo['classes'] = tuple(classes)
        if self._fully_initialized:
            self._fully_initialized = False
            self.full_init()

    def data_info(self, record: VideoRecord, num_classes: int) -> dict[str, Any]:
        """Build the input of the pipeline for one video.

        Args:
            record (VideoRecord): The video, which need not belong to this dataset.
            num_classes: Number of classes, C.

        Returns:
            dict: Fields of the record (those of segments with the prefix ``gt_``); ``grid``, ``num_classes``,
            ``is_training``, ``feature_paths`` (one per stream), the labels of ``supervision_labels``, and
            ``video_labels (K,)``, the indices of the classes that count as present.

        Raises:
            InputError: The grid is unknown or differs from the grid of the side file; the duration is longer than 10^7
                snippets; or the labels of ``supervision`` cannot be derived.
        """
        grid = self._grid(record)
        if record.duration_sec is not None and grid.num_snippets(record.duration_sec) > _MAX_SNIPPETS:
            found = f'{record.duration_sec:g} s of snippets of {grid.snippet_sec:g} s'
            expected = f'at most {_MAX_SNIPPETS} snippets'
            raise InputError(expected, video=record.video_id, field='duration_sec', found=found)
        info = dict(
            video_id=record.video_id,
            subset=record.subset,
            duration_sec=record.duration_sec,
            fps=record.fps,
            grid=grid,
            num_classes=num_classes,
            is_training=not self.test_mode,
            feature_paths=[self._feature_path(prefix, record.video_id) for prefix in self.data_prefix.values()],
            gt_segments_sec=record.segments_sec,
            gt_segment_labels=record.segment_labels,
            ambiguous_sec=record.ambiguous_sec,
        )
        info.update(supervision_labels(record, grid, self.supervision, self.seed))
        # A test dataset takes its video labels from the ground-truth segments. So does supervision 'clicks', which has
        # no points in info. Where the record has no segments, its points give the video labels.
        if (self.test_mode or self.supervision == 'clicks') and len(record.segment_labels):
            labels = record.segment_labels
        else:
            labels = record.point_labels if self.supervision == 'clicks' else info['point_labels']
        info['video_labels'] = np.unique(labels)
        return info

    def _grid(self, record):
        """Feature grid of a video, from the config; a side file that states another grid is an error."""
        grid = SnippetGrid.from_config(self.grid, record.fps, record.video_id)
        if self._stated_grid is not None:
            stated, file = self._stated_grid
            if not np.allclose(astuple(grid), astuple(SnippetGrid.from_config(stated)), rtol=1e-6, atol=1e-9):
                raise InputError(f'{stated}, as {file} states', video=record.video_id, field='grid', found=self.grid)
        return grid

    def _feature_path(self, prefix, video_id):
        """File of a video in the folder ``prefix``; ``prefix`` itself if it is an HDF5 file, which holds all videos."""
        path = path_below(prefix, video_id, self.suffix)
        return str(prefix if Path(prefix).suffix in ('.h5', '.hdf5') else path)

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline for an item: on its files, or with ``keep_features`` on the features that are kept.

        Raises:
            InputError: A file cannot be read, or the pipeline does not fit ``keep_features``.
        """
        if self.keep_features is None:
            return super().prepare_data(idx)
        if self._store is None:
            loaders = [step for step in self.pipeline.transforms if isinstance(step, LoadSnippetFeatures)]
            if len(loaders) != 1:
                raise InputError('a pipeline with one LoadSnippetFeatures', field='keep_features', found=len(loaders))
            infos = [self.get_data_info(index) for index in range(len(self))]
            self._store = FeatureStore(infos, loaders[0].transform, self.keep_features)
        info = self.get_data_info(idx) | dict(features=self._store.host_features(idx))
        data = self.pipeline(info)
        return data | dict(inputs=self._store.model_inputs(idx, data['inputs'], info['video_id']))

    def filter_data(self) -> list[dict[str, Any]]:
        """Leave out training videos without a label, with one warning; with ``windows``, windows without a segment.

        Returns:
            list[dict]: The videos or windows that are kept; all, in a test dataset or with ``pointless='background'``.

        Raises:
            InputError: No video has a label, or, with ``supervision='clicks'``, no video has a background click.
        """
        if self.test_mode:
            return self.data_list
        if self.supervision == 'clicks' and not any(len(info['background_sec']) for info in self.data_list):
            found = 'no background click, and no segments between which clicks could be drawn'
            expected = "clicks in background_file, or supervision='points' (for BackTALHead, with labels='points')"
            raise InputError(expected, file=self.ann_file or None, field="supervision='clicks'", found=found)
        if self.pointless == 'background':
            return self.data_list
        if self.windows is not None:
            return [info for info in self.data_list if _has_segment(info)]
        kept = [info for info in self.data_list if len(info['video_labels'])]
        left_out = len(self.data_list) - len(kept)
        if not kept:
            raise InputError('point labels for at least one video', file=self.ann_file, field='points', found='none')
        if left_out:
            names = [info['video_id'] for info in self.data_list if not len(info['video_labels'])]
            print_log(
                f'{self.ann_file}: without a point, and left out: {left_out} of '
                f'{counted(len(self.data_list), "training video")} '
                f"(pointless='background' keeps them): {names[:5]}",
                logger='current',
                level=logging.WARNING,
            )
        return kept


def _check_paths(data_prefix, suffix, **files):
    """Make sure that every file is a path or ``None``; only ``point_file`` may be a list of paths."""
    for name, path in files.items():
        paths = path if name == 'point_file' and isinstance(path, (list, tuple)) else [path]
        if not all(part is None or isinstance(part, (str, os.PathLike)) for part in paths):
            raise InputError('the path of a file', field=name, found=path)
    folders = data_prefix.values() if isinstance(data_prefix, dict) else ()
    if not folders or not all(isinstance(folder, (str, os.PathLike)) for folder in folders):
        raise InputError('a dict from stream to folder', field='data_prefix', found=data_prefix)
    if not isinstance(suffix, str):
        raise InputError('a suffix such as .npy', field='suffix', found=repr(suffix))


def _has_segment(info):
    start, end = info['grid'].to_sec(info['window'])
    return len(segments_inside(info['gt_segments_sec'], start, end)) > 0
