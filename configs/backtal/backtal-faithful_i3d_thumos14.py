# One click is drawn in each stretch without an action. For BackTAL's own clicks, name one of its three files:
# train_dataloader.dataset.background_file=THUMOS14_Background-Click-Annotation_A1.txt
_base_ = [
    '../_base_/models/backtal_faithful.py',
    '../_base_/datasets/thumos14_i3d.py',
    '../_base_/schedules/backtal_faithful.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=20))
pipeline = [
    dict(type='LoadSnippetFeatures'),
    dict(type='ResizeSnippets', num_snippets=750),
    dict(type='PointsToSnippets'),
    dict(type='PackPointTALInputs'),
]
train_dataloader = dict(batch_size=16, dataset=dict(supervision='clicks', pipeline=pipeline))
test_dataloader = dict(dataset=dict(pipeline=pipeline))
val_dataloader = test_dataloader
