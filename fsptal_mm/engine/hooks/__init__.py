from .atomic_checkpoint_hook import AtomicCheckpointHook
from .epoch_seed_hook import EpochSeedHook
from .finite_loss_hook import FiniteLossHook, NonFiniteLossError
from .paced_logger_hook import PacedLoggerHook
from .prototype_hook import PrototypeHook
from .pseudo_label_mining_hook import PseudoLabelMiningHook
from .refinement_hook import RefinementHook
from .refresh_hook import RefreshHook
from .result_file_hook import ResultFileHook
from .run_checks_hook import RunChecksHook
from .stage_hook import StageHook
from .step_info_hook import StepInfoHook
from .tal_visualization_hook import TALVisualizationHook

__all__ = [
    'AtomicCheckpointHook',
    'EpochSeedHook',
    'FiniteLossHook',
    'NonFiniteLossError',
    'PacedLoggerHook',
    'PrototypeHook',
    'PseudoLabelMiningHook',
    'RefinementHook',
    'RefreshHook',
    'ResultFileHook',
    'RunChecksHook',
    'StageHook',
    'StepInfoHook',
    'TALVisualizationHook',
]
