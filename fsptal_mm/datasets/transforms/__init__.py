from .formatting import PackLocalizerInputs, PackPointTALInputs
from .labels import CropToWindow, ExtendPointLabels, PointsToSnippets, ResizeSnippets
from .loading import LoadSnippetFeatures

__all__ = [
    'CropToWindow',
    'ExtendPointLabels',
    'LoadSnippetFeatures',
    'PackLocalizerInputs',
    'PackPointTALInputs',
    'PointsToSnippets',
    'ResizeSnippets',
]
