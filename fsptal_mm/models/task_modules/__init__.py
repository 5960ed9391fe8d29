from .nms import nms, soft_nms
from .proposal_generator import ProposalGenerator
from .pseudo_label_miner import PseudoLabelMiner
from .segment_search import SegmentSearcher
from .video_labels import VideoLabels

__all__ = ['ProposalGenerator', 'PseudoLabelMiner', 'SegmentSearcher', 'VideoLabels', 'nms', 'soft_nms']
