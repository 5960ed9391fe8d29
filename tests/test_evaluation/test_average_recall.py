import numpy as np
import pytest
from mmaction.evaluation.functional.accuracy import average_recall_at_avg_proposals

from fsptal_mm.evaluation.functional import average_recall, summarize_recall
from fsptal_mm.structures import Instances


def test_recall_grows_with_the_proposals_used():
    gt = Instances.from_videos([[[0, 10], [20, 30]]])
    det = Instances.from_videos([[[20, 30], [0, 10]]], scores=[[0.8, 0.9]])
    recall, num_proposals = average_recall(gt, det, max_average_proposals=2, tiou_thresholds=[0.5, 0.95])
    # 1 % ... 100 % of two proposals: none up to 49 %, one up to 99 %, both at 100 %.
    np.testing.assert_array_equal(recall, [[0] * 49 + [0.5] * 50 + [1]] * 2)
    np.testing.assert_allclose(num_proposals, np.arange(1, 101) / 50)


def test_perfect_proposals_and_their_summary():
    gt = Instances.from_videos([[[0, 10]], [[5, 9]]], [[0], [1]])
    det = Instances.from_videos([[[0, 10]], [[5, 9]]], [[1], [0]], [[0.5], [0.5]])  # classes are not looked at
    recall, _ = average_recall(gt, det)
    # One proposal per video where 100 are allowed: all are used from 1 % on.
    assert summarize_recall(recall) == pytest.approx(
        {'AR@5': 1, 'AR@10': 1, 'AR@50': 1, 'AR@100': 1, 'AUC': 0.99}
    )  # the area from 1 to 100 is 99, of 100


@pytest.mark.parametrize('segments', [[], [[50, 60]]], ids=['no proposal', 'no proposal near'])
def test_nothing_found(segments):
    gt = Instances.from_videos([[[0, 10]]])
    recall, _ = average_recall(gt, Instances.from_videos([segments], scores=[np.ones(len(segments))]))
    assert not recall.any()
    assert summarize_recall(recall)['AUC'] == 0


@pytest.mark.parametrize(
    'per_video, reason', [(30, 'fewer proposals than allowed'), (180, 'more'), (100, 'exactly as many')]
)
def test_equals_mmaction(per_video, reason):
    rng = np.random.default_rng(per_video)
    truth, proposals = {}, {}
    for video in range(9):
        start = rng.random((rng.integers(1, 8), 1)) * 100
        truth[video] = np.hstack([start, start + rng.lognormal(1.5, 0.7, start.shape)])
        count = 0 if video == 4 else int(per_video * rng.uniform(0.3, 1.7))
        chosen = truth[video][rng.integers(len(truth[video]), size=count)]
        segments = np.sort(chosen + rng.normal(0, 2, chosen.shape), axis=1)
        proposals[video] = np.hstack([segments, rng.random((count, 1))])
    expected, _, expected_number, auc = average_recall_at_avg_proposals(
        truth, proposals, sum(map(len, proposals.values())), max_avg_proposals=100
    )
    gt = Instances.from_videos(list(truth.values()))
    det = Instances.from_videos([p[:, :2] for p in proposals.values()], scores=[p[:, 2] for p in proposals.values()])
    recall, number = average_recall(gt, det)
    assert 0 < expected.mean() < 1
    np.testing.assert_allclose(recall, expected, rtol=0, atol=1e-9, err_msg=reason)
    np.testing.assert_allclose(number, expected_number)
    assert summarize_recall(recall)['AUC'] * 100 == pytest.approx(auc, abs=1e-9)


def test_videos_without_truth_do_not_count():
    gt = Instances.from_videos([[[0, 10]], []])
    det = Instances.from_videos([[[0, 10], [1, 3]], [[0, 10]] * 50], scores=[[0.9, 0.1], np.ones(50)])
    alone = Instances.from_videos([[[0, 10], [1, 3]]], scores=[[0.9, 0.1]])
    np.testing.assert_array_equal(average_recall(gt, det)[0], average_recall(gt, alone)[0])
