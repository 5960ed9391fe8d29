_base_ = [
    '../_base_/models/delu.py',
    '../_base_/datasets/thumos14_shaped.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

model = dict(
    embedding=dict(in_channels=256),
    head=dict(
        num_classes=20,
        in_channels=256,
        streams=(128, 128),
        dropout=0.3,  # as for all methods on this dataset; why: configs/fsptal_tuned/README.md
    ),
)
train_dataloader = dict(batch_sampler=dict(type='SharedClassBatchSampler', num_pairs=3))
optim_wrapper = dict(optimizer=dict(lr=3e-4, weight_decay=1e-3))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=150, val_interval=150)
