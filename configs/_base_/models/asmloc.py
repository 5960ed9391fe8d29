# Base model of ASM-Loc (He et al., CVPR 2022) on the trunk of the other methods. No point is ever read. Constants and
# levels of the proposals are those of its public code for THUMOS14: github.com/boheumd/ASM-Loc.
feature_dim = 2048

model = dict(
    type='PointTAL',
    embedding=dict(type='SnippetEmbedding', in_channels=feature_dim),
    head=dict(
        type='ASMLocHead',
        in_channels=feature_dim,
        dropout=0.7,
        topk_divisor=8,
        background_divisor=3,
        foreground_weight=1.0,
        background_weight=0.5,
        context_weight=0.5,
        proposals=dict(
            type='ProposalGenerator',
            relative_threshold=True,
            score_levels=[0.15, 0.2],
            background_levels=[0.1 + 0.025 * step for step in range(33)],
            nms=dict(type='nms', iou_threshold=0.4),
        ),
    ),
)
