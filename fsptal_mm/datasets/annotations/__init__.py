from .json_readers import SourceAnnotations, read_annotations
from .point_readers import read_points
from .readers import PointRow, SourceVideo
from .records import Annotations, VideoRecord, load_annotations
from .tables import read_table
from .writers import save_activitynet, save_lacp, save_mmaction2, save_plain

__all__ = [
    'Annotations',
    'PointRow',
    'SourceAnnotations',
    'SourceVideo',
    'VideoRecord',
    'load_annotations',
    'read_annotations',
    'read_points',
    'read_table',
    'save_activitynet',
    'save_lacp',
    'save_mmaction2',
    'save_plain',
]
