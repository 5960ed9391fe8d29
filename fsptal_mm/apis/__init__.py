from .feature_extractor import Extraction, FeatureExtractor
from .inference_inputs import VideoInput, list_inputs
from .tal_inferencer import TALInferencer
from .timelines import add_results, join_tracks, read_frames, timelines_of_model, timelines_of_results

__all__ = [
    'Extraction',
    'FeatureExtractor',
    'TALInferencer',
    'VideoInput',
    'add_results',
    'join_tracks',
    'list_inputs',
    'read_frames',
    'timelines_of_model',
    'timelines_of_results',
]
