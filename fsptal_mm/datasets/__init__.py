from .point_tal_dataset import PointTALDataset
from .synthetic_dataset import SyntheticPointTALDataset
from .transforms import ExtendPointLabels, LoadSnippetFeatures, PackPointTALInputs, PointsToSnippets, ResizeSnippets

__all__ = [
    'ExtendPointLabels',
    'LoadSnippetFeatures',
    'PackPointTALInputs',
    'PointTALDataset',
    'PointsToSnippets',
    'ResizeSnippets',
    'SyntheticPointTALDataset',
]
