from .bootstrap import (
    PairedDifference,
    paired_difference,
    resample_videos,
    resampled_average_precision,
    resampled_point_precision,
    sample_deviation,
)
from .classification import classification_measures
from .detection import (
    assign_detections,
    average_precision,
    detection_average_precision,
    match_detections,
    precision_curves,
    video_average_precision,
)
from .evaluate import Evaluation, evaluate_detections
from .pairs import paired_iou, pairs_within_groups, touches_any
from .points import match_points, point_average_precision, point_extents, point_video_average_precision
from .proposals import RECALL_AT, average_recall, summarize_recall
from .protocol import PRESETS, Protocol
from .tables import class_table, render_markdown, summary_table

__all__ = [
    'PRESETS',
    'RECALL_AT',
    'Evaluation',
    'PairedDifference',
    'Protocol',
    'assign_detections',
    'average_precision',
    'average_recall',
    'class_table',
    'classification_measures',
    'detection_average_precision',
    'evaluate_detections',
    'match_detections',
    'match_points',
    'paired_difference',
    'paired_iou',
    'pairs_within_groups',
    'point_average_precision',
    'point_extents',
    'point_video_average_precision',
    'precision_curves',
    'render_markdown',
    'resample_videos',
    'resampled_average_precision',
    'resampled_point_precision',
    'sample_deviation',
    'summarize_recall',
    'summary_table',
    'touches_any',
    'video_average_precision',
]
