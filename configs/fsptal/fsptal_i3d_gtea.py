_base_ = [
    '../_base_/models/fsptal.py',
    '../_base_/datasets/gtea_i3d.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=7, separation_loss=dict(class_aware=True)))
train_pipeline = [
    dict(type='LoadSnippetFeatures'),
    dict(type='PointsToSnippets'),
    dict(type='ExtendPointLabels', label_weight=2.5, neighbour_weight=1.67),  # tau_1, tau_2 (Table 3)
    dict(type='PackPointTALInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=200, val_interval=200)
