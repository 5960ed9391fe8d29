from .clips import LoadSnippetClips
from .formatting import PackPointTALInputs
from .labels import ExtendPointLabels, PointsToSnippets, ResizeSnippets
from .loading import LoadSnippetFeatures, SnippetLoader

__all__ = [
    'ExtendPointLabels',
    'LoadSnippetClips',
    'LoadSnippetFeatures',
    'PackPointTALInputs',
    'PointsToSnippets',
    'ResizeSnippets',
    'SnippetLoader',
]
