from .annotated_video import annotate_video
from .timeline import draw_timeline
from .timeline_data import NO_CLASS, FrameStrip, ModelTrack, SnippetCurves, Spans, Timeline

__all__ = [
    'NO_CLASS',
    'FrameStrip',
    'ModelTrack',
    'SnippetCurves',
    'Spans',
    'Timeline',
    'annotate_video',
    'draw_timeline',
]
