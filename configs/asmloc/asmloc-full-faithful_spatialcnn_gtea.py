_base_ = [
    '../_base_/models/asmloc_full_faithful.py',
    '../_base_/datasets/gtea_spatialcnn.py',
    '../_base_/schedules/asmloc_full_faithful.py',
    '../_base_/default_runtime.py',
]

head = dict(num_classes=7, in_channels=512)
model = dict(
    embedding=dict(in_channels=128, out_channels=512),
    head=head,
    refined_head=head,
)
train_dataloader = dict(batch_size=16)
