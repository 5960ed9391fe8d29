_base_ = [
    '../_base_/models/fsptal_tuned.py',
    '../_base_/datasets/50salads_acc.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

model = dict(
    embedding=dict(in_channels=150, out_channels=512, kernel_size=7),
    head=dict(num_classes=10, in_channels=512),
)

train_pipeline = [
    dict(type='LoadSnippetFeatures'),
    dict(type='PointsToSnippets'),
    # tau_1 and tau_2 of Table 3
    dict(type='ExtendPointLabels', label_weight=2.5, neighbour_weight=1.67, stage='embedding'),
    dict(type='PackPointTALInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=3e-4))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=40, val_interval=40)
