"""Losses, gradients and predictions of every head, and of the second stage, on a GPU and on the CPU."""

import copy

import pytest
import torch
from mmaction.registry import MODELS
from model_builders import make_batch
from peak_memory import PeakMemory

from fsptal_mm.structures import SegmentBatch

pytestmark = pytest.mark.cuda

MINER = dict(miner=dict(type='PseudoLabelMiner', background_threshold=0.5, action_threshold=0.5))
TUNED = dict(
    type='FSPTALHead',
    cosine=True,
    mined_actions='seeds',
    background_margin=0.5,
    searcher=dict(type='SegmentSearcher', background_segments=True),
    separation_loss=dict(type='FeatureSeparationLoss', class_aware=True),
)
BASE = dict(type='PointTALHead') | MINER
# trunk and head
MODELS_OF = {
    'base': ('SnippetEmbedding', BASE),
    'foreground branch': (
        'SnippetEmbedding',
        dict(type='PointTALHead', foreground=dict(type='ForegroundBranch')) | MINER,
    ),
    'fsptal': ('AffinityEmbedding', dict(type='FSPTALHead', separation=None) | MINER),
    'fsptal tuned': ('SnippetEmbedding', TUNED | MINER),
    'lacp': ('SnippetEmbedding', dict(type='LACPHead')),
    'mil': ('SnippetEmbedding', dict(type='MILHead')),
    'transformer': ('TransformerEmbedding', BASE),
}
EVERY_MODEL = pytest.mark.parametrize('trunk, head', MODELS_OF.values(), ids=MODELS_OF)
BATCH = dict(num_videos=5, num_snippets=80, num_instances=6)
NETWORK = dict(in_channels=16, channels=8, hidden_channels=16)
NO_DROPOUT = dict(input_dropout=0.0, pooled_dropout=0.0, hidden_dropout=0.0)


def build(trunk, head, dim=16, out=16, **parts):
    """A model without dropout, since the random numbers of dropout differ between devices."""
    torch.manual_seed(0)
    embedding = dict(type=trunk, in_channels=dim, out_channels=out)
    if trunk == 'TransformerEmbedding':
        embedding |= dict(dropout=0.0, num_heads=2)
    return MODELS.build(
        dict(
            type='PointTAL',
            embedding=embedding,
            head=dict(num_classes=3, in_channels=out, dropout=0.0) | head,
            **parts,
        )
    )


def step(model, batch, device, dtype=None):
    """Losses and gradients of a step on a device, copied to the host."""
    model = copy.deepcopy(model).to(device)
    torch.manual_seed(1)
    with torch.autocast(device.type, dtype=dtype, enabled=dtype is not None):
        losses = model(**model.data_preprocessor(copy.deepcopy(batch), True), mode='loss')
    sum(losses.values()).backward()
    gradients = {name: weight.grad.cpu() for name, weight in model.named_parameters() if weight.grad is not None}
    return {name: loss.detach().cpu() for name, loss in losses.items()}, gradients


def assert_same(found, expected, rtol=1e-3, atol=1e-5):
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            torch.testing.assert_close(
                one[name], other[name], rtol=rtol, atol=atol, msg=lambda text, n=name: f'{n}: {text}'
            )


@EVERY_MODEL
def test_a_step_is_that_of_the_cpu(device, same_random_numbers, trunk, head):
    model, batch = build(trunk, head), make_batch(**BATCH, dim=16)
    expected = step(model, batch, torch.device('cpu'))
    assert_same(step(model, batch, device), expected)
    assert all(gradient.abs().max() > 0 for gradient in expected[1].values())


def refined(model, batch):
    """The model in its second stage."""
    generator, store = torch.Generator().manual_seed(0), {}
    for features, sample in zip(batch['inputs'], batch['data_samples']):
        parts = []
        for count in (30, 4):
            start, size = torch.rand(2, count, generator=generator) * len(features) / 2
            labels = torch.randint(3, (count,), generator=generator)
            parts.append(SegmentBatch.of_video(torch.stack([start, start + size + 0.5], 1), labels))
        store[sample.video_id] = tuple(parts)
    model.start_refinement(store)
    return model


def two_stages():
    members = [NETWORK | NO_DROPOUT, NETWORK | NO_DROPOUT | dict(inputs='embedding')]
    refinement = dict(type='RefinementHead', num_classes=3, members=members)
    return build(*MODELS_OF['fsptal tuned'], refinement=refinement)


def test_a_step_of_the_second_stage_is_that_of_the_cpu(device, same_random_numbers):
    batch = make_batch(**BATCH, dim=16)
    model = refined(two_stages(), batch)
    expected = step(model, batch, torch.device('cpu'))
    assert_same(step(model, batch, device), expected)
    assert all(name.startswith('refinement.') for name in expected[1])


def predictions(model, batch, device):
    model = copy.deepcopy(model).to(device).eval()
    with torch.no_grad():
        samples = model.test_step(copy.deepcopy(batch))
    return [
        {
            name: torch.as_tensor(part).cpu()
            for name, part in dict(sample.pred_segments.items(), video_scores=sample.pred_scores).items()
        }
        for sample in samples
    ]


@pytest.mark.parametrize('name', [*MODELS_OF, 'two stages'])
def test_predictions_are_those_of_the_cpu(device, name):
    batch = make_batch(**BATCH, dim=16)
    model = refined(two_stages(), batch) if name == 'two stages' else build(*MODELS_OF[name])
    model.head.classifier.weight.data.mul_(10)  # larger weights, so that scores vary
    expected = predictions(model, batch, torch.device('cpu'))
    assert_same(predictions(model, batch, device), expected, atol=1e-4)
    assert all(len(video['scores']) for video in expected)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
@EVERY_MODEL
def test_mixed_precision_is_finite_and_close(device, same_random_numbers, trunk, head, dtype):
    if dtype == torch.bfloat16 and device.type == 'cuda' and not torch.cuda.is_bf16_supported(False):
        pytest.skip('this GPU has no bfloat16')
    # Only given labels: mined labels and segments may differ between precisions if scores are close to a threshold.
    model, batch = build(trunk, head), make_batch(**BATCH, dim=16)
    if head['type'] != 'MILHead':
        model.head.train_on('points')
    losses, gradients = step(model, batch, device, dtype)
    expected, _ = step(model, batch, torch.device('cpu'))
    assert all(torch.isfinite(part).all() for part in (*losses.values(), *gradients.values()))
    segments = {'loss_score', 'loss_feature'}
    close = {name for name in losses if name not in segments and not name.startswith('loss_separation')}
    assert_same(
        [{name: losses[name].float() for name in close}], [{name: expected[name] for name in close}], 0.05, 0.05
    )


@pytest.mark.parametrize('name', ['fsptal', 'fsptal tuned'])
def test_a_video_of_20000_snippets_fits_into_4_gb(device, name):
    # On the CPU, the test only shows that it runs, so a shorter video with fewer features is enough.
    length, dim = (20_000, 2048) if device.type == 'cuda' else (3000, 64)
    trunk, head = MODELS_OF[name]
    model = build(trunk, head, dim=dim, out=dim).to(device)
    batch = make_batch(num_videos=1, num_snippets=length, num_instances=length // 50, dim=dim)
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step_on(model, batch)
        peak = torch.cuda.max_memory_allocated() - before
    else:
        with PeakMemory() as memory:
            step_on(model, batch)
        peak = memory.peak
    assert peak < 4e9


def step_on(model, batch):
    sum(model(**model.data_preprocessor(batch, True), mode='loss').values()).backward()
