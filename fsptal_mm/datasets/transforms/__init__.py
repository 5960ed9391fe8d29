from .formatting import PackPointTALInputs
from .labels import ExtendPointLabels, PointsToSnippets, ResizeSnippets
from .loading import LoadSnippetFeatures

__all__ = ['ExtendPointLabels', 'LoadSnippetFeatures', 'PackPointTALInputs', 'PointsToSnippets', 'ResizeSnippets']
