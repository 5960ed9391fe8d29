"""Every head, for any batch, precision and length: results are finite and reproducible, and memory is bounded."""

import numpy as np
import pytest
import torch
from cases import DTYPES, NUM_CLASSES, draw_logits, draw_sample, heavy, label_kinds, lengths, make_targets, seeds
from hypothesis import given
from hypothesis import strategies as st
from model_builders import FEATURES, FORMS, build_model, run
from peak_memory import PeakMemory
from tiny_run import make_runner, same_weights

from fsptal_mm.models import SnippetScores
from fsptal_mm.models.heads.lacp_head import LACPSeedMiner
from fsptal_mm.models.task_modules import ProposalGenerator, PseudoLabelMiner, SegmentSearcher
from fsptal_mm.structures import NO_INSTANCE, SnippetGrid

HEADS = ['base', 'variants', 'affinity convolution', 'lacp', 'mil', 'delu', 'asmloc', 'hrpro', 'sfnet of two streams']
# Scales of the trunk's features. Larger scales are not tried, since float16 cannot hold products of such features.
SCALES = (0.0, 1e-30, 1e-6, 1.0, 100.0)


def draw_video(rng, length):
    return torch.from_numpy(rng.standard_normal((length, FEATURES), dtype=np.float32))


@pytest.mark.parametrize('head', HEADS)
@heavy
@given(seeds, lengths, label_kinds, st.sampled_from(SCALES), st.sampled_from([None, torch.bfloat16, torch.float16]))
def test_losses_gradients_and_predictions_are_finite(head, seed, lengths, kind, scale, autocast):
    model = build_model(**FORMS[head])
    rng = np.random.default_rng(seed)
    samples = [draw_sample(rng, length, kind, f'v{number}') for number, length in enumerate(lengths)]
    videos = [draw_video(rng, length) for length in lengths]
    videos[0] = videos[0] * scale
    with torch.autocast('cpu', autocast or torch.bfloat16, enabled=autocast is not None):
        losses = run(model, list(zip(videos, samples)), 'loss')
        with torch.no_grad():
            found = run(model.eval(), list(zip(videos, samples)), 'predict')
    sum(losses.values()).backward()
    assert all(torch.isfinite(loss) for loss in losses.values()), losses
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all(), name
    for sample in found:
        assert torch.isfinite(sample.pred_segments.scores).all()
        start, end = sample.pred_segments.segments_sec.T
        assert ((start >= 0) & (start < end) & (end <= sample.duration_sec)).all()


@heavy
@given(seeds, lengths, label_kinds, st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from(DTYPES))
def test_mined_labels_keep_the_given_ones_and_the_mask(seed, lengths, kind, extreme_share, dtype):
    rng = np.random.default_rng(seed)
    targets = make_targets([draw_sample(rng, length, kind) for length in lengths])
    logits = draw_logits(rng, (*targets.mask.shape, NUM_CLASSES + 1), extreme_share).to(dtype).sigmoid()
    scores, background = logits[..., :-1] * (1 - logits[..., -1:]), logits[..., -1]
    for miner in (PseudoLabelMiner(), PseudoLabelMiner(None, None), LACPSeedMiner()):
        mined = miner(scores, background, targets)
        assert torch.equal(mined.snippet_instances[targets.labels], targets.snippet_instances[targets.labels])
        assert (mined.background_labels & targets.background_labels).sum() == targets.background_labels.sum()
        assert not (mined.background_labels & mined.labels.any(-1)).any()
        assert not ((mined.background_labels | mined.labels.any(-1)) & ~targets.mask).any()
        for searcher in (SegmentSearcher(), SegmentSearcher(original=True, background_segments=True)):
            check_segments(searcher(scores, mined), mined)


