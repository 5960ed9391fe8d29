import itertools
import math

import numpy as np
import pytest
import torch
from model_builders import VIDEOS, build_model, embed, make_targets, make_video, run

from fsptal_mm.models.heads.lacp_head import (
    LACPHead,
    LACPPointLoss,
    LACPSeedMiner,
    LACPVideoLoss,
    feature_contrast,
    score_contrast,
)
from fsptal_mm.structures import SegmentLabels, SnippetBatch


def make_runs(video, label, group, start, stop, background, num_snippets):
    """Runs with LACP's outer ranges, which are a quarter of a run, rounded up, and end with the video."""
    video, label, group, start, stop, background = map(torch.tensor, (video, label, group, start, stop, background))
    reach = -(-(stop - start) // 4)
    outer = (start - reach).clamp(min=0), (stop + reach).clamp(max=num_snippets)
    return SegmentLabels(video, label, group, start, stop, *outer, background)


@pytest.mark.parametrize(
    'background_scores, points, background, actions, reason',
    [
        ([0.3, 0.97, 0.3, 0, 0.3, 0.96, 0.3], [3], [0, 1, 5, 6], [3], 'everything outside the outermost backgrounds'),
        ([0.3, 0.97, 0.98, 0, 0.3], [3], [0, 1, 2, 4], [3], 'up to the last one before the first point'),
        ([0.3, 0.5, 0.3, 0, 0.5, 0.6, 0.3], [3], [0, 1, 5, 6], [3], 'beyond the best one where none is above gamma'),
        ([0, 0.3, 0.5, 0.3, 0], [0, 4], [2], [0, 4], 'between points the best one alone'),
        ([0, 0.96, 0.3, 0.3, 0.97, 0.3, 0], [0, 6], [1, 2, 3, 4], [0, 6], 'between points all between two'),
        ([0, 0.05, 0.05, 0.3, 0.05, 0.9, 0.05, 0], [0, 7], [5], [0, 1, 2, 6, 7], 'actions in an unbroken row only'),
        ([0.05, 0.05, 0, 0.05], [2], [0, 3], [1, 2], 'background comes before action'),
        ([0.2, 0.9, 0.2], [], [0, 1, 2], [], 'a video without points is background'),
    ],
)
def test_seeds_by_hand(background_scores, points, background, actions, reason):
    instances = np.full((1, len(background_scores), 1), -1)
    instances[0, points, 0] = np.arange(len(points))
    scores = torch.zeros(1, len(background_scores), 1)
    seeds = LACPSeedMiner()(scores, torch.tensor([background_scores]), make_targets(instances))
    assert seeds.background_labels[0].nonzero()[:, 0].tolist() == background, reason
    assert seeds.labels[0].nonzero()[:, 0].tolist() == actions, reason


def test_action_seeds_take_the_label_of_their_point_whatever_the_class_scores():
    instances = np.full((1, 6, 3), -1)
    instances[0, 1, :2] = [0, 1]
    instances[0, 5, 2] = 2
    scores = torch.zeros(1, 6, 3)
    scores[..., 2] = 1.0
    background_scores = torch.tensor([[0.9, 0.0, 0.05, 0.9, 0.05, 0.0]])
    seeds = LACPSeedMiner()(scores, background_scores, make_targets(instances))
    nothing, first, second = [-1, -1, -1], [0, 1, -1], [-1, -1, 2]
    assert seeds.snippet_instances[0].tolist() == [nothing, first, first, nothing, second, second]


def lacp_objective(scores, sequence):
    """Mean contrast of all runs of a sequence, run by run."""
    values, start = [], 0
    for kind, members in itertools.groupby(sequence):
        length = len(list(members))
        curve = scores if kind else 1 - scores
        reach = math.ceil(length / 4)
        outer = [*range(max(0, start - reach), start), *range(start + length, min(len(scores), start + length + reach))]
        values.append(curve[start : start + length].mean() - (curve[outer].mean() if outer else 0))
        start += length
    return np.mean(values)


@pytest.mark.parametrize('seed', range(10))
def test_search_finds_the_best_of_all_sequences(seed):
    rng = np.random.default_rng(seed)
    num_snippets = rng.integers(4, 13)
    scores = rng.random(num_snippets)
    kinds = rng.choice([-1, -1, -1, 0, 1], num_snippets)
    kinds[0], kinds[-1] = 0, rng.integers(2)  # as with LACP's seeds, the first and the last snippet are seeds
    kinds[rng.integers(1, num_snippets)] = 1
    seeds = np.flatnonzero(kinds >= 0)
    num_switches = np.count_nonzero(np.diff(kinds[seeds]))
    candidates = [
        np.array(sequence)
        for sequence in itertools.product([0, 1], repeat=num_snippets)
        if (np.array(sequence)[seeds] == kinds[seeds]).all() and np.count_nonzero(np.diff(sequence)) == num_switches
    ]
    best = max(candidates, key=lambda sequence: lacp_objective(scores, sequence))

    head = LACPHead(num_classes=1, in_channels=2)
    instances = np.where(kinds == 1, 0, -1)[None, :, None]
    runs = head.searcher(torch.tensor(scores)[None, :, None], make_targets(instances, (kinds == 0)[None]))
    found = np.full(num_snippets, -1)
    for start, stop, background in zip(runs.start.tolist(), runs.stop.tolist(), runs.is_background.tolist()):
        found[start:stop] = not background
    assert set(found.tolist()) <= {0, 1}, 'runs cover the video'
    assert lacp_objective(scores, found) == pytest.approx(lacp_objective(scores, best))


def test_adjacent_seeds_of_one_class_are_one_action():
    model = build_model('LACPHead')
    _, _, runs = model.head.mine(*embed(model, [make_video(9, [(3, 0, 0), (4, 0, 1)])]))
    assert runs.is_background.tolist().count(False) == 1


def test_score_contrast_by_hand():
    # Action 2-3 has the inner mean 0.8 and the outer mean (0.0 + 0.2) / 2, so its contrast is 0.7. Background 0-1 has
    # the means 0.9 and 1 - 0.9, contrast 0.8. Background 4-7 has the means 0.9 and 1 - 0.7, contrast 0.6. The loss is
    # (0.3 + (0.2 + 0.4) / 2)^2 = 0.36. The second video has no run, and adds 0.
    scores = torch.tensor([0.2, 0.0, 0.9, 0.7, 0.2, 0.0, 0.0, 0.2]).expand(2, 8)[..., None]
    runs = make_runs([0], [0], [0, 0, 0], [0, 2, 4], [2, 4, 8], [True, False, True], num_snippets=8)
    assert score_contrast(scores, runs).item() == pytest.approx(0.36 / 2)


def test_feature_contrast_by_hand():
    # Class 0 has two equal actions and a background of cosine 0. The temperature is 1/2, so both anchors cost
    # log((e^2 + 1) / e^2). Class 1 has a single action, and so no anchor. Video 1 has no anchor at all.
    video = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
    batch = SnippetBatch.from_videos([video, video])
    runs = make_runs(
        [0, 0], [0, 1], [0, 0, 0, 1, 1], [0, 1, 2, 0, 1], [1, 2, 3, 1, 3], [False, True, False, False, True], 3
    )
    assert feature_contrast(batch, runs, 0.5).item() == pytest.approx(math.log(1 + math.exp(-2)) / 2)


@pytest.mark.parametrize('dark', [0, 1])
def test_gradients_of_feature_contrast_at_a_snippet_of_zeros_fit_into_float16(dark):
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [2.0, 1.0]], dtype=torch.float16)
    rows[dark] = 0  # an action, or the background that it is compared with
    batch = SnippetBatch.from_videos([rows])
    batch = batch.with_features(batch.features.requires_grad_())
    runs = make_runs([0], [0], [0, 0, 0], [0, 1, 2], [1, 2, 3], [False, True, False], 3)
    (grad,) = torch.autograd.grad(feature_contrast(batch, runs, 0.1), batch.features)
    assert torch.isfinite(grad).all()
    assert (grad[batch.rows[0, dark]] != 0).any()


