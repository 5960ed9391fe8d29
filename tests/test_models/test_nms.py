import numpy as np
import pytest

from fsptal_mm.models.task_modules import nms, soft_nms
from fsptal_mm.structures import segment_iou
from fsptal_mm.utils.errors import InputError

CHAIN = [[0, 10], [3, 13], [6, 16], [9, 19]]  # the IoU of neighbours is 7/13 = 0.54, of others < 0.3


@pytest.mark.parametrize(
    'segments, scores, labels, threshold, keep, reason',
    [
        # The IoU of segments 0 and 1 is 9/11 = 0.82, that of segments 1 and 2 is 6/14 = 0.43.
        ([[0, 10], [1, 11], [5, 15], [20, 30]], [0.8, 0.9, 0.7, 0.1], None, 0.7, [1, 2, 3], '1 wins over 0, 2 stays'),
        ([[0, 10], [1, 11], [5, 15], [20, 30]], [0.8, 0.9, 0.7, 0.1], None, 0.4, [1, 3], 'a lower threshold'),
        ([[0, 2], [1, 2], [0, 2]], [1, 1, 1], None, 0.5, [0], 'an IoU at the threshold is enough'),
        ([[0, 2], [1, 2], [0, 2]], [1, 1, 1], None, 0.51, [0, 1], 'ties keep their order'),
        (CHAIN, [0.9, 0.8, 0.7, 0.6], None, 0.5, [0, 2], 'a segment that has gone beats nothing'),
        (CHAIN, [0.6, 0.9, 0.7, 0.8], None, 0.5, [1, 3], 'in any order'),
        ([[0, 10], [0, 10], [1, 11], [0, 10]], [0.5, 0.7, 0.9, 0.7], [0, 1, 0, 2], 0.7, [2, 1, 3], 'class by class'),
    ],
)
def test_nms_by_hand(segments, scores, labels, threshold, keep, reason):
    scores, labels = np.array(scores), None if labels is None else np.array(labels)
    found, kept_scores = nms(np.array(segments, dtype=float), scores, threshold, labels)
    assert found.tolist() == keep, reason
    assert kept_scores.tolist() == scores[keep].tolist()


@pytest.mark.parametrize('threshold', [0, float('nan')])
def test_a_threshold_that_everything_or_nothing_reaches_is_refused(threshold):
    with pytest.raises(InputError, match=r'nms.iou_threshold'):
        nms(np.zeros((1, 2)), np.ones(1), threshold)


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
    # The score of the second segment falls to 0.8 * exp(-(9/11)^2 / 0.5) = 0.2097, below that of the third.
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


@pytest.mark.parametrize('labels', [None, np.zeros(0, dtype=np.int64)])
@pytest.mark.parametrize('function', [lambda s, c, **kwargs: nms(s, c, 0.5, **kwargs), soft_nms])
def test_nothing_in_nothing_out(function, labels):
    keep, scores = function(np.zeros((0, 2)), np.zeros(0), labels=labels)
    assert keep.shape == scores.shape == (0,)
