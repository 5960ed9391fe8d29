"""Every loss and its gradients are finite for any scores, and the gradients equal finite differences."""

from itertools import product

import numpy as np
import pytest
import torch
from cases import DTYPES, NUM_CLASSES, draw_logits, draw_sample, heavy, label_kinds, lengths, make_targets, seeds
from hypothesis import given
from hypothesis import strategies as st

from fsptal_mm.models import SnippetScores
from fsptal_mm.models.heads.foreground_branch import ForegroundBranch
from fsptal_mm.models.heads.lacp_head import (
    LACPPointLoss,
    LACPSeedMiner,
    LACPVideoLoss,
    feature_contrast,
    score_contrast,
)
from fsptal_mm.models.heads.mil_head import MILHead
from fsptal_mm.models.losses import FeatureSeparationLoss, OICLoss, PointFocalLoss, VideoLevelLoss
from fsptal_mm.models.task_modules import PseudoLabelMiner, SegmentSearcher
from fsptal_mm.structures import SnippetBatch

# Searchers for the original and the optimised score contrast, without and with background segments.
SEARCHERS = [
    SegmentSearcher(original=original, background_segments=background)
    for background, original in product((False, True), repeat=2)
]


def score_losses(scores, targets):
    """Every loss of scores, as ``{name: function of the scores}``.

    Mined labels and segments are chosen once, by ``scores``, and do not change with the argument of the functions.
    """
    scores_now = SnippetScores(*(part.detach() for part in (scores.classes, scores.background_scores, scores.final)))
    mined = PseudoLabelMiner()(scores_now.final, scores_now.background_scores, targets)
    segments = [searcher(scores_now.final, mined) for searcher in SEARCHERS]
    mil = MILHead(NUM_CLASSES, 2)
    video = (targets.mask, targets.video_labels)
    losses = {
        'video level of LACP': lambda s: LACPVideoLoss()(s.classes, s.background_scores, *video),
        'points of LACP': lambda s: LACPPointLoss()(s.final, s.background_scores, mined),
        'MIL': lambda s: mil.loss_by_feat(s, *video),
    }
    for exponent in (0, 0.5, 1, 2, 5):
        focal = PointFocalLoss(exponent)
        losses[f'point focal, {exponent}'] = lambda s, loss=focal: loss(s.final, s.background_scores, mined)
    for absent, reduction in product(('topk', 'mean'), ('mean', 'sum')):
        loss = VideoLevelLoss(absent_classes=absent, reduction=reduction)
        losses[f'video level, {absent}, {reduction}'] = lambda s, loss=loss: loss(
            s.classes, s.background_scores, *video, s.classes[:, 0][:, [0, 1, 2, 2]]
        )
    for number, found in enumerate(segments):
        losses[f'OIC {number}'] = lambda s, found=found: OICLoss()(s.final, found)
        losses[f'score contrast {number}'] = lambda s, found=found: dict(loss=score_contrast(s.final, found))
    return losses


@heavy
@given(seeds, lengths, label_kinds, st.sampled_from([0.0, 0.3, 1.0]), st.sampled_from(DTYPES))
def test_losses_of_scores_are_finite(seed, lengths, kind, extreme_share, dtype):
    rng = np.random.default_rng(seed)
    targets = make_targets([draw_sample(rng, length, kind) for length in lengths])
    logits = draw_logits(rng, (*targets.mask.shape, NUM_CLASSES + 1), extreme_share).to(dtype).requires_grad_()
    scores = SnippetScores.from_logits(logits)
    for name, loss in score_losses(scores, targets).items():
        terms = loss(scores)
        assert all(torch.isfinite(term) for term in terms.values()), (name, terms)
        assert all(term >= 0 for term in terms.values()), (name, terms)
        (grad,) = torch.autograd.grad(sum(terms.values()), logits, retain_graph=True)
        assert torch.isfinite(grad).all(), name
        assert (grad[~targets.mask] == 0).all(), f'{name}: padding has a gradient'


