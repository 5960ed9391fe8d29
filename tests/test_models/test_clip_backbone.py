"""The model's way from clips to features: pooling, chunks, checkpoints, what is frozen."""

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.model import convert_sync_batchnorm
from torch import nn

from fsptal_mm.models import pool_clip_features
from fsptal_mm.models.clip_backbone import check_can_recompute, encode_clips
from fsptal_mm.utils.errors import InputError


def test_frames_folded_into_the_batch_are_averaged_clip_by_clip():
    rows = torch.tensor([[1.0, 2], [3, 4], [5, 6], [9, 10]])
    assert pool_clip_features(rows, 2).tolist() == [[2, 3], [7, 8]]
    assert torch.equal(pool_clip_features(rows, 4), rows)


def test_maps_are_averaged_over_space_and_time_and_tokens_over_tokens():
    flat = torch.tensor([[[1.0, 3], [2, 6]]])  # one clip; as a map: D = 2, two places; as tokens: two tokens, D = 2
    assert pool_clip_features(flat[..., None], 1).tolist() == [[2, 4]]
    assert pool_clip_features(flat[..., None, None], 1).tolist() == [[2, 4]]
    assert pool_clip_features(flat, 1).tolist() == [[1.5, 4.5]]


def test_several_outputs_are_pooled_one_by_one_and_joined():
    slow, fast = torch.full((2, 3, 2, 4, 4), 1.0), torch.full((2, 1, 8, 4, 4), 2.0)
    assert pool_clip_features((slow, fast), 2).tolist() == [[1, 1, 1, 2]] * 2


def test_half_precision_becomes_float32():
    assert pool_clip_features(torch.ones(1, 2, dtype=torch.bfloat16), 1).dtype == torch.float32


