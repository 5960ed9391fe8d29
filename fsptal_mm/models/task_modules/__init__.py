from .nms import nms, soft_nms
from .proposal_generator import ProposalGenerator
from .pseudo_label_miner import PseudoLabelMiner

__all__ = ['ProposalGenerator', 'PseudoLabelMiner', 'nms', 'soft_nms']
