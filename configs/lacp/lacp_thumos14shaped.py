_base_ = [
    '../_base_/models/lacp.py',
    '../_base_/datasets/thumos14_shaped.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

model = dict(
    embedding=dict(in_channels=256),
    head=dict(
        num_classes=20,
        in_channels=256,
        dropout=0.3,  # as for all methods on this dataset; why: configs/fsptal_tuned/README.md
        proposals=dict(nms=dict(iou_threshold=0.4)),
    ),
)
optim_wrapper = dict(optimizer=dict(lr=3e-4, weight_decay=5e-4))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=75, val_interval=75)
