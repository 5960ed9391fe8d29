import itertools

import numpy as np
import pytest

from fsptal_mm.engine.change_points import decode_change_points


def brute_force(own, background, other, temperature):
    """Softmax-weighted mean length of the first of at most three states; each length has the best split of the rest."""
    length, score = len(own), {}
    cuts = itertools.combinations_with_replacement(range(1, length + 1), 2)
    for first, second in cuts:
        if (other is None and second < length) or (other is not None and second > length - 1):
            continue
        total = own[:first].sum() + background[first:second].sum()
        total += 0 if other is None else other[second:].sum()
        score[first] = max(score.get(first, -np.inf), total)
    counts = np.array(list(score))
    weight = np.exp((np.array(list(score.values())) - max(score.values())) / temperature)
    return (weight * counts).sum() / weight.sum()


@pytest.mark.parametrize('seed', range(5))
def test_boundaries_equal_those_of_all_cuts(seed):
    rng = np.random.default_rng(seed)
    scores, background = rng.uniform(0.01, 0.99, (30, 3)), rng.uniform(0.01, 0.99, 30)
    points, labels = np.array([[4.2, 4.2], [12.0, 13.6], [22.9, 22.9]]), np.array([0, 2, 1])
    found = decode_change_points(scores, background, points, labels, background_weight=1.5, temperature=2.0)
    of_class, of_background = np.log(scores), 1.5 * np.log(background)
    for index, (start, end) in enumerate(found):
        row = int(points[index, 1])
        stop = int(points[index + 1, 0]) + 1 if index < 2 else 30
        other = of_class[row:stop, labels[index + 1]] if index < 2 else None
        count = brute_force(of_class[row:stop, labels[index]], of_background[row:stop], other, 2.0)
        assert end == pytest.approx(max(row + count, points[index, 1]))
        row = int(points[index, 0])
        stop = int(points[index - 1, 1]) - 1 if index else -1
        snippets = np.arange(row, stop, -1)
        other = of_class[snippets, labels[index - 1]] if index else None
        count = brute_force(of_class[snippets, labels[index]], of_background[snippets], other, 2.0)
        assert start == pytest.approx(min(row + 1 - count, points[index, 0]))


def test_actions_at_once_are_no_neighbours():
    """Two actions of different classes on the same snippets do not end each other, if detections say they overlap."""
    scores, background = np.full((20, 2), 0.01), np.full(20, 0.95)
    scores[4:16], background[4:16] = 0.9, 0.05
    points, labels = np.array([[7.5, 7.5], [12.5, 12.5]]), np.array([0, 1])
    apart = decode_change_points(scores, background, points, labels)
    at_once = decode_change_points(scores, background, points, labels, found=np.array([[5.0, 15], [5, 15]]))
    assert apart[0, 1] < 12.5
    np.testing.assert_allclose(at_once, [[4, 16], [4, 16]], atol=0.2)


@pytest.mark.parametrize('points', [[], [[0.0, 0.0]], [[0.9, 0.9], [0.9, 0.9]]])
def test_a_single_snippet(points):
    points = np.reshape(points, (-1, 2))
    found = decode_change_points(np.ones((1, 1)), np.zeros(1), points, np.zeros(len(points), dtype=int))
    assert found.tolist() == [[0, 1]] * len(points)
