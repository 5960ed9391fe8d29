from .annotated_video import annotate_video
from .timeline import draw_timeline

__all__ = ['annotate_video', 'draw_timeline']
