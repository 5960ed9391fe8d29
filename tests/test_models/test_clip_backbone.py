"""From clips to features within the model: pooling, chunks, gradient checkpoints, frozen parts."""

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.model import convert_sync_batchnorm
from torch import nn

from fsptal_mm.models import pool_clip_features
from fsptal_mm.models.clip_backbone import check_can_recompute, encode_clips
from fsptal_mm.utils.errors import InputError

CLIP = torch.tensor([[[1.0, 3], [2, 6]]])  # one clip: a feature map with D = 2 and two places, or two tokens with D = 2


@pytest.mark.parametrize(
    'outputs, num_clips, expected, reason',
    [
        (torch.tensor([[1.0, 2], [3, 4], [5, 6], [9, 10]]), 2, [[2, 3], [7, 8]], 'frames folded into the batch'),
        (torch.tensor([[1.0, 2], [3, 4]]), 2, [[1, 2], [3, 4]], 'one vector per clip stays'),
        (CLIP[..., None], 1, [[2, 4]], 'a map over space'),
        (CLIP[..., None, None], 1, [[2, 4]], 'a map over time and space'),
        (CLIP, 1, [[1.5, 4.5]], 'tokens'),
        ((torch.ones(2, 3, 2, 4, 4), torch.full((2, 1, 8, 4, 4), 2.0)), 2, [[1, 1, 1, 2]] * 2, 'two pathways'),
        (torch.ones(1, 2, dtype=torch.bfloat16), 1, [[1, 1]], 'half precision'),
    ],
)
def test_pooling_by_hand(outputs, num_clips, expected, reason):
    found = pool_clip_features(outputs, num_clips)
    assert found.tolist() == expected, reason
    assert found.dtype == torch.float32


@pytest.mark.parametrize(
    'outputs, found',
    [
        (torch.ones(4), r'\(4,\)'),  # there is no dimension D
        (torch.ones(3, 5), r'\(3, 5\)'),  # 3 rows are no multiple of 2 clips
        (torch.ones(2, 5, 0, 4), r'\(2, 5, 0, 4\)'),
        (torch.ones(2, 1, 1, 1, 1, 1), r'\(2, 1, 1, 1, 1, 1\)'),
        (torch.ones(2, 5, dtype=torch.long), 'int64'),
        ((torch.ones(2, 5), torch.ones(1)), r'\(1,\)'),
        (dict(feature=torch.ones(2, 5)), 'dict'),
        ((), 'tuple'),
    ],
)
def test_what_cannot_be_pooled_is_named(outputs, found):
    with pytest.raises(InputError, match=f'output of the backbone: found .*{found}'):
        pool_clip_features(outputs, 2)


PATHWAY = dict(type='resnet3d', depth=18, pretrained=None)
SLOW_FAST = dict(
    type='mmaction.ResNet3dSlowFast',
    pretrained=None,
    resample_rate=4,
    speed_ratio=4,
    slow_pathway=PATHWAY | dict(lateral=True, fusion_kernel=7),
    fast_pathway=PATHWAY | dict(lateral=False, base_channels=8),
)
SMALL = dict(img_size=32, patch_size=16, embed_dims=24, depth=2, num_heads=2, mlp_ratio=2, num_frames=4)
VIT = dict(type='mmaction.VisionTransformer') | SMALL


@pytest.mark.parametrize(
    'config, clip, dimension',
    [
        (dict(type='mmaction.ResNetTSM', depth=18, pretrained=None, num_segments=4), (4, 3, 32, 32), 512),
        (SLOW_FAST, (3, 16, 32, 32), 512 + 64),
        (VIT, (3, 4, 32, 32), 24),
    ],
    ids=['TSM', 'SlowFast', 'VideoMAE'],
)
def test_backbones_of_the_toolbox_give_one_vector_per_snippet(config, clip, dimension):
    torch.manual_seed(0)
    backbone = MODELS.build(config)
    backbone.eval()  # not chained, since some backbones return None
    shape = 'NCHW' if clip[1] == 3 else 'NCTHW'
    prepare = MODELS.build(dict(type='SnippetDataPreprocessor', format_shape=shape)).prepare_clips
    clips = torch.randn(3, *clip)
    with torch.no_grad():
        features = encode_clips(backbone, clips, prepare, 2, True)
        assert features.shape == (3, dimension)
        for feature, one in zip(features, clips):
            torch.testing.assert_close(encode_clips(backbone, one[None], prepare, 1, False)[0], feature)


