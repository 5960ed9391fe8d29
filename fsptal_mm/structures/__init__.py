from .clip_batch import ClipBatch
from .point_targets import NO_INSTANCE, PointTargets
from .segments import SnippetGrid, segment_iou
from .snippet_batch import SnippetBatch

__all__ = ['NO_INSTANCE', 'ClipBatch', 'PointTargets', 'SnippetBatch', 'SnippetGrid', 'segment_iou']
