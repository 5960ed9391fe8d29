_base_ = [
    '../_base_/models/fsptal_tuned.py',
    '../_base_/datasets/synthetic.py',
    '../_base_/pipelines/label_extension.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

model = dict(
    embedding=dict(in_channels=64, out_channels=256),
    head=dict(
        num_classes=10,
        in_channels=256,
        # The next three settings are those of the THUMOS-shaped dataset.
        point_loss=dict(background_weight=3.0),
        background_margin=0.5,
        separation_loss=dict(loss_weight=0.1),
    ),
)

train_pipeline = {{_base_.embedding_extended}}
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=75, val_interval=25)
