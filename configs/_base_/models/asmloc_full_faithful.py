# ASM-Loc (He et al., CVPR 2022) with its refinement. Network, constants and proposals are those of its public code for
# THUMOS14: github.com/boheumd/ASM-Loc. No point is ever read.
_base_ = ['./asmloc_faithful.py']

head_proposals = dict(
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
)

model = dict(
    type='StagedPointTAL',
    num_refinements=3,
    refined_head=dict(
        type='ASMLocRefinedHead',
        in_channels=2048,
        dropout=0.7,
        topk_divisor=8,
        background_divisor=3,
        foreground_weight=1.0,
        background_weight=0.5,
        context_weight=0.5,
        attention=dict(num_heads=8, norm='bn'),
        segment_weight=1.0,
        uncertainty_weight=0.2,
        proposals=head_proposals,
    ),
    sampler=dict(
        type='DynamicSegmentSampler',
        trusted_share=0.7,
        min_snippets=6,
        widening=0.5,
        public_rounding=True,
        trust_best=False,
    ),
    stage_proposals=dict(
        type='ProposalGenerator',
        video_threshold=0.25,
        upsampling=20,
        score_levels=[],
        background_levels=[0.4 + 0.025 * step for step in range(21)],
        min_points=2,
        outer_ratio=0.2,
        video_weight=0,
        nms=dict(type='nms', iou_threshold=0.45),
    ),
    given_classes=False,
)
