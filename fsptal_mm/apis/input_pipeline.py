"""Preparation of the inputs of an inferencer for the model, with the test pipeline of the model's config."""

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from mmaction.registry import DATASETS
from mmengine.config import Config

from fsptal_mm.datasets import PointTALDataset
from fsptal_mm.datasets.annotations.records import VideoRecord
from fsptal_mm.datasets.feature_settings import read_settings, stated_grid
from fsptal_mm.datasets.transforms import LoadSnippetClips
from fsptal_mm.datasets.videos.flow import FLOW_SOURCES
from fsptal_mm.datasets.videos.reader import open_video
from fsptal_mm.structures import SnippetGrid
from fsptal_mm.utils.errors import InputError

from .feature_extractor import FeatureExtractor
from .inference_inputs import VideoInput
from .kept_features import KeptFeatures

_GRID_TOLERANCE = 0.01  # relative tolerance of snippet lengths: configs round frames per second (30 for 29.97)


class ModelInputs:
    """Description of the inputs that a model takes, from its config; no annotations or features are read.

    Args:
        config (Config): Config of an experiment.
        grid (dict, optional): Fields of :meth:`.SnippetGrid.from_config`. Default: the grid of the test dataset in the
            config, else the grid in ``features.json``, the side file of the features.

    Attributes:
        dataset (PointTALDataset): The test dataset, built but not loaded: only its grid, streams and pipeline are used.
        settings (dict | None): Content of the side file of the test features, else of the training features; ``None``
            if neither has one. ``tools/data/extract_features.py`` writes :attr:`.FeatureExtractor.settings` into it.
        is_clips: Whether the model takes clips of videos instead of features.
        feature_dim: Dimension D of the features; ``None`` if the config does not state it.

    Raises:
        InputError: The test dataset is no :class:`.PointTALDataset`, its grid is unknown, or the config has no
            ``model.embedding``.
    """

    def __init__(self, config: Config, grid: dict[str, Any] | None = None) -> None:
        dataset = config.get('test_dataloader', {}).get('dataset')
        if dataset is None or not issubclass(DATASETS.get(dataset.type) or object, PointTALDataset):
            found = dataset and dataset.type
            raise InputError('a PointTALDataset', file=config.filename, field='test_dataloader.dataset', found=found)
        self.settings = _extraction_settings(config)
        grid = grid or dataset.get('grid') or (self.settings and self.settings['grid'])
        self.dataset = DATASETS.build({**dataset, 'grid': grid, 'test_mode': True, 'lazy_init': True})
        self.is_clips = config.model.get('backbone') is not None
        self.feature_dim = _trunk(config).get('in_channels')

    def build_extractor(
        self, extractor: FeatureExtractor | dict[str, Any] | None, device: torch.device
    ) -> FeatureExtractor | None:
        """Build a feature extractor for this model, or check that an extractor fits it.

        Args:
            extractor (FeatureExtractor | dict | None): An extractor; a dict of its arguments, in which grid and clip
                length are those of the stored features by default; or ``None``.
            device (torch.device): Device of the extractor, if it is built here.

        Returns:
            FeatureExtractor | None: The extractor; ``None`` if ``extractor`` is ``None``.

        Raises:
            InputError: The extractor's features have another dimension than the model takes; the side file of the
                stored features names another network; or an argument of :class:`FeatureExtractor` is wrong.
        """
        if isinstance(extractor, dict):
            extractor = FeatureExtractor(**{'device': device, **self._clip_arguments(), **extractor})
        if extractor is None:
            return None
        if self.feature_dim not in (None, extractor.feature_dim):
            field = 'dimension of the extracted features'
            raise InputError(
                f'{self.feature_dim}, the dimension that the model takes', field=field, found=extractor.feature_dim
            )
        made, known = extractor.settings['model'], (self.settings or {}).get('model')
        if known and any(made[name] != known[name] for name in ('config_sha256', 'checkpoint_sha256')):
            hint = 'if it was changed by --cfg-options then, give a config file with these changes'
            expected = f'{known}, the network that made the features of the config ({hint})'
            raise InputError(expected, field='extractor', found=made)
        return extractor

    def _clip_arguments(self):
        """Arguments of a :class:`FeatureExtractor` that the grid and the side file determine."""
        grid = {key: value for key, value in self.dataset.grid.items() if key != 'offset_sec'}
        if 'snippet_frames' in grid:
            grid.setdefault('stride_frames', grid['snippet_frames'])
        if grid.get('fps') == 'native' or 'fps' not in grid:  # an extractor needs one rate for all videos
            grid = {}
        settings = self.settings or {}
        known = {name: settings[name] for name in ('clip_len', 'half') if name in settings}
        if settings.get('source') in FLOW_SOURCES:  # not for flow images, whose folder the side file does not state
            known['source'] = settings['source']
        return grid | known


def _trunk(config):
    """Config of the trunk that takes the features: the model's ``embedding``, or its first element if it is a list."""
    embedding = config.model.get('embedding')
    trunk = embedding[0] if isinstance(embedding, (list, tuple)) and embedding else embedding
    if not isinstance(trunk, dict):
        expected, found = 'a model with an embedding, such as PointTAL', config.model.get('type')
        raise InputError(expected, file=config.filename, field='model.type', found=found)
    return trunk


def _extraction_settings(config):
    """Content of the side file of the test features, else of the training features; None if there is none."""
    for name in ('test_dataloader', 'train_dataloader'):
        dataset = config.get(name, {}).get('dataset', {})
        for prefix in dataset.get('data_prefix', {}).values():
            settings = read_settings(Path(dataset.get('data_root') or '', prefix))
            if settings is not None:
                return settings
    return None


