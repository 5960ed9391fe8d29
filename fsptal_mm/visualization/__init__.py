from .annotated_video import annotate_video
from .diagnosis import draw_error_profile, draw_false_negatives, draw_sensitivity
from .figure_files import SUFFIXES, save_figure
from .label_quality import label_quality_figure
from .tal_visualizer import TALVisualizer
from .timeline import axis_width_in, draw_timeline, timeline_figure, timeline_image
from .timeline_data import NO_CLASS, FrameStrip, ModelTrack, SnippetCurves, Spans, Timeline

__all__ = [
    'NO_CLASS',
    'SUFFIXES',
    'FrameStrip',
    'ModelTrack',
    'SnippetCurves',
    'Spans',
    'TALVisualizer',
    'Timeline',
    'annotate_video',
    'axis_width_in',
    'draw_error_profile',
    'draw_false_negatives',
    'draw_sensitivity',
    'draw_timeline',
    'label_quality_figure',
    'save_figure',
    'timeline_figure',
    'timeline_image',
]
