# DELU (Chen et al., ECCV 2022) with its own network on the features themselves, constants and proposals of its public
# code for THUMOS14: github.com/MengyuanChen21/ECCV2022-DELU. Training loaders need a SharedClassBatchSampler.
feature_dim = 2048

model = dict(
    type='PointTAL',
    embedding=dict(type='IdentityEmbedding'),
    head=dict(
        type='DELUHead',
        in_channels=feature_dim,
        streams=(feature_dim // 2, feature_dim // 2),  # RGB, flow
        dropout=0.7,
        filter_dropout=0.5,
        topk_divisor=10,
        video_topk_divisor=7,
        evidence_loss=dict(type='EvidenceLoss', topk_divisor=9, loss_weight=1.3),
        uncertainty_loss=dict(type='UncertaintyGuideLoss', amplitude=0.7, course='gather', loss_weight=0.4),
        co_activity_loss=dict(type='CoActivityLoss', num_pairs=3, margin=0.5),
        guide_weight=0.4,
        sparsity_weight=0.8,
        mutual_weight=1.0,
        scores='logits',
        proposals=dict(
            type='ProposalGenerator',
            video_threshold=0.2,
            upsampling=1,
            score_levels=[],
            background_levels=[round(0.1 + 0.8 * step / 19, 6) for step in range(20)],  # of the attention
            min_points=2,
            nms=dict(type='soft_nms', sigma=0.3, min_score=-1e6),  # scores are logits, which may be far below 0
        ),
    ),
)
