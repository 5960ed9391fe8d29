# Video-level multiple-instance learning on the trunk and proposals of the base model: no point is ever read.
feature_dim = 2048

model = dict(
    type='PointTAL',
    embedding=dict(type='SnippetEmbedding', in_channels=feature_dim),
    head=dict(
        type='MILHead',
        in_channels=feature_dim,
        dropout=0.7,
        video_loss=dict(type='VideoLevelLoss', topk_divisor=8),
        proposals=dict(type='ProposalGenerator', nms=dict(type='nms', iou_threshold=0.7)),
    ),
)
