import math

import pytest
import torch
from model_builders import make_targets

from fsptal_mm.models import PointFocalLoss, VideoLevelLoss, VideoSoftmaxLoss
from fsptal_mm.models.losses import largest_of_video, point_focal_loss, pool_video_scores


def test_video_scores_are_means_of_the_largest_eighth():
    scores = torch.zeros(2, 17, 1)
    scores[0, :, 0] = torch.arange(17) / 16  # 17 // 8 = 2 largest: 1 and 15/16
    scores[1, :7, 0] = torch.arange(7) / 8  # 7 snippets: the largest alone, 6/8
    mask = torch.arange(17) < torch.tensor([[17], [7]])
    assert pool_video_scores(scores, mask)[:, 0].tolist() == [31 / 32, 6 / 8]
    # For absent classes, LACP takes the mean of all real snippets: (0 + ... + 6) / 8 / 7 = 3 / 8.
    assert pool_video_scores(scores, mask, labels=torch.tensor([[1.0], [0.0]]))[:, 0].tolist() == [31 / 32, 3 / 8]


def test_video_scores_of_logits_leave_padding_out():
    # Padding counts as less than any score, however low: the best of [-4, -3] is -3.
    logits = torch.tensor([[[-4.0], [-3.0], [0.0]]])
    assert pool_video_scores(logits, torch.tensor([[True, True, False]])).tolist() == [[-3.0]]


def test_the_number_of_largest_scores_can_be_rounded_up():
    scores = torch.arange(9.0)[None, :, None]  # ceil(9 / 8) = 2 largest: 8 and 7; of the first 8 snippets one, 7
    masks = torch.arange(9) < torch.tensor([[9], [8]])
    assert pool_video_scores(scores.expand(2, 9, 1), masks, round_up=True)[:, 0].tolist() == [7.5, 7]


@pytest.mark.parametrize('divisor', [5 / 3, 1.667, 1 / 0.6])
def test_a_divisor_may_be_a_fraction(divisor):
    # A share of 3/5: of 100 snippets 60, the mean of 40 ... 99; of 9 snippets 5, of 4 ... 8; rounded up 6, of 3 ... 8.
    scores = torch.arange(100.0)[None, :, None].expand(2, 100, 1)
    mask = torch.arange(100) < torch.tensor([[100], [9]])
    assert pool_video_scores(scores, mask, divisor)[:, 0].tolist() == [69.5, 6]
    assert pool_video_scores(scores, mask, divisor, round_up=True)[:, 0].tolist() == [69.5, 5.5]
    assert largest_of_video(scores, mask, divisor).sum(1)[:, 0].tolist() == [60, 5]
    assert VideoSoftmaxLoss(topk_divisor=divisor)(scores.expand(2, 100, 3), mask, torch.eye(2)).item() > 0


@pytest.mark.parametrize(
    'background, labels, expected, reason',
    [
        (False, [[1, 0]], math.log(4), 'softmax of [log 1, log 2, log 1]: 1/4'),
        (False, [[1, 1]], (math.log(4) + math.log(2)) / 2, 'two classes in equal shares'),
        (True, [[1, 0]], math.log(4), 'class and background in equal shares, 1/4 each'),
        (False, [[0, 0]], 0, 'a video without a label'),
        (False, [[1, 0], [0, 0]], math.log(4), 'which is left out of the mean'),
    ],
)
def test_video_softmax_loss_by_hand(background, labels, expected, reason):
    logits = torch.tensor([[[1.0, 2.0, 1.0], [0.5, 0.5, 0.5], [9.0, 9.0, 9.0]]]).log().expand(len(labels), 3, 3)
    mask = torch.tensor([[True, True, False]]).expand(len(labels), 3)
    loss = VideoSoftmaxLoss(background, loss_weight=0.5)(logits, mask, torch.tensor(labels).float())
    assert loss.item() == pytest.approx(expected / 2), reason


@pytest.mark.parametrize('reduction, factor', [('mean', 1.0), ('sum', 2.0)])
def test_video_level_loss_by_hand(reduction, factor):
    # One snippet, one present class: Q_v = [0.8, 0.5] has the targets [1, 1], and Q_f = [0.9, 0.2] has the targets [1,
    # 0].
    losses = VideoLevelLoss(reduction=reduction)(
        torch.tensor([[[0.8]]]),
        torch.tensor([[0.5]]),
        torch.ones(1, 1, dtype=torch.bool),
        torch.tensor([[1.0]]),
        torch.tensor([[0.9, 0.2]]),
    )
    assert losses['loss_background'].item() == pytest.approx(factor * -(math.log(0.8) + math.log(0.5)) / 2)
    assert losses['loss_foreground'].item() == pytest.approx(factor * -(math.log(0.9) + math.log(0.8)) / 2)
    assert len(losses) == 2


def test_point_focal_loss_by_hand():
    # Three snippets, two classes: the first is action of class 0, the second background, the third unlabelled.
    scores = torch.tensor([[[0.6, 0.3], [0.2, 0.1], [0.9, 0.9]]])
    background = torch.tensor([[0.1, 0.7, 0.5]])
    targets = make_targets([[[0, -1], [-1, -1], [-1, -1]]], [[False, True, False]])
    on_action, on_background = point_focal_loss(scores, background, targets)
    assert on_action.item() == pytest.approx(-(0.4**2 * math.log(0.6) + 0.3**2 * math.log(0.7)))
    # The term of b counts once, not once per class.
    expected = -(0.2**2 * math.log(0.8) + 0.1**2 * math.log(0.9) + 0.3**2 * math.log(0.7))
    assert on_background.item() == pytest.approx(expected)


def test_a_snippet_of_two_classes_counts_once_and_videos_weigh_the_same():
    # Video 0 has one snippet of both classes, with scores of 0.5: 2 * 0.25 * log 2. Video 1 has no label, and adds 0.
    scores = torch.full((2, 2, 2), 0.5)
    targets = make_targets(
        [[[0, 1], [-1, -1]], [[-1, -1], [-1, -1]]], [[False, False], [False, False]], [[True, True], [True, False]]
    )
    on_action, on_background = point_focal_loss(scores, torch.full((2, 2), 0.5), targets)
    assert on_action.item() == pytest.approx(0.5 * math.log(2) / 2)
    assert on_background.item() == 0


def test_weights_of_the_point_loss():
    targets = make_targets([[[-1, 0], [-1, -1]]], [[False, True]])
    scores, background = torch.full((1, 2, 2), 0.3), torch.full((1, 2), 0.6)
    plain = PointFocalLoss()(scores, background, targets)
    weighted = PointFocalLoss(loss_weight=2.0, background_weight=3.0)(scores, background, targets)
    assert weighted['loss_point_action'].item() == pytest.approx(2 * plain['loss_point_action'].item())
    assert weighted['loss_point_background'].item() == pytest.approx(6 * plain['loss_point_background'].item())
