from .point_tal_dataset import PointTALDataset
from .synthetic_dataset import SyntheticPointTALDataset
from .transforms import (
    CropToWindow,
    ExtendPointLabels,
    LoadSnippetFeatures,
    PackLocalizerInputs,
    PackPointTALInputs,
    PointsToSnippets,
    ResizeSnippets,
)

__all__ = [
    'CropToWindow',
    'ExtendPointLabels',
    'LoadSnippetFeatures',
    'PackLocalizerInputs',
    'PackPointTALInputs',
    'PointTALDataset',
    'PointsToSnippets',
    'ResizeSnippets',
    'SyntheticPointTALDataset',
]
