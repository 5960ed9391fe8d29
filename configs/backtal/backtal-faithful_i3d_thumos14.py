# Clicks of the first of BackTAL's three annotators. Copy them from data/THUMOS14/human_anns/ of its repository to
# THUMOS14/human_anns/.
_base_ = [
    '../_base_/models/backtal_faithful.py',
    '../_base_/datasets/thumos14_i3d.py',
    '../_base_/schedules/backtal_faithful.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=20))
clicks = 'human_anns/THUMOS14_Background-Click-Annotation_A1.txt'
pipeline = [
    dict(type='LoadSnippetFeatures'),
    dict(type='ResizeSnippets', num_snippets=750),
    dict(type='PointsToSnippets'),
    dict(type='PackPointTALInputs'),
]
train_dataloader = dict(batch_size=16, dataset=dict(supervision='clicks', background_file=clicks, pipeline=pipeline))
test_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = test_dataloader
