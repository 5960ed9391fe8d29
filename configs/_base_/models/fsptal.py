# FS-PTAL (paper, Sec. 3). Module A is a transform (../pipelines/label_extension.py), B is the miner, C the searcher and
# the score_loss, D the separation_loss.
feature_dim = 2048

model = dict(
    type='PointTAL',
    embedding=dict(type='AffinityEmbedding', in_channels=feature_dim),  # makes E of module D, which weights its taps
    head=dict(
        type='FSPTALHead',
        in_channels=feature_dim,
        dropout=0.7,  # Sec. 3.2
        cosine=False,
        video_loss=dict(type='VideoLevelLoss', loss_weight=1.0),  # lambda_1
        point_loss=dict(type='PointFocalLoss', loss_weight=1.0),  # lambda_2
        miner=dict(type='PseudoLabelMiner', background_threshold=0.85, action_threshold=0.25),  # Appendix B
        mined_actions='labels',  # mined actions are labels of the point loss, Eq. 5
        background_margin=None,
        searcher=dict(
            type='SegmentSearcher',
            outer_ratio=0.25,  # delta, Sec. 3.4
            original=False,  # outer ranges end at the next segment, Table 7
            background_segments=False,
        ),
        score_loss=dict(type='OICLoss', loss_weight=1.0),  # lambda_3
        separation=None,  # the trunk makes E
        separation_loss=dict(
            type='FeatureSeparationLoss',
            psi_same=0.95,  # Table 3
            psi_diff=0.1,  # Table 3
            loss_weight=1.0,  # lambda_4
        ),
        proposals=dict(
            type='ProposalGenerator',
            video_threshold=0.25,  # theta_vid, Appendix C
            outer_ratio=0.25,  # Appendix C
            nms=dict(type='nms', iou_threshold=0.7),  # Appendix C
        ),
    ),
)

# Labels are mined at every step; every 10 epochs, a pass over the training videos logs how many they are.
custom_hooks = [dict(type='PseudoLabelMiningHook', interval=10)]
