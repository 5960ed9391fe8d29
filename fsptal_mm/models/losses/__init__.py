from .feature_separation import FeatureSeparationLoss, feature_separation_loss
from .point_focal import ElementwisePointLoss, PointFocalLoss, point_focal_loss
from .score_contrast import OICLoss, outer_inner_contrast, segment_contrast
from .video_level import VideoLevelLoss, pool_video_scores

__all__ = [
    'ElementwisePointLoss',
    'FeatureSeparationLoss',
    'OICLoss',
    'PointFocalLoss',
    'VideoLevelLoss',
    'feature_separation_loss',
    'outer_inner_contrast',
    'point_focal_loss',
    'pool_video_scores',
    'segment_contrast',
]
