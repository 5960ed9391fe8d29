from .change_points import decode_change_points
from .hooks import (
    AtomicCheckpointHook,
    EpochSeedHook,
    FiniteLossHook,
    NonFiniteLossError,
    PacedLoggerHook,
    PrototypeHook,
    PseudoLabelMiningHook,
    RefinementHook,
    RefreshHook,
    ResultFileHook,
    RunChecksHook,
    StageHook,
    StepInfoHook,
    TALVisualizationHook,
)
from .pseudo_segments import PseudoSegmentRules, PseudoSegments

__all__ = [
    'AtomicCheckpointHook',
    'EpochSeedHook',
    'FiniteLossHook',
    'NonFiniteLossError',
    'PacedLoggerHook',
    'PrototypeHook',
    'PseudoLabelMiningHook',
    'PseudoSegmentRules',
    'PseudoSegments',
    'RefinementHook',
    'RefreshHook',
    'ResultFileHook',
    'RunChecksHook',
    'StageHook',
    'StepInfoHook',
    'TALVisualizationHook',
    'decode_change_points',
]
