from .feature_extractor import Extraction, FeatureExtractor
from .tal_inferencer import TALInferencer
from .timelines import add_results, join_tracks, read_frames, timelines_of_model, timelines_of_results

__all__ = [
    'Extraction',
    'FeatureExtractor',
    'TALInferencer',
    'add_results',
    'join_tracks',
    'read_frames',
    'timelines_of_model',
    'timelines_of_results',
]
