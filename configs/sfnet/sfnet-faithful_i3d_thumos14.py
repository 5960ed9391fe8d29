# Manual points of SF-Net's four annotators, one drawn per video, in THUMOS14/point_manual/THUMOS{1,2,3,4}.txt.
_base_ = [
    '../_base_/models/sfnet_faithful.py',
    '../_base_/datasets/thumos14_i3d.py',
    '../_base_/schedules/sfnet_faithful.py',
    '../_base_/default_runtime.py',
]

train_pipeline = [
    dict(type='LoadSnippetFeatures'),
    dict(type='PointsToSnippets'),
    dict(type='SampleSnippets', num_snippets=[750, 2800], mode='crop'),
    dict(type='PackPointTALInputs'),
]
model = dict(head=dict(num_classes=20, num_streams=2))
train_dataloader = dict(
    batch_size=32,
    dataset=dict(
        point_file=[f'point_manual/THUMOS{annotator}.txt' for annotator in (1, 2, 3, 4)],
        pipeline=train_pipeline,
    ),
)
