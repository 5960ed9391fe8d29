from .co_activity import CoActivityLoss, co_activity_loss
from .evidential import (
    EvidenceLoss,
    UncertaintyGuideLoss,
    course_weights,
    evidence_loss,
    guide_distances,
    video_mean,
)
from .feature_separation import FeatureSeparationLoss, feature_separation_loss
from .point_focal import ElementwisePointLoss, PointFocalLoss, point_focal_loss
from .score_contrast import OICLoss, outer_inner_contrast, segment_contrast
from .segment_losses import QualityFocalLoss, SegmentGIoULoss, quality_focal_loss, segment_giou_loss
from .video_level import (
    VideoLevelLoss,
    VideoSoftmaxLoss,
    largest_of_video,
    pool_video_scores,
    video_cross_entropy,
)

__all__ = [
    'CoActivityLoss',
    'ElementwisePointLoss',
    'EvidenceLoss',
    'FeatureSeparationLoss',
    'OICLoss',
    'PointFocalLoss',
    'QualityFocalLoss',
    'SegmentGIoULoss',
    'UncertaintyGuideLoss',
    'VideoLevelLoss',
    'VideoSoftmaxLoss',
    'co_activity_loss',
    'course_weights',
    'evidence_loss',
    'feature_separation_loss',
    'guide_distances',
    'largest_of_video',
    'outer_inner_contrast',
    'point_focal_loss',
    'pool_video_scores',
    'quality_focal_loss',
    'segment_contrast',
    'segment_giou_loss',
    'video_cross_entropy',
    'video_mean',
]
