from .annotated_video import annotate_video
from .diagnosis import draw_error_profile, draw_false_negatives, draw_sensitivity, save_figure
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
    'draw_error_profile',
    'draw_false_negatives',
    'draw_sensitivity',
    'draw_timeline',
    'save_figure',
]
