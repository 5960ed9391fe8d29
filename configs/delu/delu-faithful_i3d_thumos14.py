_base_ = [
    '../_base_/models/delu_faithful.py',
    '../_base_/datasets/thumos14_i3d.py',
    '../_base_/schedules/delu_faithful.py',
    '../_base_/default_runtime.py',
]

train_pipeline = [
    dict(type='LoadSnippetFeatures'),
    dict(type='PointsToSnippets'),
    dict(type='SampleSnippets', num_snippets=320, short='repeat'),
    dict(type='PackPointTALInputs'),
]
model = dict(head=dict(num_classes=20))
train_dataloader = dict(
    batch_size=10,
    batch_sampler=dict(type='SharedClassBatchSampler', num_pairs=3),
    dataset=dict(pipeline=train_pipeline),
)
