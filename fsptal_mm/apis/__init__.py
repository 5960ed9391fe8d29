from .feature_extractor import Extraction, FeatureExtractor
from .inference_inputs import VideoInput, list_inputs
from .kept_features import KeptFeatures
from .next_videos import SuggestedVideo, mean_features, suggest_videos, unlabelled_videos
from .operating_points import build_held_out, choose_for_checkpoint, held_out_config
from .pictures import draw_pictures, draw_results
from .tal_inferencer import TALInferencer
from .timelines import add_results, join_tracks, read_frames, timelines_of_model, timelines_of_results

__all__ = [
    'Extraction',
    'FeatureExtractor',
    'KeptFeatures',
    'SuggestedVideo',
    'TALInferencer',
    'VideoInput',
    'add_results',
    'build_held_out',
    'choose_for_checkpoint',
    'draw_pictures',
    'draw_results',
    'held_out_config',
    'join_tracks',
    'list_inputs',
    'mean_features',
    'read_frames',
    'suggest_videos',
    'timelines_of_model',
    'timelines_of_results',
    'unlabelled_videos',
]
