# BackTAL (Yang et al., TPAMI 2022) on the trunk of the other methods, with constants of its public code:
# github.com/VividLe/BackTAL. configs/backtal/README.md says how its proposals differ from those of the other methods.
# Training datasets need supervision='clicks'.
feature_dim = 2048

model = dict(
    type='PointTAL',
    embedding=dict(type='SnippetEmbedding', in_channels=feature_dim),
    head=dict(
        type='BackTALHead',
        in_channels=feature_dim,
        embed_channels=32,
        dropout=0.7,
        topk_divisor=8,
        sparsity_weight=1e-4,
        click_weight=1.0,
        score_weight=1.0,
        embedding_weight=0.8,
        psi_same=0.5,
        psi_diff=0.1,
        proposals=dict(
            type='ProposalGenerator',
            relative_threshold=True,
            background_levels=[0.3, 0.375, 0.45, 0.525, 0.6, 0.675, 0.75],
            nms=dict(type='nms', iou_threshold=0.4),
        ),
    ),
)
