from .foreground_branch import ForegroundBranch
from .fsptal_head import FSPTALHead
from .lacp_head import LACPHead, LACPPointLoss, LACPSeedMiner, LACPVideoLoss
from .mil_head import MILHead
from .point_tal_head import PointTALHead
from .refinement_head import RefinementHead
from .separation_branch import SeparationBranch
from .sfnet_head import SFNetHead
from .snippet_head import SnippetHead, SnippetScores

__all__ = [
    'FSPTALHead',
    'ForegroundBranch',
    'LACPHead',
    'LACPPointLoss',
    'LACPSeedMiner',
    'LACPVideoLoss',
    'MILHead',
    'PointTALHead',
    'RefinementHead',
    'SFNetHead',
    'SeparationBranch',
    'SnippetHead',
    'SnippetScores',
]
