from .point_focal import PointFocalLoss, point_focal_loss
from .video_level import VideoLevelLoss, pool_video_scores

__all__ = ['PointFocalLoss', 'VideoLevelLoss', 'point_focal_loss', 'pool_video_scores']
