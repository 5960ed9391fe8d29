from .point_tal import PointTAL
from .staged_point_tal import StagedPointTAL

__all__ = ['PointTAL', 'StagedPointTAL']
