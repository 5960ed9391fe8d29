_base_ = [
    '../_base_/models/bmn.py',
    '../_base_/datasets/synthetic.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

# Windows of 64 snippets, and a network that is much smaller than the published one, so that a CPU can train it.
model = dict(temporal_dim=64, feat_dim=64, num_samples=8, hidden_dim_1d=64, hidden_dim_2d=32, hidden_dim_3d=64)
pipeline = [
    dict(type='LoadSnippetFeatures'),
    dict(type='CropToWindow'),
    dict(type='PackLocalizerInputs'),
]
windows = dict(num_snippets=64, stride_snippets=32)
train_dataloader = dict(dataset=dict(supervision='segments', windows=windows, pipeline=pipeline))
test_dataloader = dict(dataset=dict(windows=windows, pipeline=pipeline))
val_dataloader = test_dataloader
test_evaluator = dict(_delete_=True, type='ProposalTALMetric', class_scores=None)
val_evaluator = test_evaluator
optim_wrapper = dict(optimizer=dict(lr=1e-3, weight_decay=1e-4))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=16, val_interval=16)
