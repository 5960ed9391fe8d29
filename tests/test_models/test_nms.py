import numpy as np
import pytest

from fsptal_mm.models.task_modules import nms, soft_nms
from fsptal_mm.structures import segment_iou
from fsptal_mm.utils.errors import InputError


def test_nms_by_hand():
    segments = np.array([[0, 10], [1, 11], [5, 15], [20, 30]], dtype=float)
    scores = np.array([0.8, 0.9, 0.7, 0.1])
    # IoU of 0 and 1 is 9/11 = 0.82, of 1 and 2 6/14 = 0.43: 1 wins over 0, and 2 stays.
    keep, kept_scores = nms(segments, scores, 0.7)
    assert keep.tolist() == [1, 2, 3]
    assert kept_scores.tolist() == [0.9, 0.7, 0.1]
    assert nms(segments, scores, 0.4)[0].tolist() == [1, 3]


def test_iou_at_the_threshold_suppresses_and_ties_keep_their_order():
    segments = np.array([[0, 2], [1, 2], [0, 2]], dtype=float)  # IoU of the first with the second is 0.5
    assert nms(segments, np.ones(3), 0.5)[0].tolist() == [0]
    assert nms(segments, np.ones(3), 0.51)[0].tolist() == [0, 1]


def test_a_suppressed_segment_suppresses_nothing():
    segments = np.array([[0, 10], [3, 13], [6, 16], [9, 19]], dtype=float)  # IoU of neighbours 7/13 = 0.54, else < 0.3
    assert nms(segments, np.array([0.9, 0.8, 0.7, 0.6]), 0.5)[0].tolist() == [0, 2]
    assert nms(segments, np.array([0.6, 0.9, 0.7, 0.8]), 0.5)[0].tolist() == [1, 3]


def test_classes_are_suppressed_apart_and_come_best_first():
    segments = np.array([[0, 10], [0, 10], [1, 11], [0, 10]], dtype=float)
    scores = np.array([0.5, 0.7, 0.9, 0.7])
    keep, kept_scores = nms(segments, scores, 0.7, labels=np.array([0, 1, 0, 2]))
    assert keep.tolist() == [2, 1, 3]
    assert kept_scores.tolist() == [0.9, 0.7, 0.7]


@pytest.mark.parametrize('wrong', [0, -0.5, float('nan')])
def test_a_threshold_that_everything_or_nothing_reaches_is_refused(wrong):
    with pytest.raises(InputError, match=r'nms.iou_threshold: found .* expected a number above 0'):
        nms(np.zeros((1, 2)), np.ones(1), wrong)


DRAWN = {
    'continuous': lambda rng: (rng.random(200) * 50, rng.random(200) * 10 + 0.1),
    'on a grid, with ties and equal segments': lambda rng: (rng.integers(0, 20, 200) / 2, rng.integers(1, 8, 200) / 2),
    'long and short': lambda rng: (rng.random(200) * 50, rng.lognormal(0, 2, 200)),
    'some without length': lambda rng: (rng.integers(0, 20, 200) / 1.0, rng.integers(0, 3, 200) / 1.0),
}


@pytest.mark.parametrize('max_pairs', [None, 5], ids=['pairs at once', 'pairs in many parts'])
@pytest.mark.parametrize('draw', DRAWN.values(), ids=DRAWN)
@pytest.mark.parametrize('seed', range(3))
def test_nms_keeps_just_what_no_better_kept_segment_overlaps(draw, seed, max_pairs, monkeypatch):
    if max_pairs is not None:
        monkeypatch.setitem(nms.__globals__, '_MAX_PAIRS', max_pairs)
    rng = np.random.default_rng(seed)
    start, length = draw(rng)
    segments = np.stack([start, start + length], 1)
    scores, labels = rng.integers(0, 50, 200) / 50, rng.integers(0, 3, 200)
    expected = []
    iou = segment_iou(segments, segments) * (labels[:, None] == labels)
    for index in np.argsort(-scores, kind='stable'):
        if all(iou[index, kept] < 0.4 for kept in expected):
            expected.append(index)
    assert nms(segments, scores, 0.4, labels)[0].tolist() == expected


def test_soft_nms_by_hand():
    segments = np.array([[0, 10], [1, 11], [20, 30]], dtype=float)
    scores = np.array([0.9, 0.8, 0.5])
    # the second falls to 0.8 * exp(-(9/11)^2 / 0.5) = 0.2097, behind the third
    keep, kept_scores = soft_nms(segments, scores, sigma=0.5)
    assert keep.tolist() == [0, 2, 1]
    assert kept_scores == pytest.approx([0.9, 0.5, 0.8 * np.exp(-((9 / 11) ** 2) / 0.5)])
    assert soft_nms(segments, scores, sigma=0.5, min_score=0.3)[0].tolist() == [0, 2]


def soft_nms_one_by_one(segments, scores, labels, sigma, min_score):
    """The definition: again and again the best segment that is left, which lowers the others of its class."""
    scores, rest, kept = scores.copy(), list(range(len(scores))), []
    while rest:
        best = max(rest, key=lambda index: scores[index])
        if scores[best] < min_score:
            break
        rest.remove(best)
        kept.append((best, scores[best]))
        for index in rest:
            if labels[index] == labels[best]:
                tiou = segment_iou(segments[[index]], segments[[best]]).item()
                scores[index] *= np.exp(-(tiou**2) / sigma)
    return kept


@pytest.mark.parametrize('num_classes', [1, 4])
@pytest.mark.parametrize('max_candidates', [None, 1, 12])
def test_soft_nms_equals_its_definition(num_classes, max_candidates):
    rng = np.random.default_rng(num_classes)
    start = rng.uniform(0, 30, 60)
    segments, scores = np.stack([start, start + rng.uniform(1, 15, 60)], 1), rng.uniform(size=60)
    labels = rng.integers(num_classes, size=60)
    best = np.argsort(-scores)[:max_candidates]
    expected = soft_nms_one_by_one(segments[best], scores[best], labels[best], 0.3, 0.05)
    expected = [(best[index], score) for index, score in expected]
    keep, kept_scores = soft_nms(segments, scores, 0.3, 0.05, max_candidates, labels)
    assert keep.tolist() == [index for index, _ in expected]
    np.testing.assert_allclose(kept_scores, [score for _, score in expected])


def test_soft_nms_lowers_scores_by_segments_of_their_class_only():
    segments = np.array([[0, 10], [1, 11], [0, 10], [1, 11]], dtype=float)
    keep, kept_scores = soft_nms(segments, np.array([0.9, 0.8, 0.85, 0.1]), labels=np.array([1, 1, 0, 0]))
    lowered = np.exp(-((9 / 11) ** 2) / 0.5)
    assert keep.tolist() == [0, 2, 1, 3]
    assert kept_scores == pytest.approx([0.9, 0.85, 0.8 * lowered, 0.1 * lowered])


@pytest.mark.parametrize('labels', [None, np.zeros(0, dtype=np.int64)])
@pytest.mark.parametrize('function', [lambda s, c, **kwargs: nms(s, c, 0.5, **kwargs), soft_nms])
def test_nothing_in_nothing_out(function, labels):
    keep, scores = function(np.zeros((0, 2)), np.zeros(0), labels=labels)
    assert keep.shape == scores.shape == (0,)
