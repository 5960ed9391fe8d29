import numpy as np
import pytest

from fsptal_mm.models.task_modules import nms, soft_nms
from fsptal_mm.structures import segment_iou


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


@pytest.mark.parametrize('seed', range(5))
def test_nms_keeps_just_what_no_better_kept_segment_overlaps(seed):
    rng = np.random.default_rng(seed)
    start = rng.random(200) * 50
    segments = np.stack([start, start + rng.random(200) * 10 + 0.1], 1)
    scores = rng.random(200)
    expected = []
    iou = segment_iou(segments, segments)
    for index in np.argsort(-scores):
        if all(iou[index, kept] < 0.4 for kept in expected):
            expected.append(index)
    assert nms(segments, scores, 0.4)[0].tolist() == expected


def test_soft_nms_by_hand():
    segments = np.array([[0, 10], [1, 11], [20, 30]], dtype=float)
    scores = np.array([0.9, 0.8, 0.5])
    # the second falls to 0.8 * exp(-(9/11)^2 / 0.5) = 0.2097, behind the third
    keep, kept_scores = soft_nms(segments, scores, sigma=0.5)
    assert keep.tolist() == [0, 2, 1]
    assert kept_scores == pytest.approx([0.9, 0.5, 0.8 * np.exp(-((9 / 11) ** 2) / 0.5)])
    assert soft_nms(segments, scores, sigma=0.5, min_score=0.3)[0].tolist() == [0, 2]


@pytest.mark.parametrize('function', [lambda s, c: nms(s, c, 0.5), soft_nms])
def test_nothing_in_nothing_out(function):
    keep, scores = function(np.zeros((0, 2)), np.zeros(0))
    assert keep.shape == scores.shape == (0,)
