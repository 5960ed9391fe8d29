_base_ = [
    '../_base_/models/hrpro_faithful.py',
    '../_base_/datasets/thumos14_i3d_hrpro.py',
    '../_base_/schedules/hrpro_faithful.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=20))
train_dataloader = dict(batch_size=16)
