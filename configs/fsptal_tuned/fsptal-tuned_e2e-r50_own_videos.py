_base_ = [
    '../_base_/models/fsptal_tuned.py',
    '../_base_/datasets/own_videos.py',
    '../_base_/schedules/adam.py',
    '../_base_/default_runtime.py',
]

# Set num_classes to your number of classes, and load_from to a checkpoint of a recognizer with this backbone, e.g. TSN
# with ResNet-50.
model = dict(
    backbone=dict(type='mmaction.ResNet', depth=50, pretrained=None, frozen_stages=2, norm_eval=True),
    freeze_backbone=False,  # True: only what comes behind the backbone is trained
    clip_chunk=8,
    checkpoint_clips=True,
    embedding=dict(out_channels=512),
    head=dict(num_classes=2, in_channels=512),
    data_preprocessor=dict(
        type='SnippetDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCHW',
    ),
)
optim_wrapper = dict(
    accumulative_counts=4,  # one step for every four videos, since a batch is a single video
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
)
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=40, val_interval=10)
