# ASM-Loc (He et al., CVPR 2022) with its refinement, on the trunk of the other methods. After the base model, there are
# three further models, each of which is trained on the proposals of the model before it. Constants are those of its
# public code for THUMOS14: github.com/boheumd/ASM-Loc.
_base_ = ['./asmloc.py']

head_proposals = dict(
    type='ProposalGenerator',
    relative_threshold=True,
    score_levels=[0.15, 0.2],
    background_levels=[0.1 + 0.025 * step for step in range(33)],
    nms=dict(type='nms', iou_threshold=0.4),
)
attention_levels = [0.4 + 0.025 * step for step in range(21)]

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
        attention=dict(num_heads=8, norm='ln'),
        segment_weight=1.0,
        uncertainty_weight=0.2,
        proposals=head_proposals,
    ),
    sampler=dict(type='DynamicSegmentSampler', trusted_share=0.7, min_snippets=6, widening=0.5),
    stage_proposals=dict(
        type='ProposalGenerator',
        relative_threshold=True,
        score_levels=[],
        background_levels=attention_levels,
        min_points=2,
        outer_ratio=0.2,
        video_weight=0,
        nms=dict(type='nms', iou_threshold=0.45),
    ),
)
