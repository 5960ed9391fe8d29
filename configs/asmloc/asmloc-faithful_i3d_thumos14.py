_base_ = [
    '../_base_/models/asmloc_faithful.py',
    '../_base_/datasets/thumos14_i3d.py',
    '../_base_/pipelines/asmloc_samples.py',
    '../_base_/schedules/asmloc_faithful.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=20))
train_pipeline = {{_base_.train_samples}}
test_pipeline = {{_base_.test_samples}}
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_dataloader = test_dataloader
