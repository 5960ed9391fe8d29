from .clip_backbone import pool_clip_features
from .data_preprocessor import SnippetDataPreprocessor
from .detectors import PointTAL
from .heads import (
    ForegroundBranch,
    FSPTALHead,
    LACPHead,
    MILHead,
    PointTALHead,
    RefinementHead,
    SeparationBranch,
    SFNetHead,
    SnippetHead,
    SnippetScores,
)
from .losses import (
    ElementwisePointLoss,
    FeatureSeparationLoss,
    OICLoss,
    PointFocalLoss,
    QualityFocalLoss,
    SegmentGIoULoss,
    VideoLevelLoss,
    VideoSoftmaxLoss,
)
from .segment_network import SegmentNetwork
from .segment_pooling import SegmentPooling
from .task_modules import (
    CandidateSampler,
    MeanLevelProposals,
    ProposalGenerator,
    PseudoLabelMiner,
    SegmentAssigner,
    SegmentSearcher,
    SFNetGrowth,
)
from .trunks import (
    AffinityEmbedding,
    IdentityEmbedding,
    MaskedConv1d,
    PackedConv1d,
    SnippetEmbedding,
    TransformerEmbedding,
)

__all__ = [
    'AffinityEmbedding',
    'CandidateSampler',
    'ElementwisePointLoss',
    'FSPTALHead',
    'FeatureSeparationLoss',
    'ForegroundBranch',
    'IdentityEmbedding',
    'LACPHead',
    'MILHead',
    'MaskedConv1d',
    'MeanLevelProposals',
    'OICLoss',
    'PackedConv1d',
    'PointFocalLoss',
    'PointTAL',
    'PointTALHead',
    'ProposalGenerator',
    'PseudoLabelMiner',
    'QualityFocalLoss',
    'RefinementHead',
    'SFNetGrowth',
    'SFNetHead',
    'SegmentAssigner',
    'SegmentGIoULoss',
    'SegmentNetwork',
    'SegmentPooling',
    'SegmentSearcher',
    'SeparationBranch',
    'SnippetDataPreprocessor',
    'SnippetEmbedding',
    'SnippetHead',
    'SnippetScores',
    'TransformerEmbedding',
    'VideoLevelLoss',
    'VideoSoftmaxLoss',
    'pool_clip_features',
]
