from .point_tal_dataset import PointTALDataset
from .synthetic.dataset import SyntheticPointTALDataset
from .transforms import (
    CropToWindow,
    ExtendPointLabels,
    LoadSnippetClips,
    LoadSnippetFeatures,
    PackLocalizerInputs,
    PackPointTALInputs,
    PointsToSnippets,
    ResizeSnippets,
    SnippetLoader,
)

__all__ = [
    'CropToWindow',
    'ExtendPointLabels',
    'LoadSnippetClips',
    'LoadSnippetFeatures',
    'PackLocalizerInputs',
    'PackPointTALInputs',
    'PointTALDataset',
    'PointsToSnippets',
    'ResizeSnippets',
    'SnippetLoader',
    'SyntheticPointTALDataset',
]
