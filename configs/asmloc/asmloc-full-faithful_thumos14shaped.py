_base_ = [
    '../_base_/models/asmloc_full_faithful.py',
    '../_base_/datasets/thumos14_shaped.py',
    '../_base_/schedules/asmloc_full_faithful.py',
    '../_base_/default_runtime.py',
]

head = dict(num_classes=20, in_channels=512)
model = dict(
    embedding=dict(in_channels=256, out_channels=512),
    head=head,
    refined_head=head,
)
train_dataloader = dict(batch_size=16)