@pytest.mark.parametrize(
    'draw, snippets, reason',
    [(0.0, [2, 4, 6], 'the first of each third'), (0.999, [3, 5, 8], 'the last of each third')],
)
def test_a_run_is_sampled_once_in_each_third(monkeypatch, draw, snippets, reason):
    # Run 2-8 has the thirds 2-3, 4-5, 6-8. Run 0 has one snippet, which is sampled three times. Its features are those
    # of one snippet of run 2-8, all others are orthogonal. So the cosine of both runs is 1 / sqrt(3) if this snippet
    # was sampled, else 0.
    monkeypatch.setattr(torch, 'rand', lambda size, device=None: torch.full(size, draw))
    for snippet in range(2, 9):
        features = torch.eye(9)
        features[0] = features[snippet]
        batch = SnippetBatch.from_videos([features])
        runs = make_runs([0], [0], [0, 0, 0], [0, 1, 2], [1, 2, 9], [False, True, False], 9)
        cosine = 3**-0.5 if snippet in snippets else 0.0
        expected = [math.log(1 + math.exp(-cosine))] * 2  # the background's cosine is 0 to both
        assert feature_contrast(batch, runs, 1.0).item() == pytest.approx(np.mean(expected), rel=1e-5), reason


def test_video_loss_by_hand():
    # For a present class, the largest score, 0.8, has the target 1; for an absent class, the mean, (0.5 + 0.1) / 2, has
    # the target 0. Background does not count.
    losses = LACPVideoLoss()(
        torch.tensor([[[0.8, 0.5], [0.2, 0.1]]]),
        torch.tensor([[0.9, 0.9]]),
        torch.ones(1, 2, dtype=torch.bool),
        torch.tensor([[1.0, 0.0]]),
    )
    assert set(losses) == {'loss_video'}
    assert losses['loss_video'].item() == pytest.approx(-(math.log(0.8) + math.log(0.7)) / 2)


