from .candidate_sampler import CandidateSampler
from .dynamic_sampling import DynamicSegmentSampler, SegmentView, TimeWarp, WarpedGrid
from .mean_level_proposals import MeanLevelProposals
from .nms import nms, soft_nms
from .proposal_generator import ProposalGenerator
from .pseudo_label_miner import PseudoLabelMiner
from .segment_assigner import SegmentAssigner, SegmentTargets
from .segment_searcher import SegmentSearcher
from .sfnet_growth import SFNetGrowth

__all__ = [
    'CandidateSampler',
    'DynamicSegmentSampler',
    'MeanLevelProposals',
    'ProposalGenerator',
    'PseudoLabelMiner',
    'SFNetGrowth',
    'SegmentAssigner',
    'SegmentSearcher',
    'SegmentTargets',
    'SegmentView',
    'TimeWarp',
    'WarpedGrid',
    'nms',
    'soft_nms',
]
