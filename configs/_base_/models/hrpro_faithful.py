# Stage 1 of HR-Pro (Zhang et al., AAAI 2024) on the features themselves, with constants, tokens and proposals of its
# public code: github.com/pipixin321/HR-Pro.
feature_dim = 2048

model = dict(
    type='PointTAL',
    embedding=dict(type='IdentityEmbedding'),
    head=dict(
        type='HRProHead',
        in_channels=feature_dim,
        dropout=0.7,
        encoder=dict(num_layers=2, num_heads=8, mlp_channels=128, dropout=0.3, attention_dropout=0.1),
        momentum=0.001,
        memory_update='video',
        point_loss=dict(type='LACPPointLoss', action_weight=0.5, background_weight=1.0),
        miner=dict(type='LACPSeedMiner', background_threshold=0.95, action_threshold=0.1),
        temperature=0.1,
        contrast_weight=1.0,
        tokens='scrambled',
        proposals=dict(
            type='ProposalGenerator',
            video_threshold=0.5,
            upsampling=2,
            outer_curve='cut',
            video_weight=0.0,
            nms=dict(type='soft_nms', sigma=0.3, min_score=-1e6),  # scores are differences, which may be below 0
        ),
    ),
)
