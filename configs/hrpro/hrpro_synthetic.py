_base_ = [
    '../_base_/models/hrpro.py',
    '../_base_/datasets/synthetic.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

model = dict(
    embedding=dict(in_channels=64, out_channels=256),
    head=dict(num_classes=10, in_channels=256),
)
optim_wrapper = dict(optimizer=dict(lr=1e-3, weight_decay=5e-4))
custom_hooks = [dict(type='PrototypeHook')]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=75, val_interval=75)
