from .feature_extractor import Extraction, FeatureExtractor
from .tal_inferencer import TALInferencer

__all__ = ['Extraction', 'FeatureExtractor', 'TALInferencer']
