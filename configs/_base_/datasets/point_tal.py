# The part that all datasets share. The config file of each dataset adds its folder and files, its classes and its grid.
train_pipeline = [
    dict(type='LoadSnippetFeatures'),
    dict(type='PointsToSnippets'),
    dict(type='PackPointTALInputs'),
]
test_pipeline = train_pipeline

train_dataloader = dict(
    batch_size=16,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='PointTALDataset', pipeline=train_pipeline),
)
test_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='PointTALDataset', pipeline=test_pipeline, test_mode=True),
)
test_evaluator = dict(type='TALMetric', preset='thumos14')
test_cfg = dict(type='TestLoop')

# Validation reads the test videos, only to watch the training: nothing may be chosen by the results.
val_dataloader = test_dataloader
val_evaluator = test_evaluator
val_cfg = dict(type='ValLoop')