@heavy
@given(seeds, lengths, label_kinds, st.sampled_from([0.0, 1e-42, 1e-30, 1e-5, 1.0, 3e4]), st.sampled_from(DTYPES))
def test_losses_of_features_are_finite(seed, lengths, kind, scale, dtype):
    rng = np.random.default_rng(seed)
    samples = [draw_sample(rng, length, kind) for length in lengths]
    targets = make_targets(samples)
    rows = [torch.from_numpy(rng.normal(size=(length, 5))).clamp(-1, 1) for length in lengths]
    factors = torch.tensor([scale, 1.0], dtype=torch.float64)
    videos = [(part * factors[torch.from_numpy(rng.integers(0, 2, (len(part), 1)))]).to(dtype) for part in rows]
    batch = SnippetBatch.from_videos(videos)
    batch = batch.with_features(batch.features.requires_grad_())
    logits = draw_logits(rng, (len(batch.features), NUM_CLASSES + 1), 0.3).to(dtype).requires_grad_()
    scores = SnippetScores.from_logits(batch.pad(logits.detach()))
    mined = PseudoLabelMiner()(scores.final, scores.background_scores, targets)
    runs = SEARCHERS[3](scores.final, LACPSeedMiner()(scores.final, scores.background_scores, targets))
    foreground = ForegroundBranch(5)(batch, logits)
    video = (scores.classes, scores.background_scores, targets.mask, targets.video_labels)
    losses = FeatureSeparationLoss()(batch, targets.with_background(mined.background_labels))
    losses['feature contrast'] = feature_contrast(batch, runs, 0.1)
    losses['foreground'] = VideoLevelLoss()(*video, foreground)['loss_foreground']
    for name, loss in losses.items():
        assert torch.isfinite(loss), name
        for grad in torch.autograd.grad(loss, [batch.features, logits], retain_graph=True, allow_unused=True):
            assert grad is None or torch.isfinite(grad).all(), name


def gradcheck(function, *inputs):
    """Compare gradients with finite differences in float64, of wide steps, since some losses use float32 inside."""
    inputs = [part.double().requires_grad_() for part in inputs]
    assert torch.autograd.gradcheck(function, inputs, eps=3e-4, atol=3e-3, rtol=2e-3)


def draw_apart(rng, shape):
    """Draw scores of classes and background, more than 1e-3 apart for any two snippets of a video.

    So finite differences never make two snippets change places, where a top-k has no gradient.
    """
    while True:
        classes, background = (torch.from_numpy(rng.uniform(0.05, 0.95, (*shape, size))) for size in (NUM_CLASSES, 1))
        action = 1 - background
        columns = torch.cat([classes, background, classes * action, background * action], -1)
        if columns.sort(1).values.diff(dim=1).min() > 1e-3:
            return classes, background[..., 0]


@pytest.mark.parametrize('kind', ['none', 'few', 'all', 'background'])
def test_gradients_of_score_losses_are_those_of_finite_differences(kind, full_count):
    for seed in range(20 if full_count else 1):
        rng = np.random.default_rng(seed)
        targets = make_targets([draw_sample(rng, length, kind) for length in (5, 1, 9)])
        classes, background = draw_apart(rng, targets.mask.shape)

        def scores_of(classes, background):
            return SnippetScores(classes, background, classes * (1 - background[..., None]))

        for loss in score_losses(scores_of(classes, background), targets).values():
            gradcheck(lambda *parts, loss=loss: sum(loss(scores_of(*parts)).values()).double(), classes, background)


@pytest.mark.parametrize('class_aware', [False, True])
def test_gradients_of_feature_losses_are_those_of_finite_differences(class_aware, full_count, monkeypatch):
    # LACP samples snippets at random; here it always takes the same ones.
    monkeypatch.setattr(torch, 'rand', lambda size, device=None: torch.full(size, 0.5))
    for seed in range(20 if full_count else 1):
        check_feature_losses(np.random.default_rng(seed), class_aware)


def check_feature_losses(rng, class_aware):
    samples = [draw_sample(rng, length, 'few') for length in (9, 1, 14)]
    targets = make_targets(samples)
    batch = SnippetBatch.from_videos([torch.from_numpy(rng.normal(size=(s.num_snippets, 4))) for s in samples])
    logits = torch.from_numpy(rng.normal(size=(len(batch.features), NUM_CLASSES + 1)))
    scores = SnippetScores.from_logits(batch.pad(logits))
    mined = PseudoLabelMiner()(scores.final, scores.background_scores, targets)
    runs = SEARCHERS[3](scores.final, LACPSeedMiner()(scores.final, scores.background_scores, targets))
    branch = ForegroundBranch(4).double()
    labelled = targets.with_background(mined.background_labels)

    def separation(rows):
        embedding = batch.with_features(rows)
        losses = FeatureSeparationLoss(class_aware=class_aware)(embedding, labelled)
        return sum(losses.values()).double()

    gradcheck(separation, batch.features)
    gradcheck(lambda rows: feature_contrast(batch.with_features(rows), runs, 0.5).double(), batch.features)
    gradcheck(lambda rows, maps: branch(batch.with_features(rows), maps).sum(), batch.features, logits)
