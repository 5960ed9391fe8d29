"""Diagnosis after Alwassel et al., "Diagnosing Error in Temporal Action Detectors" (DETAD), ECCV 2018."""

from .characteristics import BUCKET_PRESETS, characteristics
from .diagnose import diagnose
from .errors import ERROR_TYPES, error_types
from .result import Bucket, Diagnosis, Gain
from .tables import bucket_table, describe_range, error_table, figure_rows, overview_table

__all__ = [
    'BUCKET_PRESETS',
    'ERROR_TYPES',
    'Bucket',
    'Diagnosis',
    'Gain',
    'bucket_table',
    'characteristics',
    'describe_range',
    'diagnose',
    'error_table',
    'error_types',
    'figure_rows',
    'overview_table',
]
