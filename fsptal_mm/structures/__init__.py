from .clip_batch import ClipBatch
from .detection import Detection, name_detections
from .grid import SnippetGrid, snippet_edges_sec
from .instances import NO_CLASS, Instances, to_numpy
from .labels import NO_INSTANCE, PointTargets, SegmentLabels, VideoLabels
from .rows import take_rows
from .segment_batch import SegmentBatch, paired_tiou
from .segments import outer_length, segment_iou, segments_inside
from .snippet_batch import SnippetBatch, to_device

__all__ = [
    'NO_CLASS',
    'NO_INSTANCE',
    'ClipBatch',
    'Detection',
    'Instances',
    'PointTargets',
    'SegmentBatch',
    'SegmentLabels',
    'SnippetBatch',
    'SnippetGrid',
    'VideoLabels',
    'name_detections',
    'outer_length',
    'paired_tiou',
    'segment_iou',
    'segments_inside',
    'snippet_edges_sec',
    'take_rows',
    'to_device',
    'to_numpy',
]
