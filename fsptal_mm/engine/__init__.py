from .hooks import (
    EpochSeedHook,
    FiniteLossHook,
    NonFiniteLossError,
    PseudoLabelMiningHook,
    RefinementHook,
    ResultFileHook,
    TALVisualizationHook,
)

__all__ = [
    'EpochSeedHook',
    'FiniteLossHook',
    'NonFiniteLossError',
    'PseudoLabelMiningHook',
    'RefinementHook',
    'ResultFileHook',
    'TALVisualizationHook',
]
