from .hooks import EpochSeedHook, FiniteLossHook, NonFiniteLossError, PseudoLabelMiningHook, ResultFileHook

__all__ = ['EpochSeedHook', 'FiniteLossHook', 'NonFiniteLossError', 'PseudoLabelMiningHook', 'ResultFileHook']
