# LACP (Lee & Byun, ICCV 2021) on the trunk and proposals of the base model; constants of its public code:
# github.com/Pilhyeon/Learning-Action-Completeness-from-Points.
feature_dim = 2048

model = dict(
    type='PointTAL',
    embedding=dict(type='SnippetEmbedding', in_channels=feature_dim),
    head=dict(
        type='LACPHead',
        in_channels=feature_dim,
        dropout=0.7,
        video_loss=dict(type='LACPVideoLoss', topk_divisor=8),
        point_loss=dict(type='LACPPointLoss', action_weight=0.5, background_weight=1.0),
        miner=dict(type='LACPSeedMiner', background_threshold=0.95, action_threshold=0.1),
        searcher=dict(type='SegmentSearcher', outer_ratio=0.25, original=True, background_segments=True),
        temperature=0.1,
        score_weight=1.0,
        feature_weight=1.0,
        proposals=dict(type='ProposalGenerator', nms=dict(type='nms', iou_threshold=0.7)),
    ),
)
