from .finite_loss_hook import FiniteLossHook, NonFiniteLossError
from .pseudo_label_mining_hook import PseudoLabelMiningHook
from .result_file_hook import ResultFileHook

__all__ = ['FiniteLossHook', 'NonFiniteLossError', 'PseudoLabelMiningHook', 'ResultFileHook']
