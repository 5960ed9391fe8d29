_base_ = [
    '../_base_/models/fsptal_tuned.py',
    '../_base_/datasets/thumos14_shaped.py',
    '../_base_/pipelines/label_extension.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

model = dict(
    embedding=dict(in_channels=256),
    head=dict(
        num_classes=20,
        in_channels=256,
        # README.md says how the next five settings were chosen.
        dropout=0.3,
        point_loss=dict(background_weight=3.0),
        background_margin=0.5,
        searcher=dict(background_segments=False),
        separation_loss=dict(loss_weight=0.1),
    ),
)

train_pipeline = {{_base_.embedding_extended}}
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=3e-4))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=75, val_interval=75)
