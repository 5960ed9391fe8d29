import numpy as np
import pytest

from fsptal_mm.evaluation.labelling import count_threshold, likely_detections, rank_videos, uncertainty
from fsptal_mm.utils.errors import InputError


@pytest.mark.parametrize(
    'count, expected',
    [
        (2, 0.5),
        (2.4, 0.5),
        (0, 0.9),  # at least one detection counts
        (99, 0.1),  # scores of 0 never count
    ],
)
def test_the_threshold_leaves_as_many_detections_as_actions(count, expected):
    assert count_threshold(np.array([0.1, 0.9, 0.5, 0.0, -0.2]), count) == expected


@pytest.mark.parametrize('scores', [[], [0.0, -1.0]])
def test_without_a_positive_score_there_is_no_threshold(scores):
    with pytest.raises(InputError, match='results'):
        count_threshold(np.array(scores), 1)


def test_uncertainty_is_largest_at_the_threshold_and_the_same_for_its_half_and_its_double():
    found = uncertainty(np.array([-0.3, 0.0, 0.2, 0.4, 0.8, 1.6]), 0.4)
    np.testing.assert_allclose(found, [0, 0, 0.5, 1, 0.5, 0.25])
    np.testing.assert_allclose(uncertainty(np.array([0.2, 0.2]), np.array([0.2, 0.8])), [1, 0.25])


def test_likely_detections_are_sorted_by_uncertainty_and_keep_their_rows_together():
    found = {
        'segments_sec': np.array([[0.0, 1], [1, 2], [2, 3], [3, 4], [4, 5]]),
        'scores': np.array([0.8, 0.45, 0.19, 0.1, 0.9]),
        'labels': ['jump', 'jump', 'jump', 'throw', 'other'],
    }
    likely = likely_detections(found, dict(jump=0.4, throw=0.1))
    assert likely['labels'] == ['throw', 'jump', 'jump']  # 0.19 is below half of 0.4; 'other' has no threshold
    assert likely['segments_sec'].tolist() == [[3, 4], [1, 2], [0, 1]]
    assert likely['scores'].tolist() == [0.1, 0.45, 0.8]
    np.testing.assert_allclose(likely['uncertainty'], [1, 8 / 9, 0.5])


LABELLED = [[0.0, 0.0]]
FEATURES = [[1.0, 0.0], [4.0, 0.0], [5.0, 0.0], [0.0, 3.0]]


@pytest.mark.parametrize(
    'unsure, expected',
    [
        ([1, 1, 1, 1], [2, 3, 0, 1]),  # farthest first: 5, 3, then 1 and 1, where the earlier comes first
        ([1, 1, 0.1, 1], [1, 3, 0, 2]),  # 4, 3, 1, 0.1 * 1
        ([0, 0, 0, 0], [0, 1, 2, 3]),
        ([1, 0, 1, 1], [2, 3, 0, 1]),
    ],
)
def test_ranks_by_uncertainty_times_distance_to_what_is_known(unsure, expected):
    assert rank_videos(unsure, np.array(FEATURES), np.array(LABELLED))[0] == expected


def test_a_video_like_a_labelled_one_comes_last_however_uncertain():
    order, distances = rank_videos([1.0, 0.01], np.array([[0.0, 0.0], [3.0, 4.0]]), np.array(LABELLED))
    assert (order, distances) == ([1, 0], [5.0, 0.0])
