auto_scale_lr = dict(base_batch_size=16, enable=False)
custom_hooks = [
    dict(end=40, interval=10, type='PseudoLabelMiningHook'),
    dict(begin=40, pseudo_segments=dict(change_points=1.0), type='RefinementHook'),
]
custom_imports = dict(
    allow_failed_imports=False,
    imports=[
        'fsptal_mm',
    ],
)
data_root = 'data/50salads_acc'
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
find_unused_parameters = True
grid = dict(snippet_sec=0.6)
inputs = [
    dict(in_channels=150),
    dict(in_channels=512, inputs='embedding'),
]
load_from = None
log_level = 'INFO'
log_processor = dict(by_epoch=True, type='LogProcessor', window_size=20)
model = dict(
    embedding=dict(in_channels=150, kernel_size=7, out_channels=512, type='SnippetEmbedding'),
    head=dict(
        background_margin=None,
        cosine=True,
        dropout=0.7,
        in_channels=512,
        mined_actions='seeds',
        miner=dict(action_threshold=0.25, background_threshold=0.85, type='PseudoLabelMiner'),
        num_classes=10,
        point_loss=dict(loss_weight=1.0, type='PointFocalLoss'),
        proposals=dict(
            nms=dict(iou_threshold=0.4, type='nms'), outer_ratio=0.25, type='ProposalGenerator', video_threshold=0.25
        ),
        score_loss=dict(loss_weight=3.0, type='OICLoss'),
        searcher=dict(background_segments=True, original=False, outer_ratio=0.25, type='SegmentSearcher'),
        separation=dict(type='SeparationBranch'),
        separation_loss=dict(
            class_aware=True, loss_weight=1.0, psi_diff=0.1, psi_same=0.95, type='FeatureSeparationLoss'
        ),
        type='FSPTALHead',
        video_loss=dict(loss_weight=1.0, type='VideoLevelLoss'),
    ),
    refinement=dict(
        members=[
            dict(in_channels=150),
            dict(in_channels=512, inputs='embedding'),
        ],
        num_classes=10,
        stage1_power=0.3,
        type='RefinementHead',
    ),
    type='PointTAL',
)
optim_wrapper = dict(
    optimizer=dict(lr=0.0003, type='Adam'),
    paramwise_cfg=dict(custom_keys=dict(refinement=dict(lr_mult=3.3333333333333335))),
    type='OptimWrapper',
)
param_scheduler = [
    dict(begin=40, end=45, start_factor=0.1, type='LinearLR'),
    dict(begin=45, end=80, eta_min=0, type='CosineAnnealingLR'),
]
resume = False
test_cfg = dict(type='TestLoop')
test_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='gt.json',
        data_prefix=dict(feature='features/test'),
        data_root='data/50salads_acc',
        grid=dict(snippet_sec=0.6),
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
train_cfg = dict(max_epochs=80, type='EpochBasedTrainLoop', val_interval=40)
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        ann_file='gt.json',
        data_prefix=dict(feature='features/train'),
        data_root='data/50salads_acc',
        grid=dict(snippet_sec=0.6),
        pipeline=[
            dict(type='LoadSnippetFeatures'),
            dict(type='PointsToSnippets'),
            dict(label_weight=2.5, neighbour_weight=1.67, stage='embedding', type='ExtendPointLabels'),
            dict(type='PackPointTALInputs'),
        ],
        point_file='point_labels.csv',
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
    dict(label_weight=2.5, neighbour_weight=1.67, stage='embedding', type='ExtendPointLabels'),
    dict(type='PackPointTALInputs'),
]
val_cfg = dict(type='ValLoop')
val_dataloader = dict(
    batch_size=1,
    dataset=dict(
        ann_file='gt.json',
        data_prefix=dict(feature='features/test'),
        data_root='data/50salads_acc',
        grid=dict(snippet_sec=0.6),
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