class NoisyBackbone(nn.Module):
    """Small backbone whose state a second forward pass could spoil, with batch normalisation and random numbers."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.dropout = nn.Dropout(0.5)
        self.last = nn.Conv2d(6, 4, 1)

    def forward(self, frames):
        return self.last(self.dropout(torch.relu(self.norm(self.conv(frames)))))


def trained_step(checkpointed):
    torch.manual_seed(0)
    backbone, clips = NoisyBackbone(), torch.randn(7, 3, 8, 8)
    features = encode_clips(backbone, clips, lambda part: part, 3, checkpointed)
    (features**2).sum().backward()
    return features, [parameter.grad for parameter in backbone.parameters()], dict(backbone.named_buffers())


def test_recomputation_changes_neither_gradients_nor_running_statistics():
    features, gradients, buffers = trained_step(checkpointed=True)
    expected_features, expected_gradients, expected_buffers = trained_step(checkpointed=False)
    assert torch.equal(features, expected_features)
    assert all(map(torch.equal, gradients, expected_gradients))
    assert buffers['norm.num_batches_tracked'] == 3  # chunks of 3, 2 and 2 clips, each counted once
    assert all(torch.equal(buffers[name], expected_buffers[name]) for name in expected_buffers)


TWO_STAGES = dict(num_stages=2, out_indices=(1,), strides=(1, 2), dilations=(1, 1))
CONFIG = dict(
    type='PointTAL',
    backbone=dict(type='mmaction.ResNet', depth=18, pretrained=None, **TWO_STAGES),
    embedding=dict(type='SnippetEmbedding', in_channels=128, out_channels=8),
    head=dict(type='PointTALHead', num_classes=2, in_channels=8),
    data_preprocessor=dict(type='SnippetDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.4, 57.1, 57.4]),
    clip_chunk=2,
)


@pytest.mark.parametrize(
    'changes, frozen',
    [
        (dict(), ()),
        (dict(backbone=CONFIG['backbone'] | dict(frozen_stages=1)), ('conv1', 'layer1')),
        (dict(freeze_backbone=['conv1', 'layer1']), ('conv1', 'layer1')),
        (dict(freeze_backbone='layer1'), ('layer1',)),
        (dict(freeze_backbone=True), ('conv1', 'layer')),
    ],
    ids=['nothing', 'by the backbone', 'by names', 'by one bare name', 'all'],
)
def test_what_is_not_frozen_gets_gradients_and_statistics(changes, frozen):
    torch.manual_seed(0)
    model = MODELS.build(CONFIG | changes)
    clips = [torch.randint(0, 256, (length, 2, 3, 32, 32), dtype=torch.uint8) for length in (3, 2)]
    model.embed(model.data_preprocessor(dict(inputs=clips), True)['inputs']).features.sum().backward()
    assert all(parameter.grad is not None for parameter in model.embedding.parameters())
    parameters = dict(model.backbone.named_parameters())
    moved = [name for name, parameter in parameters.items() if parameter.grad is not None]
    assert moved == [name for name in parameters if not name.startswith(frozen)]
    assert moved == [name for name, parameter in parameters.items() if parameter.requires_grad]
    norms = {name: part for name, part in model.backbone.named_modules() if isinstance(part, nn.BatchNorm2d)}
    assert all(part.training != name.startswith(frozen) for name, part in norms.items())
    assert all(part.num_batches_tracked == (3 if part.training else 0) for part in norms.values())
    assert model.embedding.training


def test_synchronised_norms_that_are_trained_cannot_be_computed_again():
    backbone = CONFIG['backbone'] | dict(norm_cfg=dict(type='SyncBN'))
    with pytest.raises(InputError, match=r'checkpoint_clips: found True'):
        MODELS.build(CONFIG | dict(backbone=backbone))
    MODELS.build(CONFIG | dict(backbone=backbone | dict(norm_eval=True)))
    for changes in (dict(checkpoint_clips=False), dict(freeze_backbone=True)):
        MODELS.build(CONFIG | dict(backbone=backbone) | changes)
        convert_sync_batchnorm(MODELS.build(CONFIG | changes)).train()
    model = convert_sync_batchnorm(MODELS.build(CONFIG)).eval()  # the runner converts norms if its config has `sync_bn`
    with pytest.raises(InputError, match=r'checkpoint_clips: found True'):
        model.train()

    class SyncBatchNorm(nn.Module):  # compiled mmcv's class is only recognized by its name
        pass

    with pytest.raises(InputError, match='since 1 is SyncBatchNorm'):
        check_can_recompute(nn.Sequential(nn.Identity(), SyncBatchNorm()))


def test_frames_are_normalised_as_in_the_toolbox():
    frames = torch.randint(0, 256, (2, 4, 3, 5, 6), dtype=torch.uint8)
    theirs = MODELS.build(CONFIG['data_preprocessor'] | dict(type='mmaction.ActionDataPreprocessor'))
    expected = theirs(dict(inputs=list(frames), data_samples=None))['inputs']
    found = MODELS.build(CONFIG['data_preprocessor']).prepare_clips(frames)
    torch.testing.assert_close(found, expected.flatten(0, 1))

    of_3d = CONFIG['data_preprocessor'] | dict(format_shape='NCTHW')
    expected, clips = expected.transpose(1, 2), frames.transpose(1, 2)
    for one_or_no_view in (clips, clips[:, None]):
        torch.testing.assert_close(MODELS.build(of_3d).prepare_clips(one_or_no_view), expected)


INPUT = (4, 2, 3, 32, 32)  # shape of the frames of 4 snippets


@pytest.mark.parametrize(
    'changes, shape, field',
    [
        (dict(freeze_backbone=['layer9']), INPUT, r"freeze_backbone: found 'layer9'"),
        (dict(freeze_backbone=1), INPUT, r"freeze_backbone: found '1'"),
        (dict(clip_chunk=0), INPUT, 'clip_chunk: found 0'),
        (dict(data_preprocessor=dict(mean=[1, 2, 3])), INPUT, 'mean, std'),
        (dict(data_preprocessor=dict(mean=[1], std=['b'])), INPUT, r"mean, std: found \(\[1\], \['b'\]\)"),
        (dict(data_preprocessor=dict(mean=[1], std=[0])), INPUT, r'mean, std: .*std above 0'),
        (dict(data_preprocessor=dict(gap_snippets=-3)), INPUT, r'gap_snippets: found -3'),
        (dict(data_preprocessor=dict(format_shape='NPTCHW')), INPUT, 'format_shape'),
        (dict(), (4, 3, 2, 8, 8), r'shape of the clips: found .*3, 2, 8, 8.*3 channels'),  # 3D clips for a 2D model
        (dict(), (4, 512), r'inputs: found .*expected .*clips'),
        (dict(backbone=None), (4, 3, 8, 8), r'inputs: found .clips'),
    ],
)
def test_wrong_arguments_and_inputs_are_refused(changes, shape, field):
    def build_and_run():
        model = MODELS.build(CONFIG | changes)
        model(**model.data_preprocessor(dict(inputs=[torch.zeros(shape)])))

    with pytest.raises(InputError, match=field):
        build_and_run()
