_base_ = [
    '../_base_/models/hrpro_faithful.py',
    '../_base_/datasets/50salads_acc.py',
    '../_base_/schedules/hrpro_faithful.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=10, in_channels=150, encoder=dict(num_heads=6)))  # not 8: 150 / 8 is not whole
train_dataloader = dict(batch_size=16)
