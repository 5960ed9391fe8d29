_base_ = [
    '../_base_/models/fsptal.py',
    '../_base_/datasets/gtea_i3d.py',
    '../_base_/pipelines/label_extension.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=7, separation_loss=dict(class_aware=True)))
train_pipeline = {{_base_.features_extended}}
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=200, val_interval=200)
