# The base model (paper, Sec. 3.2): video-level and point-level loss, one background snippet between two points.
feature_dim = 2048

model = dict(
    type='PointTAL',
    embedding=dict(type='SnippetEmbedding', in_channels=feature_dim),
    head=dict(
        type='PointTALHead',
        in_channels=feature_dim,
        dropout=0.7,  # Sec. 3.2
        video_loss=dict(type='VideoLevelLoss'),
        point_loss=dict(type='PointFocalLoss'),
        # Without module B: no thresholds. Between two points, the snippet of the highest background score is
        # labelled as background; no action is mined.
        miner=dict(type='PseudoLabelMiner', background_threshold=None, action_threshold=None),
        proposals=dict(type='ProposalGenerator', nms=dict(type='nms', iou_threshold=0.7)),  # Appendix C
    ),
)
