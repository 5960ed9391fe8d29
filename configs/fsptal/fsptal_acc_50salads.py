_base_ = [
    '../_base_/models/fsptal.py',
    '../_base_/datasets/50salads_acc.py',
    '../_base_/pipelines/label_extension.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

model = dict(
    embedding=dict(in_channels=150, out_channels=512),
    head=dict(
        num_classes=10,
        in_channels=512,
        separation_loss=dict(class_aware=True),  # videos of this dataset have many classes, see README.md
        proposals=dict(nms=dict(iou_threshold=0.4)),  # as for all methods on this dataset
    ),
)

train_pipeline = {{_base_.features_extended}}
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=3e-4))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=40, val_interval=40)
