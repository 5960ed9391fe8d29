"""Average recall of proposals, and classification of whole videos."""

import numpy as np
import pytest
from mmaction.evaluation.functional.accuracy import average_recall_at_avg_proposals, mean_average_precision

from fsptal_mm.evaluation.functional import average_recall, classification_measures, summarize_recall
from fsptal_mm.structures import Instances


def test_recall_grows_with_the_proposals_used():
    gt = Instances.from_videos([[[0, 10], [20, 30]]])
    det = Instances.from_videos([[[20, 30], [0, 10]]], scores=[[0.8, 0.9]])
    recall, num_proposals = average_recall(gt, det, max_average_proposals=2, tiou_thresholds=[0.5, 0.95])
    # Of two proposals, 1 % to 49 % are none, 50 % to 99 % are one, and 100 % are both.
    np.testing.assert_array_equal(recall, [[0] * 49 + [0.5] * 50 + [1]] * 2)
    np.testing.assert_allclose(num_proposals, np.arange(1, 101) / 50)


def test_perfect_proposals_and_none():
    gt = Instances.from_videos([[[0, 10]], [[5, 9]]], [[0], [1]])
    det = Instances.from_videos([[[0, 10]], [[5, 9]]], [[1], [0]], [[0.5], [0.5]])  # labels are ignored
    # Each video has one proposal, and 100 are allowed, so all are used from 1 % on. The area from 1 to 100 is 99 of
    # 100.
    expected = {'AR@5': 1, 'AR@10': 1, 'AR@50': 1, 'AR@100': 1, 'AUC': 0.99}
    assert summarize_recall(average_recall(gt, det)[0]) == pytest.approx(expected)
    for segments in ([], [[50, 60]]):
        det = Instances.from_videos([segments, []], scores=[np.ones(len(segments)), []])
        recall, _ = average_recall(gt, det)
        assert not recall.any()
        assert summarize_recall(recall)['AUC'] == 0


def test_videos_without_truth_do_not_count():
    gt = Instances.from_videos([[[0, 10]], []])
    det = Instances.from_videos([[[0, 10], [1, 3]], [[0, 10]] * 50], scores=[[0.9, 0.1], np.ones(50)])
    alone = Instances.from_videos([[[0, 10], [1, 3]]], scores=[[0.9, 0.1]])
    np.testing.assert_array_equal(average_recall(gt, det)[0], average_recall(gt, alone)[0])


@pytest.mark.parametrize('per_video', [30, 100, 180])  # fewer proposals than allowed, exactly as many, and more
def test_recall_equals_mmaction(per_video):
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
    np.testing.assert_allclose(recall, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(number, expected_number)
    assert summarize_recall(recall)['AUC'] * 100 == pytest.approx(auc, abs=1e-9)


def test_classification_by_hand():
    scores = np.array([[0.9, 0.5, 0.7], [0.8, 0.5, 0.1], [0.1, 0.2, 0.0]])
    labels = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0]])
    # Class 0 ranks positive, negative, positive: (1 + 2/3) / 2 = 5/6. The only video of class 1 shares the first place
    # with another video: 1/2. Top-1 is right in the first video only: the best class of the second video is 0, that of
    # the third video 1.
    expected = {'video_mAP': (5 / 6 + 1 / 2) / 2, 'video_top1': 1 / 3}
    assert classification_measures(scores, labels) == pytest.approx(expected)
    labels = np.array([[1, 0], [0, 1], [1, 1], [0, 0]])
    assert classification_measures(labels + 0.0, labels) == {'video_mAP': 1, 'video_top1': 1}
    assert classification_measures(np.ones((2, 3)), np.zeros((2, 3))) == {}


def test_classification_equals_mmaction():
    rng = np.random.default_rng(0)
    labels = rng.random((40, 5)) < 0.3
    scores = np.round(rng.random((40, 5)) + 0.3 * labels, 1)  # rounded, so that there are many ties
    expected = mean_average_precision(list(scores), list(labels.astype(int)))
    assert classification_measures(scores, labels)['video_mAP'] == pytest.approx(expected, abs=1e-9)
