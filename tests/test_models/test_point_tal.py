import numpy as np
import pytest
import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.runner.checkpoint import load_state_dict

from fsptal_mm.structures import PointTargets, SnippetGrid
from fsptal_mm.utils.errors import InputError

CONFIG = dict(
    type='PointTAL',
    embedding=dict(type='SnippetEmbedding', in_channels=6, out_channels=8),
    head=dict(type='PointTALHead', num_classes=3, in_channels=8, foreground=dict(type='ForegroundBranch'), dropout=0.0),
)
LENGTHS = (9, 1, 23, 4)


def make_video(length, seed):
    """Features and a data sample with two labelled snippets (one in a video of one snippet) and a background click."""
    rng = np.random.default_rng(seed)
    instances = torch.full((length, 3), -1, dtype=torch.int32)
    instances[0, 1] = 0
    instances[length // 2, seed % 3] = 1
    sample = ActionDataSample(
        metainfo=dict(video_id=f'v{seed}', num_snippets=length, grid=SnippetGrid(0.5), duration_sec=length * 0.5)
    )
    sample.snippet_instances = instances
    sample.background_labels = torch.arange(length) == length - 1
    sample.gt_video_labels = (instances >= 0).any(0).float()
    return torch.from_numpy(rng.standard_normal((length, 6), dtype=np.float32)), sample


@pytest.fixture
def model():
    torch.manual_seed(0)
    return MODELS.build(CONFIG)


@pytest.fixture
def videos():
    return [make_video(length, seed) for seed, length in enumerate(LENGTHS)]


def run(model, videos, mode):
    data = dict(inputs=[video for video, _ in videos], data_samples=[sample for _, sample in videos])
    return model(**model.data_preprocessor(data, mode == 'loss'), mode=mode)


@pytest.mark.parametrize('kernel_size, separation_kernel, gap', [(1, 1, 1), (3, 7, 3), (5, 3, 2)])
def test_zero_rows_between_videos_fit_the_widest_convolution(videos, kernel_size, separation_kernel, gap):
    separation = dict(type='SeparationBranch', embed_channels=8, kernel_size=separation_kernel)
    head = dict(type='FSPTALHead', num_classes=3, in_channels=8, separation=separation)
    model = MODELS.build(CONFIG | dict(embedding=CONFIG['embedding'] | dict(kernel_size=kernel_size), head=head))
    assert model.data_preprocessor.gap_snippets == gap
    assert all(loss.isfinite() for loss in run(model, videos, 'loss').values())


def test_a_batch_has_the_scores_of_its_videos(model, videos):
    batch = run(model, videos, 'tensor')
    assert batch.shape == (4, 23, 4)
    for row, video in zip(batch, videos, strict=True):
        torch.testing.assert_close(row[: len(video[0])], run(model, [video], 'tensor')[0], rtol=1e-5, atol=1e-5)


def checked_losses(model, videos):
    """Losses of a batch; they and their gradients must be the means of those of its videos."""

    def losses_and_gradients(videos):
        model.zero_grad()
        losses = run(model, videos, 'loss')
        sum(losses.values()).backward()
        gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
        return {name: loss.detach() for name, loss in losses.items()}, gradients

    single = [losses_and_gradients([video]) for video in videos]
    losses, gradients = losses_and_gradients(videos)
    for found, part in ((losses, 0), (gradients, 1)):
        for name, value in found.items():
            mean = sum(pair[part][name] for pair in single) / len(videos)
            torch.testing.assert_close(value, mean, rtol=1e-5, atol=1e-5, msg=lambda text, name=name: f'{name}: {text}')
    return losses


def test_a_batch_has_the_losses_and_gradients_of_its_videos(model, videos):
    losses = checked_losses(model, videos)
    assert set(losses) == {'loss_background', 'loss_foreground', 'loss_point_action', 'loss_point_background'}


def test_a_batch_has_the_proposals_of_its_videos(model, videos):
    model.eval()
    batch = run(model, videos, 'predict')
    found = [(sample.pred_segments.segments_sec, sample.pred_scores) for sample in batch]
    for (segments, scores), video in zip(found, videos, strict=True):
        (sample,) = run(model, [video], 'predict')
        assert torch.equal(segments, sample.pred_segments.segments_sec)
        assert torch.allclose(scores, sample.pred_scores)
        assert segments.min() >= 0
        assert segments.max() <= sample.duration_sec


def test_mined_labels_do_not_depend_on_dropout(videos):
    config = CONFIG | dict(head=CONFIG['head'] | dict(dropout=0.7, foreground=None))
    model = MODELS.build(config)
    seen = []
    mine = model.head.miner
    model.head.miner = lambda *args: seen.append(mine(*args)) or seen[-1]
    for seed in (1, 2):
        torch.manual_seed(seed)
        run(model, videos, 'loss')
    assert torch.equal(seen[0].background_labels, seen[1].background_labels)
    assert torch.equal(seen[0].snippet_instances, seen[1].snippet_instances)


def test_every_parameter_gets_a_gradient_even_where_nothing_is_labelled(model):
    video, sample = make_video(5, 0)
    sample.snippet_instances.fill_(-1)
    sample.background_labels.fill_(False)
    sample.gt_video_labels.zero_()
    losses = run(model, [(video, sample)], 'loss')
    sum(losses.values()).backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert all(torch.isfinite(loss) for loss in losses.values())


def test_targets_are_padded_with_no_label():
    samples = [make_video(length, seed)[1] for seed, length in enumerate((2, 4))]
    mask = torch.arange(4) < torch.tensor([[2], [4]])
    targets = PointTargets.from_samples(samples, mask)
    assert targets.snippet_instances.shape == (2, 4, 3)
    assert (targets.snippet_instances[0, 2:] == -1).all()
    assert not targets.background_labels[0, 2:].any()
    assert targets.video_labels.tolist() == [[1, 1, 0], [0, 1, 0]]


def test_embedded_features_are_resampled_where_labels_were_extended_behind_the_embedding(model, videos):
    sample = videos[0][1]
    sample.set_metainfo(dict(embedding_positions=np.array([0.0, 0.5, 1.0])))
    data = model.data_preprocessor(dict(inputs=[video for video, _ in videos], data_samples=[s for _, s in videos]))
    plain, resampled = model.embed(data['inputs']), model.embed(**data)
    assert resampled.lengths == (3, *LENGTHS[1:])
    for video, (before, after) in enumerate(zip(plain.split(plain.features), resampled.split(resampled.features))):
        expected = torch.stack([before[0], (before[0] + before[1]) / 2, before[1]]) if video == 0 else before
        torch.testing.assert_close(after, expected)


@pytest.mark.parametrize('head', ['PointTALHead', 'FSPTALHead', 'LACPHead', 'MILHead'])
@pytest.mark.parametrize('num_classes', [2, 4])
def test_a_head_of_other_classes_than_the_data_set_is_refused(videos, head, num_classes):
    model = MODELS.build(CONFIG | dict(head=dict(type=head, num_classes=num_classes, in_channels=8)))
    with pytest.raises(InputError, match=rf'model\.head\.num_classes: found {num_classes}, expected 3'):
        run(model, videos, 'loss')


def test_a_head_for_other_features_than_embedded_is_refused(videos):
    model = MODELS.build(CONFIG | dict(head=dict(type='FSPTALHead', num_classes=3, in_channels=16)))
    expected = r'model\.head\.in_channels: found 16, expected 8, the dimension of the embedded features'
    with pytest.raises(InputError, match=expected):
        run(model, videos, 'loss')
    inputs, samples = model.data_preprocessor(dict(inputs=[videos[0][0]], data_samples=[videos[0][1]])).values()
    with pytest.raises(InputError, match=expected):  # as a mining pass, which comes before all training
        model.head.mine(model.embed(inputs), samples)


def test_a_video_with_features_of_another_dimension_is_named(model, videos):
    videos[2] = (videos[2][0][:, :4], videos[2][1])
    expected = 'video v2: dimension of the snippet features: found 4, expected 6, as of the first video of the batch'
    with pytest.raises(InputError, match=expected):
        run(model, videos, 'loss')


def test_unknown_mode_is_refused(model, videos):
    with pytest.raises(ValueError, match='`mode` must be'):
        run(model, videos, 'train')


def test_a_backbone_of_the_toolbox_makes_the_features():
    torch.manual_seed(0)
    config = CONFIG | dict(
        backbone=dict(type='mmaction.ResNet', depth=18, pretrained=None, norm_eval=True),
        embedding=dict(type='SnippetEmbedding', in_channels=512, out_channels=8),
    )
    model = MODELS.build(config)
    model.train()  # norm_eval: statistics of the batch must not make videos depend on each other
    clips = [(torch.randn(length, 3, 32, 32), make_video(length, length)[1]) for length in (3, 5)]
    batch = run(model, clips, 'tensor')
    for row, video in zip(batch, clips, strict=True):
        torch.testing.assert_close(row[: len(video[0])], run(model, [video], 'tensor')[0], rtol=1e-4, atol=1e-5)
    sum(run(model, clips, 'loss').values()).backward()
    assert model.backbone.conv1.conv.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    'change, named',
    [
        (lambda weights: weights.popitem(), 'missing'),
        (lambda weights: weights.update(more=torch.zeros(1)), 'more'),
        (lambda weights: weights.update({'embedding.conv.weight': torch.zeros(1)}), 'embedding.conv.weight'),
    ],
)
def test_weights_of_another_model_are_not_tested(model, videos, change, named):
    """A runner loads what fits; figures of what stays as it was drawn would be worth nothing."""
    data = dict(inputs=[video for video, _ in videos], data_samples=[sample for _, sample in videos])
    whole = model.state_dict()
    model.eval()
    model.test_step(data)  # drawn weights, and nothing was loaded
    weights = whole.copy()
    change(weights)
    load_state_dict(model, weights)
    with pytest.raises(InputError, match=named):
        model.test_step(data)
    load_state_dict(model, whole)
    model.test_step(data)
    load_state_dict(model, weights)
    run(model.train(), videos, 'loss')  # a training may start with them, and be tested
    model.eval().test_step(data)
