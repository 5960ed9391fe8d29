_base_ = [
    '../_base_/models/point_tal_base.py',
    '../_base_/datasets/thumos14_i3d_hrpro.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=20))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1500, val_interval=1500)
