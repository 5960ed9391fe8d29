"""From one input of an inferencer to what the model takes, through the config's own test pipeline."""

from mmaction.registry import DATASETS

from fsptal_mm.datasets import PointTALDataset
from fsptal_mm.datasets.annotations import VideoRecord
from fsptal_mm.errors import InputError


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


class InputPipeline:
    """Turns a :class:`VideoInput` into packed inputs of the model.

    Args:
        dataset (PointTALDataset): See :func:`build_test_dataset`.
        num_classes: C.
    """

    def __init__(self, dataset, num_classes):
        self.dataset = dataset
        self.num_classes = num_classes

    def __call__(self, video):
        """See the class; an InputError says what is wrong with the input."""
        info = self.dataset.data_info(VideoRecord.unlabelled(video.video_id, video.duration_sec), self.num_classes)
        info['feature_paths'] = list(video.paths) or [video.source]
        if video.features is not None:
            info['features'] = video.features
        return self.dataset.pipeline(info)
