_base_ = [
    '../_base_/models/asmloc.py',
    '../_base_/datasets/50salads_acc.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

model = dict(
    embedding=dict(in_channels=150, out_channels=512, kernel_size=7),
    head=dict(num_classes=10, in_channels=512),
)
optim_wrapper = dict(optimizer=dict(lr=3e-4, weight_decay=5e-5))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=60, val_interval=60)
