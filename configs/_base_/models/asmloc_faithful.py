# Base model of ASM-Loc (He et al., CVPR 2022) with the network, constants and proposals of its public code for
# THUMOS14: github.com/boheumd/ASM-Loc. No point is ever read.
feature_dim = 2048

model = dict(
    type='PointTAL',
    embedding=dict(type='SnippetEmbedding', in_channels=feature_dim, kernel_size=3),
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
            video_threshold=0.25,
            upsampling=20,
            score_levels=[0.15, 0.2],
            background_levels=[0.1 + 0.025 * step for step in range(33)],
            min_points=2,
            outer_ratio=0.2,
            outer_curve='cut',
            video_weight=0,
            nms=dict(type='nms', iou_threshold=0.45),
        ),
    ),
)
