from .point_tal_dataset import PointTALDataset
from .synthetic_dataset import SyntheticPointTALDataset
from .transforms import (
    ExtendPointLabels,
    LoadSnippetClips,
    LoadSnippetFeatures,
    PackPointTALInputs,
    PointsToSnippets,
    ResizeSnippets,
    SnippetLoader,
)

__all__ = [
    'ExtendPointLabels',
    'LoadSnippetClips',
    'LoadSnippetFeatures',
    'PackPointTALInputs',
    'PointTALDataset',
    'PointsToSnippets',
    'ResizeSnippets',
    'SnippetLoader',
    'SyntheticPointTALDataset',
]
