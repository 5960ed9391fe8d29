from .data_preprocessor import SnippetDataPreprocessor
from .detectors import PointTAL
from .embeddings import PackedConv1d, SnippetEmbedding
from .heads import ForegroundBranch, PointTALHead, SnippetScores
from .losses import PointFocalLoss, VideoLevelLoss
from .task_modules import ProposalGenerator, PseudoLabelMiner

__all__ = [
    'ForegroundBranch',
    'PackedConv1d',
    'PointFocalLoss',
    'PointTAL',
    'PointTALHead',
    'ProposalGenerator',
    'PseudoLabelMiner',
    'SnippetDataPreprocessor',
    'SnippetEmbedding',
    'SnippetScores',
    'VideoLevelLoss',
]