def check_segments(found, targets):
    length = targets.mask.sum(1)[found.video[found.group]]
    assert (found.outer_start >= 0).all()
    assert (found.outer_start <= found.start).all()
    assert (found.start < found.stop).all()
    assert (found.stop <= found.outer_stop).all()
    assert (found.outer_stop <= length).all()
    kept = torch.zeros_like(targets.labels)
    for group, start, stop, background in zip(found.group, found.start, found.stop, found.is_background):
        if not background:
            kept[found.video[group], start:stop, found.label[group]] = True
    assert (kept | ~targets.labels).all(), 'a seed in no segment'


@heavy
@given(seeds, st.integers(1, 40), st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from(DTYPES))
def test_proposals_are_ordered_and_in_the_video(seed, length, extreme_share, dtype):
    rng = np.random.default_rng(seed)
    scores = SnippetScores.from_logits(draw_logits(rng, (1, length, NUM_CLASSES + 1), extreme_share).to(dtype))
    duration_sec = length * 0.5 - rng.uniform(0, 0.4)
    for nms in (dict(type='nms', iou_threshold=0.5), dict(type='soft_nms')):
        found = ProposalGenerator(nms=nms)(
            scores.final[0], scores.background_scores[0], scores.classes[0].amax(0), SnippetGrid(0.5), duration_sec
        )
        start, end = found['segments_sec'].T
        assert ((start >= 0) & (start < end) & (end <= duration_sec)).all()
        assert torch.isfinite(found['scores']).all()
        assert (found['scores'].diff() <= 0).all()


@pytest.mark.parametrize('head', HEADS)
def test_two_runs_of_a_seed_have_the_same_bits(head, tmp_path):
    options = FORMS[head] | dict(dropout=0.5)
    parts = dict(type=options.pop('head', 'FSPTALHead'), trunk=options.pop('trunk', 'SnippetEmbedding'))
    options.pop('model', None)
    for name in ('first', 'second'):
        hooks = dict(checkpoint=dict(type='CheckpointHook', interval=1), seed=dict(type='EpochSeedHook'))
        adam = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.01))
        settings = dict(epochs=2, name=name, optim_wrapper=adam, default_hooks=hooks, trunk=parts['trunk'])
        make_runner(tmp_path, head=options | dict(type=parts['type']), **settings).train()
        torch.rand(3)  # drawing other random numbers between two runs has no effect
    first, second = (torch.load(tmp_path / name / 'epoch_2.pth') for name in ('first', 'second'))
    assert same_weights(first, second)
    assert not same_weights(first, torch.load(tmp_path / 'second/epoch_1.pth'))


@pytest.mark.parametrize('head', HEADS)
def test_memory_of_a_training_step_grows_with_the_video_and_no_faster(head, full_count):
    model, peaks = build_model(**FORMS[head]), []
    longest = 20_000 if full_count else 4_000
    for length in (longest // 4, longest):
        rng = np.random.default_rng(0)
        video, sample = draw_video(rng, length), draw_sample(rng, length, 'none')
        every = torch.arange(50, length, 100)
        sample.snippet_instances[every, every % NUM_CLASSES] = torch.arange(len(every), dtype=torch.int32)
        sample.gt_video_labels = (sample.snippet_instances != NO_INSTANCE).any(0).float()
        with PeakMemory() as memory:
            losses = run(model, [(video, sample)], 'loss')
            sum(losses.values()).backward()
        assert all(torch.isfinite(loss) for loss in losses.values())
        peaks.append(memory.peak)
    print(f'{head}: {peaks[1] / longest:.0f} bytes per snippet at {longest} snippets')
    # The variants have a background margin. Then nearly all snippets are background, and the feature separation looks
    # for their partners in tiles of 64 snippets.
    partners = 12 * longest**2 / 64 if head == 'variants' else 0
    # The feature separation holds pairs of up to 8 MB at once, and only the longer video has so many.
    assert peaks[1] < 4.4 * peaks[0] + 2**23 + partners
    assert peaks[1] < longest * 4096 + 2**26
