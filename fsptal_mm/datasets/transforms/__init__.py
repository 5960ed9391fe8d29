from .clips import LoadSnippetClips
from .formatting import PackLocalizerInputs, PackPointTALInputs
from .labels import CropToWindow, ExtendPointLabels, PointsToSnippets, ResizeSnippets
from .loading import LoadSnippetFeatures, SnippetLoader
from .sampling import SampleSnippets

__all__ = [
    'CropToWindow',
    'ExtendPointLabels',
    'LoadSnippetClips',
    'LoadSnippetFeatures',
    'PackLocalizerInputs',
    'PackPointTALInputs',
    'PointsToSnippets',
    'ResizeSnippets',
    'SampleSnippets',
    'SnippetLoader',
]
