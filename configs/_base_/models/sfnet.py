# SF-Net (Ma et al., ECCV 2020) on the trunk and proposals of the other methods. configs/sfnet/README.md says what its
# public code (github.com/Flowerfan/SF-Net) does in another way.
feature_dim = 2048

model = dict(
    type='PointTAL',
    embedding=dict(type='SnippetEmbedding', in_channels=feature_dim),
    head=dict(
        type='SFNetHead',
        in_channels=feature_dim,
        dropout=0.7,
        video_loss=dict(type='VideoSoftmaxLoss', topk_divisor=8, round_up=True),
        background_ratio=7,
        max_background_share=0.5,  # of a video's unlabelled snippets; GTEA has many points, little background
        actionness_negatives='background',
        actionness_gate=0.1,
        growth=dict(type='SFNetGrowth', radius=3, ratio=0.95),
        proposals=dict(type='ProposalGenerator', nms=dict(type='nms', iou_threshold=0.4)),
    ),
)