@pytest.mark.parametrize(
    'outputs, found',
    [
        (torch.ones(4), r'\(4,\)'),  # no D
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


def toolbox_backbone(**config):
    torch.manual_seed(0)
    return MODELS.build(config)


@pytest.mark.parametrize(
    'config, clip, dimension',
    [
        (dict(type='mmaction.ResNet', depth=18, pretrained=None), (4, 3, 32, 32), 512),
        (dict(type='mmaction.ResNetTSM', depth=18, pretrained=None, num_segments=4), (4, 3, 32, 32), 512),
        (dict(type='mmaction.ResNet3dSlowOnly', depth=18, pretrained=None), (3, 4, 32, 32), 512),
        (
            dict(
                type='mmaction.ResNet3dSlowFast',
                pretrained=None,
                resample_rate=4,
                speed_ratio=4,
                slow_pathway=dict(type='resnet3d', depth=18, pretrained=None, lateral=True, fusion_kernel=7),
                fast_pathway=dict(type='resnet3d', depth=18, pretrained=None, lateral=False, base_channels=8),
            ),
            (3, 16, 32, 32),
            512 + 64,
        ),
        (
            dict(
                type='mmaction.VisionTransformer',
                img_size=32,
                patch_size=16,
                embed_dims=24,
                depth=2,
                num_heads=2,
                mlp_ratio=2,
                num_frames=4,
            ),
            (3, 4, 32, 32),
            24,
        ),
    ],
    ids=['ResNet', 'TSM', 'SlowOnly', 'SlowFast', 'VideoMAE'],
)
def test_backbones_of_the_toolbox_give_one_vector_per_snippet(config, clip, dimension):
    backbone = toolbox_backbone(**config)
    backbone.eval()
    shape = 'NCHW' if clip[1] == 3 else 'NCTHW'
    prepare = MODELS.build(dict(type='SnippetDataPreprocessor', format_shape=shape)).prepare_clips
    clips = torch.randn(3, *clip)
    with torch.no_grad():
        features = encode_clips(backbone, clips, prepare, 2, True)
        assert features.shape == (3, dimension)
        for feature, one in zip(features, clips):
            torch.testing.assert_close(encode_clips(backbone, one[None], prepare, 1, False)[0], feature)


class NoisyBackbone(nn.Module):
    """Small, with everything that a second forward pass could spoil: batch normalisation and random numbers."""

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


CONFIG = dict(
    type='PointTAL',
    backbone=dict(type='mmaction.ResNet', depth=18, pretrained=None),
    embedding=dict(type='SnippetEmbedding', in_channels=512, out_channels=8),
    head=dict(type='PointTALHead', num_classes=2, in_channels=8),
    data_preprocessor=dict(type='SnippetDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.4, 57.1, 57.4]),
    clip_chunk=2,
)


def gradients_of(changes):
    """Names of the backbone's parameters with a gradient after one step, and the model."""
    torch.manual_seed(0)
    model = MODELS.build(CONFIG | changes)
    clips = [torch.randint(0, 256, (length, 2, 3, 32, 32), dtype=torch.uint8) for length in (3, 2)]
    batch = model.embed(model.data_preprocessor(dict(inputs=clips), True)['inputs'])
    batch.features.sum().backward()
    moved = [name for name, parameter in model.backbone.named_parameters() if parameter.grad is not None]
    assert all(parameter.grad is not None for parameter in model.embedding.parameters())
    return moved, model


def test_a_trained_backbone_gets_gradients_everywhere():
    moved, model = gradients_of({})
    assert moved == [name for name, _ in model.backbone.named_parameters()]
    assert model.backbone.training


@pytest.mark.parametrize(
    'changes',
    [dict(backbone=CONFIG['backbone'] | dict(frozen_stages=2)), dict(freeze_backbone=['conv1', 'layer1', 'layer2'])],
    ids=['by the backbone', 'by names'],
)
def test_a_partly_frozen_backbone_gets_gradients_in_the_rest(changes):
    moved, model = gradients_of(changes)
    rest = [name for name, _ in model.backbone.named_parameters() if name.startswith(('layer3', 'layer4'))]
    assert moved == rest
    trainable = [name for name, parameter in model.backbone.named_parameters() if parameter.requires_grad]
    assert trainable == rest
    norms = {name: part for name, part in model.backbone.named_modules() if isinstance(part, nn.BatchNorm2d)}
    assert all(part.training == name.startswith(('layer3', 'layer4')) for name, part in norms.items())
    assert all(part.num_batches_tracked == (3 if part.training else 0) for part in norms.values())


def test_one_part_is_frozen_by_its_bare_name():
    moved, model = gradients_of(dict(freeze_backbone='layer1'))
    assert moved == [name for name, _ in model.backbone.named_parameters() if not name.startswith('layer1')]


def test_a_frozen_backbone_gets_no_gradient_and_stays_as_it_is():
    moved, model = gradients_of(dict(freeze_backbone=True))
    assert moved == []
    assert not any(part.training for part in model.backbone.modules())
    assert model.embedding.training
    statistics = [buffer for name, buffer in model.backbone.named_buffers() if 'num_batches' in name]
    assert all(count == 0 for count in statistics)


def test_synchronised_norms_that_are_trained_cannot_be_computed_again():
    backbone = CONFIG['backbone'] | dict(norm_cfg=dict(type='SyncBN'))
    with pytest.raises(InputError, match=r'checkpoint_clips: found True'):
        MODELS.build(CONFIG | dict(backbone=backbone))
    for changes in (dict(checkpoint_clips=False), dict(freeze_backbone=True)):
        MODELS.build(CONFIG | dict(backbone=backbone) | changes)
    MODELS.build(CONFIG | dict(backbone=backbone | dict(norm_eval=True)))


def test_norms_that_are_synchronised_after_building_cannot_be_computed_again():
    for changes in (dict(checkpoint_clips=False), dict(freeze_backbone=True)):
        convert_sync_batchnorm(MODELS.build(CONFIG | changes)).train()
    model = convert_sync_batchnorm(MODELS.build(CONFIG))  # as the runner does with `sync_bn` of its config
    model.eval()
    with pytest.raises(InputError, match=r'checkpoint_clips: found True'):
        model.train()


def test_the_synchronised_norm_of_mmcv_cannot_be_computed_again_either():
    class SyncBatchNorm(nn.Module):  # mmcv's, where it is compiled, is a module of this name and of no other kinship
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


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(freeze_backbone=['layer9']), r"freeze_backbone: found 'layer9'"),
        (dict(freeze_backbone=None), r"freeze_backbone: found 'None'"),
        (dict(freeze_backbone=1), r"freeze_backbone: found '1'"),
        (dict(clip_chunk=0), 'clip_chunk: found 0'),
        (dict(clip_chunk=True), 'clip_chunk: found True'),
        (dict(data_preprocessor=dict(type='SnippetDataPreprocessor', mean=[1, 2, 3])), 'mean, std'),
        (dict(data_preprocessor=dict(mean=1.0, std=2.0)), r'mean, std: found \(1\.0, 2\.0\)'),
        (dict(data_preprocessor=dict(mean=[1], std=['b'])), r"mean, std: found \(\[1\], \['b'\]\)"),
        (dict(data_preprocessor=dict(mean=[1], std=[0])), r'mean, std: .*std above 0'),
        (dict(data_preprocessor=dict(gap_snippets='x')), r"gap_snippets: found 'x'"),
        (dict(data_preprocessor=dict(gap_snippets=-3)), r'gap_snippets: found -3'),
        (dict(data_preprocessor=dict(type='SnippetDataPreprocessor', format_shape='NPTCHW')), 'format_shape'),
    ],
)
def test_wrong_arguments_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        MODELS.build(CONFIG | changes)


@pytest.mark.parametrize(
    'shape, changes, message',
    [
        ((4, 3, 2, 8, 8), {}, r'shape of the clips: found .*3, 2, 8, 8.*3 channels'),  # 3D clips, 2D model
        ((4, 512), {}, r'inputs: found .*expected .*clips'),
        ((4, 3, 8, 8), dict(backbone=None), r'inputs: found .clips'),
    ],
)
def test_inputs_of_another_form_than_the_model_takes_are_refused(shape, changes, message):
    model = MODELS.build(CONFIG | changes)
    with pytest.raises(InputError, match=message):
        model(**model.data_preprocessor(dict(inputs=[torch.zeros(shape)])))