def test_point_loss_by_hand():
    # Snippet 0 is an action of class 0, so the target of its background score is 0. Snippet 1 is background.
    scores = torch.tensor([[[0.6, 0.3], [0.2, 0.1]]])
    background = torch.tensor([[0.4, 0.7]])
    targets = make_targets([[[0, -1], [-1, -1]]], [[False, True]])
    losses = LACPPointLoss(action_weight=0.5, background_weight=2.0)(scores, background, targets)
    on_action = -(0.4**2 * math.log(0.6) + 0.3**2 * math.log(0.7) + 0.4**2 * math.log(0.6))
    on_background = -(0.2**2 * math.log(0.8) + 0.1**2 * math.log(0.9) + 0.3**2 * math.log(0.7))
    assert losses['loss_point_action'].item() == pytest.approx(0.5 * on_action)
    assert losses['loss_point_background'].item() == pytest.approx(2.0 * on_background)


def test_mined_actions_are_seeds_but_no_points():
    model, seen = build_model('LACPHead'), {}
    point_loss, search, mine = model.head.point_loss.forward, model.head.searcher, model.head.miner
    model.head.point_loss.forward = lambda s, b, targets: seen.update(loss=targets) or point_loss(s, b, targets)
    model.head.searcher = lambda scores, targets: seen.update(search=targets) or search(scores, targets)
    model.head.miner = lambda s, b, targets: mine(s, torch.zeros_like(b), targets)  # b = 0, so many action seeds
    run(model, VIDEOS)
    given = sum(int((sample.snippet_instances >= 0).sum()) for _, sample in VIDEOS)
    assert int(seen['loss'].labels.sum()) == given < int(seen['search'].labels.sum())
    assert torch.equal(seen['loss'].background_labels, seen['search'].background_labels)
