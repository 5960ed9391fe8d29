# BackTAL (Yang et al., TPAMI 2022) with its own network on the features, constants and proposals of its public code for
# THUMOS14: github.com/VividLe/BackTAL. Training datasets need supervision='clicks'.
feature_dim = 2048

model = dict(
    type='PointTAL',
    embedding=dict(type='IdentityEmbedding'),
    head=dict(
        type='BackTALHead',
        in_channels=feature_dim,
        hidden_channels=2048,
        embed_channels=32,
        affinity='thirds',
        dropout=0.7,
        topk_divisor=8,
        sparsity_weight=1e-4,
        sparsity='sum',
        click_weight=1.0,
        score_weight=1.0,
        embedding_weight=0.8,
        psi_same=0.5,
        psi_diff=0.1,
        proposals=dict(
            type='ProposalGenerator',
            video_threshold=0.25,
            fallback=False,
            outer_curve='cut',
            background_levels=[0.3, 0.375, 0.45, 0.525, 0.6, 0.675, 0.75],
            nms=dict(type='nms', iou_threshold=0.55),
        ),
    ),
)
