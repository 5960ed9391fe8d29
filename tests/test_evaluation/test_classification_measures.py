import numpy as np
import pytest
from mmaction.evaluation.functional.accuracy import mean_average_precision

from fsptal_mm.evaluation.functional import classification_measures


def test_hand_computed():
    scores = np.array([[0.9, 0.5, 0.7], [0.8, 0.5, 0.1], [0.1, 0.2, 0.0]])
    labels = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0]])
    # Class 0: right, wrong, right: (1 + 2/3) / 2 = 5/6. Class 1: its video shares the first place: 1/2. Class 2: none.
    # Top-1: the first video only (the second's best class is 0, the third's 1).
    assert classification_measures(scores, labels) == pytest.approx(
        {'video_mAP': (5 / 6 + 1 / 2) / 2, 'video_top1': 1 / 3}
    )


def test_perfect_scores_and_a_video_without_label():
    labels = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    assert classification_measures(labels + 0.0, labels) == {'video_mAP': 1, 'video_top1': 1}


def test_no_labels_no_figures():
    assert classification_measures(np.ones((2, 3)), np.zeros((2, 3))) == {}


def test_equals_mmaction():
    rng = np.random.default_rng(0)
    labels = rng.random((40, 5)) < 0.3
    scores = np.round(rng.random((40, 5)) + 0.3 * labels, 1)  # rounded: many ties
    expected = mean_average_precision(list(scores), list(labels.astype(int)))
    assert classification_measures(scores, labels)['video_mAP'] == pytest.approx(expected, abs=1e-9)
