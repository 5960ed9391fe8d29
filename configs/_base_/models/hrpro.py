# Stage 1 of HR-Pro (Zhang et al., AAAI 2024) on the trunk and proposals of the other methods; constants of its public
# code: github.com/pipixin321/HR-Pro.
feature_dim = 2048

model = dict(
    type='PointTAL',
    embedding=dict(type='SnippetEmbedding', in_channels=feature_dim),
    head=dict(
        type='HRProHead',
        in_channels=feature_dim,
        dropout=0.7,
        encoder=dict(
            num_layers=2,
            num_heads=8,
            mlp_channels=128,
            dropout=0.3,
            attention_dropout=0.0,  # 0.1 in the public code; a dropout would keep the attention weights in memory
        ),
        momentum=0.001,
        point_loss=dict(type='LACPPointLoss', action_weight=0.5, background_weight=1.0),
        miner=dict(type='LACPSeedMiner', background_threshold=0.95, action_threshold=0.1),
        temperature=0.1,
        contrast_weight=1.0,
        proposals=dict(type='ProposalGenerator', nms=dict(type='nms', iou_threshold=0.4)),
    ),
)
