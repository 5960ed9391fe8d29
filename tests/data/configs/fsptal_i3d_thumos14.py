auto_scale_lr = dict(base_batch_size=16, enable=False)
custom_hooks = [
    dict(interval=10, type='PseudoLabelMiningHook'),
]
custom_imports = dict(
    allow_failed_imports=False,
    imports=[
        'fsptal_mm',
    ],
)
data_root = 'data/THUMOS14'
default_hooks = dict(
    checkpoint=dict(interval=10, max_keep_ckpts=3, save_last=True, type='CheckpointHook'),
    epoch_seed=dict(type='EpochSeedHook'),
    finite_loss=dict(type='FiniteLossHook'),
    logger=dict(ignore_last=False, interval=20, type='LoggerHook'),
    param_scheduler=dict(type='ParamSchedulerHook'),
    results=dict(type='ResultFileHook'),
    runtime_info=dict(type='RuntimeInfoHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    timer=dict(type='IterTimerHook'),
)
default_scope = 'mmaction'
env_cfg = dict(
    cudnn_benchmark=False, dist_cfg=dict(backend='nccl'), mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0)
)
feature_dim = 2048
grid = dict(fps=25, snippet_frames=16)
load_from = None
log_level = 'INFO'
log_processor = dict(by_epoch=True, type='LogProcessor', window_size=20)
model = dict(
    embedding=dict(in_channels=2048, type='AffinityEmbedding'),
    head=dict(
        background_margin=None,
        cosine=False,
        dropout=0.7,
        in_channels=2048,
        mined_actions='labels',
        miner=dict(action_threshold=0.25, background_threshold=0.85, type='PseudoLabelMiner'),
        num_classes=20,
        point_loss=dict(loss_weight=1.0, type='PointFocalLoss'),
        proposals=dict(
            nms=dict(iou_threshold=0.7, type='nms'), outer_ratio=0.25, type='ProposalGenerator', video_threshold=0.25
        ),
        score_loss=dict(loss_weight=1.0, type='OICLoss'),
        searcher=dict(background_segments=False, original=False, outer_ratio=0.25, type='SegmentSearcher'),
        separation=None,
        separation_loss=dict(loss_weight=1.0, psi_diff=0.1, psi_same=0.95, type='FeatureSeparationLoss'),
        type='FSPTALHead',
        video_loss=dict(loss_weight=1.0, type='VideoLevelLoss'),
    ),
    type='PointTAL',
)
optim_wrapper = dict(optimizer=dict(lr=0.0001, type='Adam'), type='OptimWrapper')
param_scheduler = []
resume = False
test_cfg = dict(type='TestLoop')
test_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='gt.json',
        data_prefix=dict(flow='features/test/flow', rgb='features/test/rgb'),
        data_root='data/THUMOS14',
        grid=dict(fps=25, snippet_frames=16),
        pipeline=[
            dict(type='LoadSnippetFeatures'),
            dict(type='PointsToSnippets'),
            dict(type='PackPointTALInputs'),
        ],
        split_file='split_test.txt',
        test_mode=True,
        type='PointTALDataset',
    ),
    num_workers=2,
    persistent_workers=True,
    sampler=dict(shuffle=False, type='DefaultSampler'),
)
test_evaluator = dict(preset='thumos14', type='TALMetric')
test_pipeline = [
    dict(type='LoadSnippetFeatures'),
    dict(type='PointsToSnippets'),
    dict(type='PackPointTALInputs'),
]
train_cfg = dict(max_epochs=1500, type='EpochBasedTrainLoop', val_interval=1500)
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        ann_file='gt.json',
        data_prefix=dict(flow='features/train/flow', rgb='features/train/rgb'),
        data_root='data/THUMOS14',
        fps_file='fps_dict.json',
        grid=dict(fps=25, snippet_frames=16),
        pipeline=[
            dict(type='LoadSnippetFeatures'),
            dict(type='PointsToSnippets'),
            dict(label_weight=2.5, neighbour_weight=1.67, type='ExtendPointLabels'),
            dict(type='PackPointTALInputs'),
        ],
        point_file='point_gaussian/point_labels.csv',
        split_file='split_train.txt',
        type='PointTALDataset',
    ),
    num_workers=2,
    persistent_workers=True,
    sampler=dict(shuffle=True, type='DefaultSampler'),
)
train_pipeline = [
    dict(type='LoadSnippetFeatures'),
    dict(type='PointsToSnippets'),
    dict(label_weight=2.5, neighbour_weight=1.67, type='ExtendPointLabels'),
    dict(type='PackPointTALInputs'),
]
val_cfg = dict(type='ValLoop')
val_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='gt.json',
        data_prefix=dict(flow='features/test/flow', rgb='features/test/rgb'),
        data_root='data/THUMOS14',
        grid=dict(fps=25, snippet_frames=16),
        pipeline=[
            dict(type='LoadSnippetFeatures'),
            dict(type='PointsToSnippets'),
            dict(type='PackPointTALInputs'),
        ],
        split_file='split_test.txt',
        test_mode=True,
        type='PointTALDataset',
    ),
    num_workers=2,
    persistent_workers=True,
    sampler=dict(shuffle=False, type='DefaultSampler'),
)
val_evaluator = dict(preset='thumos14', type='TALMetric')
vis_backends = [
    dict(type='LocalVisBackend'),
]
visualizer = dict(
    type='TALVisualizer',
    vis_backends=[
        dict(type='LocalVisBackend'),
    ],
)
