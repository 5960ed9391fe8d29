import numpy as np
import pytest
import torch
from model_builders import make_targets

from fsptal_mm.models import PseudoLabelMiner


def mine(scores, background_scores, instances, miner=None, **kwargs):
    """Mine labels of one batch; ``scores`` may be ``None``, if no action can be mined."""
    scores = np.zeros(np.shape(instances), np.float32) if scores is None else scores
    background_scores = torch.as_tensor(background_scores, dtype=torch.float32)
    return (miner or PseudoLabelMiner())(torch.as_tensor(scores), background_scores, make_targets(instances, **kwargs))


def one_class(points, num_snippets):
    """``(1, T, 1)`` instances with one instance per point."""
    instances = np.full((1, num_snippets, 1), -1)
    for number, snippet in enumerate(points):
        instances[0, snippet, 0] = number
    return instances


@pytest.mark.parametrize(
    'background_scores, points, expected, reason',
    [
        ([0.1, 0.9, 0.1, 0.3, 0.1], [2], [1, 3], 'above the threshold; else the best of the interval'),
        ([0.9, 0.1, 0.9, 0.1, 0.5], [3], [0, 1, 2, 4], 'everything between two backgrounds of one interval'),
        ([0.9, 0.9, 0.9, 0.9, 0.9], [0, 2, 4], [1, 3], 'a point is never background'),
        ([0.9, 0.2, 0.2, 0.2, 0.9], [0, 4], [1], 'ties go to the first; ends that carry points have no interval'),
        ([0.9, 0.9], [0, 1], [], 'empty intervals'),
        ([0.2, 0.9, 0.3], [], [1], 'a video without points is one interval'),
    ],
)
def test_background_by_hand(background_scores, points, expected, reason):
    mined = mine(None, [background_scores], one_class(points, len(background_scores)))
    assert mined.background_labels[0].nonzero()[:, 0].tolist() == expected, reason


def test_module_off_leaves_one_background_per_interval_and_no_action():
    background_scores = [[0.9, 0.95, 0.1, 0.2, 0.1, 0.99, 0.9]]
    mined = mine(np.ones((1, 7, 1)), background_scores, one_class([2, 4], 7), PseudoLabelMiner(None, None))
    assert mined.background_labels[0].nonzero()[:, 0].tolist() == [1, 3, 5]
    assert mined.labels[0].nonzero()[:, 0].tolist() == [2, 4]


def test_no_background_inside_the_run_of_one_instance():
    instances = one_class([1, 3], 5)
    instances[0, 3, 0] = 0  # both labels belong to instance 0
    mined = mine(None, np.full((1, 5), 0.5), instances)
    assert mined.background_labels[0].tolist() == [True, False, False, False, True]


def test_actions_take_the_whole_label_of_the_nearest_point():
    # Classes: 0 and 1 share the point at 2 (two instances), class 2 has the point at 7.
    instances = np.full((1, 9, 3), -1)
    instances[0, 2, :2] = [0, 1]
    instances[0, 7, 2] = 2
    background_scores = [[0.9, 0.2, 0.0, 0.25, 0.9, 0.2, 0.3, 0.0, 0.1]]
    scores = np.zeros((1, 9, 3))
    scores[0, :, 2] = 0.5
    scores[0, [1, 3], 1] = 0.6  # class 1 is best beside the first point, class 2 elsewhere
    mined = mine(scores, background_scores, instances)
    expected = np.full((9, 3), -1)
    expected[[1, 2, 3], :2] = [0, 1]  # 3 is exactly at the threshold: still an action
    expected[[5, 7], 2] = 2  # 6 is above the threshold; 8 is the only candidate for background after the last point
    assert mined.snippet_instances[0].tolist() == expected.tolist()
    assert mined.background_labels[0].nonzero()[:, 0].tolist() == [0, 4, 8]


def test_background_clicks_are_kept_and_satisfy_their_interval():
    mined = mine(None, [[0.1, 0.7, 0.0, 0.8]], one_class([2], 4), background=[[True, False, False, False]])
    assert mined.background_labels[0].tolist() == [True, False, False, True]


def reference(scores, background_scores, instances):
    """Algorithm 2 of the paper for one video, snippet by snippet."""
    num_snippets = len(background_scores)
    gamma_bkg, gamma_act = np.float32(0.85), np.float32(0.25)  # float32, since numpy 1 compares floats in float64
    points = [t for t in range(num_snippets) if (instances[t] >= 0).any()]
    background = {t for t in range(num_snippets) if t not in points and background_scores[t] > gamma_bkg}
    for left, right in zip([-1, *points], [*points, num_snippets]):
        inside = range(left + 1, right)
        same = (
            left >= 0
            and right < num_snippets
            and ((instances[left] == instances[right]) & (instances[left] >= 0)).any()
        )
        if len(inside) and not same and not background & set(inside):
            background.add(max(inside, key=lambda t: (background_scores[t], -t)))
        known = sorted(background & set(inside))
        if known:
            background |= set(range(known[0], known[-1] + 1))
    mined = instances.copy()
    for t in range(num_snippets):
        if t in points or t in background or background_scores[t] > gamma_act:
            continue
        before, after = [p for p in points if p < t], [p for p in points if p > t]
        if after and not background & set(range(t, after[0])) and instances[after[0], scores[t].argmax()] >= 0:
            mined[t] = instances[after[0]]
        if before and not background & set(range(before[-1], t)) and instances[before[-1], scores[t].argmax()] >= 0:
            mined[t] = instances[before[-1]]
    return mined, background


@pytest.mark.parametrize('seed', range(10))
def test_batch_equals_the_algorithm_read_snippet_by_snippet(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 60, size=8)
    num_snippets, num_classes = int(lengths.max()), 4
    instances = np.full((8, num_snippets, num_classes), -1)
    for video, length in enumerate(lengths):
        for number in range(rng.integers(0, 8)):  # runs of 1-3 snippets of one instance, overlapping ones among them
            start = rng.integers(0, length)
            instances[video, start : min(length, start + rng.integers(1, 4)), rng.integers(num_classes)] = number
    # There are few distinct values, so that ties occur, and scores that equal a threshold.
    background_scores = rng.choice([0.0, 0.2, 0.25, 0.5, 0.85, 0.9, 1.0], size=(8, num_snippets)).astype(np.float32)
    scores = rng.random((8, num_snippets, num_classes), dtype=np.float32)
    mask = np.arange(num_snippets) < lengths[:, None]
    mined = mine(scores, background_scores, instances, mask=mask)
    for video, length in enumerate(lengths):
        want_instances, want_background = reference(
            scores[video, :length], background_scores[video, :length], instances[video, :length]
        )
        assert mined.snippet_instances[video, :length].tolist() == want_instances.tolist()
        assert set(mined.background_labels[video].nonzero()[:, 0].tolist()) == want_background
        assert (mined.snippet_instances[video, length:] == -1).all()
