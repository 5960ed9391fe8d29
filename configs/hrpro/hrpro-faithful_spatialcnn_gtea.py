_base_ = [
    '../_base_/models/hrpro_faithful.py',
    '../_base_/datasets/gtea_spatialcnn.py',
    '../_base_/schedules/hrpro_faithful.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=7, in_channels=128))
train_dataloader = dict(batch_size=16)
