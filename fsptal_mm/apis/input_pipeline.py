"""From one input of an inferencer to what the model takes, through the config's own test pipeline."""

import math

from mmaction.registry import DATASETS

from fsptal_mm.datasets import PointTALDataset
from fsptal_mm.datasets.annotations import VideoRecord
from fsptal_mm.datasets.video_reader import open_video
from fsptal_mm.errors import InputError

from .feature_extractor import FeatureExtractor

_GRID_TOLERANCE = 0.01  # share of a snippet: frames per second are rounded in configs (29.97 and 30)


def build_test_dataset(config, grid=None):
    """The config's test data set, of which no file is read: its grid, its streams, its pipeline.

    Args:
        config (Config): Of an experiment.
        grid (dict, optional): Instead of the config's.

    Raises:
        InputError: The config has no test data set of snippet features.
    """
    dataset = config.get('test_dataloader', {}).get('dataset')
    if dataset is None or not issubclass(DATASETS.get(dataset.type) or object, PointTALDataset):
        found = dataset and dataset.type
        raise InputError('a PointTALDataset', file=config.filename, field='test_dataloader.dataset', found=found)
    changed = {} if grid is None else dict(grid=grid)
    return DATASETS.build({**dataset, **changed, 'test_mode': True, 'lazy_init': True})


def build_extractor(extractor, dataset, model, device):
    """A feature extractor for the snippets of a data set.

    Args:
        extractor (FeatureExtractor | dict): Ready, or arguments of one; ``fps``, ``snippet_frames`` and
            ``stride_frames`` are those of the grid, where it states them and the arguments do not.
        dataset (PointTALDataset): Whose grid the features shall have.
        model (dict): Config of the localizer that reads the features.
        device (torch.device): For a new one.

    Raises:
        InputError: Features of another dimension than the model's; whatever :class:`FeatureExtractor` finds wrong.
    """
    if isinstance(extractor, dict):
        stated = {key: dataset.grid[key] for key in ('fps', 'snippet_frames', 'stride_frames') if key in dataset.grid}
        if 'snippet_frames' in stated:
            stated.setdefault('stride_frames', stated['snippet_frames'])
        if stated.get('fps') == 'native':
            del stated['fps']
        extractor = FeatureExtractor(**{'device': device, **stated, **extractor})
    expected = model.embedding.get('in_channels')
    if extractor is not None and expected not in (None, extractor.feature_dim):
        field = 'dimension of the extracted features'
        raise InputError(f'{expected}, the in_channels of the model', field=field, found=extractor.feature_dim)
    return extractor


class InputPipeline:
    """Turns a :class:`VideoInput` into packed inputs of the model.

    Args:
        dataset (PointTALDataset): See :func:`build_test_dataset`.
        num_classes: C.
        extractor (FeatureExtractor, optional): Makes features of videos, for models that read features.
    """

    def __init__(self, dataset, num_classes, extractor=None):
        self.dataset = dataset
        self.num_classes = num_classes
        self.extractor = extractor

    def __call__(self, video):
        """See the class; an InputError says what is wrong with the input."""
        duration_sec, fps = video.duration_sec, None
        if video.is_video:
            reader = open_video(video.source)
            duration_sec, fps = reader.duration_sec, len(reader) / reader.duration_sec
        record = VideoRecord.unlabelled(video.video_id, duration_sec, fps)
        info = self.dataset.data_info(record, self.num_classes)
        info['feature_paths'] = list(video.paths) or [video.source]
        if video.features is not None:
            info['features'] = video.features
        elif video.is_video:
            info.update(self._extract(video, info['grid']))
        return self.dataset.pipeline(info)

    def _extract(self, video, grid):
        if self.extractor is None:
            expected = 'a feature extractor, since the model reads features and this is a video'
            raise InputError(expected, file=video.source, field='extractor')
        made = self.extractor.grid
        if not math.isclose(made.snippet_sec, grid.snippet_sec, rel_tol=_GRID_TOLERANCE):
            expected = f'{grid.snippet_sec:.4f} s, as the features that the model was trained on'
            raise InputError(expected, field='seconds per snippet of the extractor', found=round(made.snippet_sec, 4))
        return dict(features=self.extractor.extract(video.source), grid=made)