class InputPipeline:
    """Pipeline that reads a :class:`VideoInput` and packs it as input of the model.

    Args:
        reads (ModelInputs): Description of the inputs that the model takes.
        num_classes: Number of classes, C.
        extractor (FeatureExtractor, optional): Extractor for video files, if the model takes features. Default: video
            files are then an error.
        allow_damaged: Whether to take what can be read of truncated and damaged videos, also in the
            ``LoadSnippetClips`` of the test pipeline. Default: such videos are errors.

    Attributes:
        kept (KeptFeatures | None): Where the features of videos are kept, see :meth:`keep_features`.
    """

    def __init__(
        self,
        reads: ModelInputs,
        num_classes: int,
        extractor: FeatureExtractor | None = None,
        allow_damaged: bool = False,
    ) -> None:
        self.reads = reads
        self.num_classes = num_classes
        self.extractor = extractor
        self.allow_damaged = allow_damaged
        self.kept = None
        for step in reads.dataset.pipeline.transforms:
            if isinstance(step, LoadSnippetClips):
                step.allow_damaged |= allow_damaged

    def keep_features(self, parent: str | Path | None) -> None:
        """Keep the features of videos below the folder ``parent``, and take them from there; ``None``: keep nothing.

        Features of flow images are not kept, since they depend on a folder of images and not on the video alone.
        """
        keeps = parent is not None and self.extractor is not None and not Path(self.extractor.source).is_dir()
        self.kept = KeptFeatures(parent, self.extractor) if keeps else None

    def __call__(self, video: VideoInput, on_progress: Callable[[float], object] | None = None) -> dict[str, Any]:
        """Read and pack one video.

        Args:
            video (VideoInput): The video.
            on_progress: Function that is called while features are extracted from a video file, with the share of the
                snippets that is done, 0 to 1.

        Returns:
            dict: ``inputs`` and ``data_samples``, as the test pipeline packs them.

        Raises:
            InputError: The video or its features cannot be read, or do not fit the model.
        """
        duration_sec, fps = video.duration_sec, None
        if video.is_video:
            reader = open_video(video.source, self.allow_damaged)
            duration_sec, fps = reader.duration_sec, reader.mean_fps
        elif self.reads.is_clips:
            raise InputError('a video file, since the model takes clips', file=video.source, video=video.video_id)
        info = self.reads.dataset.data_info(VideoRecord.unlabelled(video.video_id, duration_sec, fps), self.num_classes)
        info['feature_paths'] = list(video.paths) or [video.source]
        if video.features is not None:
            info['features'] = video.features
        elif video.is_video and not self.reads.is_clips:
            info['features'] = self._extract(video, info['grid'], on_progress)
            info['grid'] = self.extractor.grid
        elif not video.is_video:
            _check_side_file(video, info['grid'])
        return self.reads.dataset.pipeline(info)

    def read_each(
        self,
        videos: Iterable[VideoInput],
        failures: list[InputError] | None = None,
        on_progress: Callable[[float], object] | None = None,
    ) -> Iterator[tuple[VideoInput, dict[str, Any]]]:
        """Read and pack videos, one after the other.

        Args:
            videos: Videos with different ids.
            failures: List to which the errors of single videos are added. Default: the first error is raised.
            on_progress: Function that is called with the number of videos that are done. While features are extracted,
                the share of the present video is added: 2.5 means two videos and half of the third.

        Yields:
            tuple: A video and its packed inputs.

        Raises:
            InputError: A video cannot be used, or has the id of an earlier video, and ``failures`` is ``None``.
        """
        sources, show = {}, on_progress or (lambda _: None)
        for index, video in enumerate(videos):
            try:
                if video.video_id in sources:
                    raise InputError('only one input with this id', field='inputs', found=sources[video.video_id])
                data = self(video, lambda share, index=index: show(index + share))
            except InputError as error:
                if failures is None:
                    raise video.naming(error) from error
                failures.append(video.naming(error))
            else:
                sources[video.video_id] = video.source
                yield video, data
            show(index + 1)

    def _extract(self, video, grid, on_progress):
        """Extract the features of a video file. InputError if the snippet lengths of extractor and model differ."""
        if self.extractor is None:
            expected = 'a feature extractor, since the model takes features and the input is a video'
            raise InputError(expected, file=video.source, field='extractor')
        found = self.extractor.grid.snippet_sec
        if not math.isclose(found, grid.snippet_sec, rel_tol=_GRID_TOLERANCE):
            expected = f'{grid.snippet_sec:.4g} s, as in the features that the model was trained on'
            raise InputError(expected, field='seconds per snippet of the extractor', found=round(found, 4))
        if self.kept is not None:
            return self.kept.extract(video.source, video.video_id, on_progress)
        return self.extractor.extract(video.source, on_progress)


def _check_side_file(video, grid):
    """Make sure that features have the snippet length of the model's grid; without a side file, nothing is checked."""
    stated = stated_grid([Path(path).parent for path in video.paths])
    found_sec = SnippetGrid.from_config(stated[0]).snippet_sec if stated else grid.snippet_sec
    if not math.isclose(found_sec, grid.snippet_sec, rel_tol=_GRID_TOLERANCE):
        expected = f'{grid.snippet_sec:.4g} s, as in the features that the model was trained on'
        raise InputError(expected, file=stated[1], field='seconds per snippet', found=round(found_sec, 4))
