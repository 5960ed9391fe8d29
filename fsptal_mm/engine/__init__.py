from .hooks import (
    EpochSeedHook,
    FiniteLossHook,
    NonFiniteLossError,
    PseudoLabelMiningHook,
    ResultFileHook,
    TALVisualizationHook,
)

__all__ = [
    'EpochSeedHook',
    'FiniteLossHook',
    'NonFiniteLossError',
    'PseudoLabelMiningHook',
    'ResultFileHook',
    'TALVisualizationHook',
]
