from .foreground_branch import ForegroundBranch
from .point_tal_head import PointTALHead, SnippetScores

__all__ = ['ForegroundBranch', 'PointTALHead', 'SnippetScores']
