_base_ = [
    '../_base_/models/fsptal.py',
    '../_base_/datasets/thumos14_i3d.py',
    '../_base_/pipelines/label_extension.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=20))
train_pipeline = {{_base_.features_extended}}
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1500, val_interval=1500)
