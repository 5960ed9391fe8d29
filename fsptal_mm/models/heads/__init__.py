from .asmloc_head import ASMLocHead
from .asmloc_refined_head import ASMLocRefinedHead
from .backtal_head import BackTALHead
from .cross_modal_filter import CrossModalFilter
from .delu_head import DELUHead
from .ensemble_head import EnsembleHead
from .foreground_branch import ForegroundBranch
from .fsptal_head import FSPTALHead
from .hrpro_head import HRProHead
from .hrpro_instance_head import HRProInstanceHead
from .lacp_head import LACPHead, LACPPointLoss, LACPSeedMiner, LACPVideoLoss
from .mil_head import MILHead
from .point_tal_head import PointTALHead
from .prototype_memory import PrototypeMemory, prototype_contrast
from .refinement_head import RefinementHead
from .reliability_encoder import ReliabilityEncoder
from .segment_attention import SegmentAttention
from .separation_branch import SeparationBranch
from .sfnet_head import SFNetHead
from .snippet_head import SnippetHead, SnippetScores

__all__ = [
    'ASMLocHead',
    'ASMLocRefinedHead',
    'BackTALHead',
    'CrossModalFilter',
    'DELUHead',
    'EnsembleHead',
    'FSPTALHead',
    'ForegroundBranch',
    'HRProHead',
    'HRProInstanceHead',
    'LACPHead',
    'LACPPointLoss',
    'LACPSeedMiner',
    'LACPVideoLoss',
    'MILHead',
    'PointTALHead',
    'PrototypeMemory',
    'RefinementHead',
    'ReliabilityEncoder',
    'SFNetHead',
    'SegmentAttention',
    'SeparationBranch',
    'SnippetHead',
    'SnippetScores',
    'prototype_contrast',
]
