_base_ = [
    '../_base_/models/delu_faithful.py',
    '../_base_/datasets/thumos14_shaped.py',
    '../_base_/schedules/delu_faithful.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=20, in_channels=256, streams=(128, 128)))
train_dataloader = dict(batch_size=10, batch_sampler=dict(type='SharedClassBatchSampler', num_pairs=3))
