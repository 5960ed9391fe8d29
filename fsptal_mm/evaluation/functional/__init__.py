from .classification import classification_measures
from .detection import detection_average_precision, match_detections
from .evaluate import Evaluation, evaluate_detections
from .instances import Instances, touches_any
from .proposals import average_recall, summarize_recall
from .protocol import PRESETS, Protocol
from .tables import class_table, summary_table

__all__ = [
    'PRESETS',
    'Evaluation',
    'Instances',
    'Protocol',
    'average_recall',
    'class_table',
    'classification_measures',
    'detection_average_precision',
    'evaluate_detections',
    'match_detections',
    'summarize_recall',
    'summary_table',
    'touches_any',
]
