# DELU (Chen et al., ECCV 2022) on a trunk of two streams, with the proposals of the other methods.
# configs/delu/README.md says what its public code (github.com/MengyuanChen21/ECCV2022-DELU) does in another way.
# Training loaders need a SharedClassBatchSampler.
feature_dim = 2048

model = dict(
    type='PointTAL',
    embedding=dict(type='SnippetEmbedding', in_channels=feature_dim, num_streams=2),
    head=dict(
        type='DELUHead',
        in_channels=feature_dim,
        streams=(feature_dim // 2, feature_dim // 2),  # RGB, flow
        dropout=0.7,
        filter_dropout=0.5,
        topk_divisor=10,
        video_topk_divisor=7,
        evidence_loss=dict(type='EvidenceLoss', topk_divisor=9, loss_weight=1.3),
        uncertainty_loss=dict(type='UncertaintyGuideLoss', amplitude=0.7, course='rank', loss_weight=0.4),
        co_activity_loss=dict(type='CoActivityLoss', num_pairs=3, margin=0.5),
        guide_weight=0.4,
        sparsity_weight=0.8,
        mutual_weight=1.0,
        proposals=dict(type='ProposalGenerator', relative_threshold=True, nms=dict(type='nms', iou_threshold=0.4)),
    ),
)
