from .folds import Fold
from .point_tal_dataset import PointTALDataset
from .shared_class_batches import SharedClassBatchSampler
from .synthetic.dataset import SyntheticPointTALDataset
from .synthetic.features import SyntheticParams
from .transforms import (
    CropToWindow,
    ExtendPointLabels,
    LoadSnippetClips,
    LoadSnippetFeatures,
    PackLocalizerInputs,
    PackPointTALInputs,
    PointsToSnippets,
    ResizeSnippets,
    SampleSnippets,
    SnippetLoader,
)
from .windows import Windows

__all__ = [
    'CropToWindow',
    'ExtendPointLabels',
    'Fold',
    'LoadSnippetClips',
    'LoadSnippetFeatures',
    'PackLocalizerInputs',
    'PackPointTALInputs',
    'PointTALDataset',
    'PointsToSnippets',
    'ResizeSnippets',
    'SampleSnippets',
    'SharedClassBatchSampler',
    'SnippetLoader',
    'SyntheticParams',
    'SyntheticPointTALDataset',
    'Windows',
]
