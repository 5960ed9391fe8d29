from .feature_extractor import Extraction, FeatureExtractor
from .inference_inputs import VideoInput, list_inputs
from .operating_points import build_held_out, choose_for_checkpoint, held_out_config
from .tal_inferencer import TALInferencer
from .timelines import add_results, join_tracks, read_frames, timelines_of_model, timelines_of_results

__all__ = [
    'Extraction',
    'FeatureExtractor',
    'TALInferencer',
    'VideoInput',
    'add_results',
    'build_held_out',
    'choose_for_checkpoint',
    'held_out_config',
    'join_tracks',
    'list_inputs',
    'read_frames',
    'timelines_of_model',
    'timelines_of_results',
]
