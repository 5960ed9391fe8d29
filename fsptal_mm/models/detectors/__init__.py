from .point_tal import PointTAL

__all__ = ['PointTAL']
