from .candidate_sampler import CandidateSampler
from .nms import nms, soft_nms
from .proposal_generator import ProposalGenerator
from .pseudo_label_miner import PseudoLabelMiner
from .segment_assigner import SegmentAssigner, SegmentTargets
from .segment_searcher import SegmentSearcher

__all__ = [
    'CandidateSampler',
    'ProposalGenerator',
    'PseudoLabelMiner',
    'SegmentAssigner',
    'SegmentSearcher',
    'SegmentTargets',
    'nms',
    'soft_nms',
]
