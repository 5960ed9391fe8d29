auto_scale_lr = dict(base_batch_size=16, enable=False)
custom_imports = dict(
    allow_failed_imports=False,
    imports=[
        'fsptal_mm',
    ],
)
data_root = 'data/synthetic'
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
grid = dict(snippet_sec=0.64)
load_from = None
log_level = 'INFO'
log_processor = dict(by_epoch=True, type='LogProcessor', window_size=20)
model = dict(
    embedding=dict(in_channels=64, out_channels=256, type='SnippetEmbedding'),
    head=dict(
        dropout=0.7,
        feature_weight=1.0,
        in_channels=256,
        miner=dict(action_threshold=0.1, background_threshold=0.95, type='LACPSeedMiner'),
        num_classes=10,
        point_loss=dict(action_weight=0.5, background_weight=1.0, type='LACPPointLoss'),
        proposals=dict(nms=dict(iou_threshold=0.4, type='nms'), type='ProposalGenerator'),
        score_weight=1.0,
        searcher=dict(background_segments=True, original=True, outer_ratio=0.25, type='SegmentSearcher'),
        temperature=0.1,
        type='LACPHead',
        video_loss=dict(topk_divisor=8, type='LACPVideoLoss'),
    ),
    type='PointTAL',
)
optim_wrapper = dict(optimizer=dict(lr=0.001, type='Adam', weight_decay=0.0005), type='OptimWrapper')
param_scheduler = []
resume = False
test_cfg = dict(type='TestLoop')
test_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='annotations.json',
        data_prefix=dict(feature='features/test'),
        data_root='data/synthetic',
        grid=dict(snippet_sec=0.64),
        pipeline=[
            dict(type='LoadSnippetFeatures'),
            dict(type='PointsToSnippets'),
            dict(type='PackPointTALInputs'),
        ],
        subset='test',
        test_mode=True,
        type='SyntheticPointTALDataset',
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
train_cfg = dict(max_epochs=75, type='EpochBasedTrainLoop', val_interval=25)
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        ann_file='annotations.json',
        data_prefix=dict(feature='features/train'),
        data_root='data/synthetic',
        grid=dict(snippet_sec=0.64),
        pipeline=[
            dict(type='LoadSnippetFeatures'),
            dict(type='PointsToSnippets'),
            dict(type='PackPointTALInputs'),
        ],
        subset='train',
        type='SyntheticPointTALDataset',
    ),
    num_workers=2,
    persistent_workers=True,
    sampler=dict(shuffle=True, type='DefaultSampler'),
)
train_pipeline = [
    dict(type='LoadSnippetFeatures'),
    dict(type='PointsToSnippets'),
    dict(type='PackPointTALInputs'),
]
val_cfg = dict(type='ValLoop')
val_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='annotations.json',
        data_prefix=dict(feature='features/test'),
        data_root='data/synthetic',
        grid=dict(snippet_sec=0.64),
        pipeline=[
            dict(type='LoadSnippetFeatures'),
            dict(type='PointsToSnippets'),
            dict(type='PackPointTALInputs'),
        ],
        subset='test',
        test_mode=True,
        type='SyntheticPointTALDataset',
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
