from importlib import import_module
from typing import TYPE_CHECKING

from .tal_visualizer import TALVisualizer
from .timeline.builder import sample_timeline, video_timeline
from .timeline.data import FrameStrip, ModelTrack, SnippetCurves, Timeline

if TYPE_CHECKING:  # drawing functions are imported at first use, since matplotlib would double the time of our import
    from .annotated_video import annotate_video
    from .diagnosis import draw_best_detections, draw_error_profile, draw_false_negatives, draw_sensitivity
    from .figure_files import SUFFIXES, save_figure
    from .label_quality import label_quality_figure
    from .timeline.figure import axis_width_in, draw_timeline, timeline_figure, timeline_image

_DRAWING = {
    'annotated_video': ('annotate_video',),
    'diagnosis': ('draw_best_detections', 'draw_error_profile', 'draw_false_negatives', 'draw_sensitivity'),
    'figure_files': ('SUFFIXES', 'save_figure'),
    'label_quality': ('label_quality_figure',),
    'timeline.figure': ('axis_width_in', 'draw_timeline', 'timeline_figure', 'timeline_image'),
}

__all__ = [
    'SUFFIXES',
    'FrameStrip',
    'ModelTrack',
    'SnippetCurves',
    'TALVisualizer',
    'Timeline',
    'annotate_video',
    'axis_width_in',
    'draw_best_detections',
    'draw_error_profile',
    'draw_false_negatives',
    'draw_sensitivity',
    'draw_timeline',
    'label_quality_figure',
    'sample_timeline',
    'save_figure',
    'timeline_figure',
    'timeline_image',
    'video_timeline',
]


def __getattr__(name):
    for module, names in _DRAWING.items():
        if name in names:
            return getattr(import_module(f'.{module}', __name__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')


def __dir__():
    return __all__
