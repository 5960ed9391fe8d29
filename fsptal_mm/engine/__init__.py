from .hooks import FiniteLossHook, NonFiniteLossError, PseudoLabelMiningHook, ResultFileHook

__all__ = ['FiniteLossHook', 'NonFiniteLossError', 'PseudoLabelMiningHook', 'ResultFileHook']
