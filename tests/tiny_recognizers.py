"""Small real recognizers of mmaction2 with random weights, as a config file and a checkpoint."""

import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

_PATHWAY = dict(type='resnet3d', depth=18, pretrained=None, conv1_stride_t=1, pool1_stride_t=1)
_SLOW = dict(
    **_PATHWAY, lateral=True, base_channels=16, conv1_kernel=(1, 7, 7), dilations=(1,) * 4, inflate=(0, 0, 1, 1)
)
_FAST = dict(**_PATHWAY, lateral=False, base_channels=2, conv1_kernel=(5, 7, 7))

# name: (backbone, head, frames of a clip, their interval); D is in_channels of the head.
_NETS = dict(
    tsn=(dict(type='ResNet', depth=18), dict(type='TSNHead', in_channels=512), 1, 1),
    tsm=(dict(type='ResNetTSM', depth=18, num_segments=8), dict(type='TSMHead', num_segments=8, in_channels=512), 1, 1),
    i3d=(
        dict(type='ResNet3d', depth=18, base_channels=8, pretrained2d=False, conv_cfg=dict(type='Conv3d')),
        dict(type='I3DHead', in_channels=64),
        8,
        2,
    ),
    slowonly=(
        dict(type='ResNet3dSlowOnly', depth=18, base_channels=8, pretrained2d=False, lateral=False),
        dict(type='I3DHead', in_channels=64),
        4,
        4,
    ),
    slowfast=(
        dict(type='ResNet3dSlowFast', channel_ratio=8, slow_pathway=_SLOW, fast_pathway=_FAST),
        dict(type='SlowFastHead', in_channels=144),
        32,
        1,
    ),
    vit=(
        dict(type='VisionTransformer', img_size=32, patch_size=16, embed_dims=32, depth=2, num_heads=2, num_frames=16),
        dict(type='TimeSformerHead', in_channels=32),
        16,
        1,
    ),
    flow=(dict(type='ResNet', depth=18, in_channels=10), dict(type='TSNHead', in_channels=512), 5, 1),
)
_NORMALIZATION = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


def config_of(name, size=32):
    """Config of a recognizer, as mmaction2 writes them."""
    backbone, head, clip_len, interval = _NETS[name]
    is_2d = head['type'] in ('TSNHead', 'TSMHead')
    shape = 'NCHW' if is_2d else 'NCTHW'
    norm = dict(mean=[128, 128] * clip_len, std=[128, 128] * clip_len) if name == 'flow' else _NORMALIZATION
    model = dict(
        type='Recognizer2D' if is_2d else 'Recognizer3D',
        backbone=dict(pretrained=None, **backbone),
        cls_head=dict(num_classes=5, **head),
        data_preprocessor=dict(type='ActionDataPreprocessor', format_shape=shape, **norm),
    )
    pipeline = [
        dict(type='DecordInit'),
        dict(type='SampleFrames', clip_len=clip_len, frame_interval=interval, num_clips=10, test_mode=True),
        dict(type='DecordDecode'),
        dict(type='Resize', scale=(-1, size)),
        dict(type='TenCrop' if is_2d else 'ThreeCrop', crop_size=size),
        dict(type='FormatShape', input_format=shape),
        dict(type='PackActionInputs'),
    ]
    return Config(dict(model=model, test_pipeline=pipeline))


def write_recognizer(folder, name):
    """Write ``NAME.py`` and ``NAME.pth`` with seeded random weights into a folder; returns both paths as strings."""
    config, stem = config_of(name), folder / name
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmaction'):
        model = MODELS.build(config.model)
    for module in model.modules():  # random norm statistics, without which the features would hardly vary
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.running_var.fill_(4.0)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(epoch=1)), f'{stem}.pth')
    config.dump(f'{stem}.py')
    return f'{stem}.py', f'{stem}.pth'
