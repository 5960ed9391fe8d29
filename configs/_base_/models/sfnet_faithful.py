# SF-Net (Ma et al., ECCV 2020) with its own network on the features themselves, constants and proposals of its public
# code: github.com/Flowerfan/SF-Net. For two-stream features, set num_streams=2.
feature_dim = 2048

model = dict(
    type='PointTAL',
    embedding=dict(type='IdentityEmbedding'),
    head=dict(
        type='SFNetHead',
        in_channels=feature_dim,
        dropout=0.7,
        topk_divisor=12,
        video_loss=dict(type='VideoSoftmaxLoss', topk_divisor=8, round_up=True),
        background_ratio=7,
        max_background_share=None,
        actionness_negatives='last',
        actionness_gate=0.1,
        growth=dict(type='SFNetGrowth', radius=3, ratio=0.95),
        scores='logits',
        proposals=dict(type='MeanLevelProposals', class_ratio=1.5, min_snippets=2),
    ),
)
