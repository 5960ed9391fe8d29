from .hooks import (
    AtomicCheckpointHook,
    EpochSeedHook,
    FiniteLossHook,
    NonFiniteLossError,
    PseudoLabelMiningHook,
    RefinementHook,
    ResultFileHook,
    TALVisualizationHook,
)

__all__ = [
    'AtomicCheckpointHook',
    'EpochSeedHook',
    'FiniteLossHook',
    'NonFiniteLossError',
    'PseudoLabelMiningHook',
    'RefinementHook',
    'ResultFileHook',
    'TALVisualizationHook',
]
