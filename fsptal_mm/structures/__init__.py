from .clip_batch import ClipBatch
from .detection import Detection
from .point_targets import NO_INSTANCE, PointTargets
from .segment_batch import SegmentBatch, paired_tiou
from .segments import SnippetGrid, segment_iou, segments_inside, snippet_edges_sec
from .snippet_batch import SnippetBatch

__all__ = [
    'NO_INSTANCE',
    'ClipBatch',
    'Detection',
    'PointTargets',
    'SegmentBatch',
    'SnippetBatch',
    'SnippetGrid',
    'paired_tiou',
    'segment_iou',
    'segments_inside',
    'snippet_edges_sec',
]
