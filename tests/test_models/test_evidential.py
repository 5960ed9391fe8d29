import math

import pytest
import torch

from fsptal_mm.models.losses import (
    CoActivityLoss,
    EvidenceLoss,
    UncertaintyGuideLoss,
    co_activity_loss,
    course_weights,
    evidence_loss,
)
from fsptal_mm.structures import SnippetBatch

MASK = torch.ones(1, 4, dtype=torch.bool)


@pytest.mark.parametrize(
    'labels, expected, reason',
    [
        ([1, 0], math.log(6 / 4), 'one class: g = certainty'),
        ([1, 1], 2 * (math.log(6 / 4) / 3 + 2 / 3 * math.log(6 / 2)), 'shares go with 1 / alpha, 1/4 and 1/2'),
        ([0, 0], 0, 'no class'),
    ],
)
def test_evidence_loss_by_hand(labels, expected, reason):
    logits = (torch.tensor([[4.0, 2.0]]) - 1).log()  # alpha = 4, 2
    found = evidence_loss(logits, torch.tensor([labels]).float()).item()
    assert found == pytest.approx((1 - 2 / 6) * expected, abs=1e-6), reason


def test_evidence_is_bounded_and_videos_without_a_class_do_not_count():
    logits = torch.tensor([[50.0, 0.0], [3.0, 3.0]])
    total = 1 + math.exp(10) + 2
    found = evidence_loss(logits, torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    assert found.item() == pytest.approx((1 - 2 / total) * math.log(total / 2))


def test_certainty_has_no_gradient_and_shares_have():
    # alpha is 4 and 2. log S - log alpha_1 has the derivatives 1/6 - 1/4 and 1/6 by alpha, and alpha' = alpha - 1.
    logits = (torch.tensor([[3.0, 1.0]])).log().requires_grad_()
    evidence_loss(logits, torch.tensor([[1.0, 0.0]])).backward()
    torch.testing.assert_close(logits.grad, (1 - 2 / 6) * torch.tensor([[(1 / 6 - 1 / 4) * 3, 1 / 6]]))


def test_evidence_is_that_of_the_attended_snippets():
    # Of 18 snippets, the two with the highest attention count, 3 and 5. The second video has four snippets and padding.
    attention, logits = torch.zeros(2, 18), torch.zeros(2, 18, 3)
    attention[0, [3, 5]] = torch.tensor([0.9, 0.5])
    attention[1, [2, 9]] = torch.tensor([0.5, 0.9])
    logits[0, 3, 0], logits[0, 5, 0], logits[1, 2, 1], logits[1, 9] = 2.0, 4.0, 1.0, 7.0
    mask, labels = torch.arange(18) < torch.tensor([[18], [4]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    expected = evidence_loss(torch.tensor([[3.0, 0.0], [0.0, 1.0]]), labels)
    assert EvidenceLoss(9, loss_weight=2.0)(logits, attention, mask, labels).item() == pytest.approx(2 * expected)


@pytest.mark.parametrize(
    'course, progress, theta, reason',
    [
        ('rank', 0.0, [0.75, -0.75, -0.25, 0.25], 'early, the uncertain ones count more'),
        ('rank', 1.0, [-0.75, 0.75, 0.25, -0.25], 'late, the certain ones'),
        ('rank', 0.5, [0, 0, 0, 0], 'between, all the same'),
        ('gather', 0.0, [-0.25, 0.25, 0.75, -0.75], 'the order 1, 2, 3, 0 itself'),
    ],
)
def test_course_by_hand(course, progress, theta, reason):
    uncertainty = torch.tensor([[0.9, 0.1, 0.2, 0.5]])
    found = course_weights(uncertainty, MASK, progress, 0.7, course)
    torch.testing.assert_close(found, 1 + 0.7 * torch.tensor([theta]).tanh(), msg=lambda text: reason + text)


def test_course_of_a_video_does_not_depend_on_others():
    generator = torch.Generator().manual_seed(0)
    uncertainty = torch.rand(3, 9, generator=generator)
    mask = torch.arange(9) < torch.tensor([[9], [1], [5]])
    for course in ('rank', 'gather'):
        found = course_weights(uncertainty, mask, 0.2, 0.7, course)
        for video, length in enumerate((9, 1, 5)):
            alone = course_weights(uncertainty[video : video + 1, :length], mask[:1, :length], 0.2, 0.7, course)
            torch.testing.assert_close(found[video, :length], alone[0])
        assert torch.isfinite(found).all()


def test_uncertain_snippets_are_those_of_little_evidence():
    # At the start of the training, the snippet with the small logits has the larger weight, 1 + 0.7 tanh(1/2).
    logits = torch.tensor([[[5.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    loss = UncertaintyGuideLoss(loss_weight=2.0)(logits, torch.tensor([[0.0, 1.0]]), MASK[:, :2], 0.0)
    assert loss.item() == pytest.approx(2 * (1 + 0.7 * math.tanh(0.5)) / 2)


def pair(first, second, labels, logits):
    """Co-activity loss of two videos with ``(T, D)`` features; ``logits`` are those of class 0, by snippet."""
    batch = SnippetBatch.from_videos([torch.tensor(first), torch.tensor(second)])
    most = max(len(first), len(second))
    z = torch.zeros(2, most, 3)
    for video, own in enumerate(logits):
        z[video, : len(own), 0] = torch.tensor(own)
    return co_activity_loss(batch, z, torch.tensor(labels).float(), 3).item()


X, Y = [1.0, 0.0], [0.0, 1.0]


@pytest.mark.parametrize(
    'first, second, labels, expected, reason',
    [
        ([X, Y], [X, Y, Y], [[1, 0], [1, 0]], 0, 'alike where it happens, unlike elsewhere: -1 + margin is below 0'),
        ([X, Y], [Y, X, X], [[1, 0], [1, 0]], 1.5, 'the other way round: 1 - 0 + margin, twice the half'),
        ([X, X], [X, X, X], [[1, 0], [1, 0]], 0.5, 'all alike: the margin'),
        ([X, Y], [Y, X, X], [[1, 0], [0, 1]], 0, 'no class in common'),
        ([X], [Y, X, X], [[1, 0], [1, 0]], 1.0, 'nothing outside of one snippet: 1 - 0 + margin, and 0 - 0 + margin'),
    ],
)
def test_co_activity_by_hand(first, second, labels, expected, reason):
    # The logit is 50 at the first snippet of each video, so the weight w is 1 there and 0 elsewhere.
    logits = [[50.0] + [0.0] * (len(video) - 1) for video in (first, second)]
    assert pair(first, second, labels, logits) == pytest.approx(expected, abs=1e-6), reason


def test_only_neighbours_among_the_first_videos_are_compared():
    torch.manual_seed(0)
    features = [torch.randn(length, 4) for length in (5, 3, 8, 2, 6)]
    batch, logits = SnippetBatch.from_videos(features), torch.randn(5, 8, 3)
    labels = torch.tensor([[1.0, 1.0], [1.0, 0.0], [1.0, 1.0], [1.0, 1.0], [1.0, 0.0]])

    def alone(*chosen):
        own = SnippetBatch.from_videos([features[video] for video in chosen])
        return co_activity_loss(own, logits[list(chosen), : own.mask.shape[1]], labels[list(chosen)], 3)

    whole = CoActivityLoss(3, loss_weight=2.0)(batch, logits, labels)
    # The first pair shares one class, the second pair two.
    torch.testing.assert_close(whole, 2 * (alone(0, 1) + 2 * alone(2, 3)) / 3)
    torch.testing.assert_close(co_activity_loss(batch, logits, labels, 1), alone(0, 1))
    assert alone(4) == co_activity_loss(batch, logits, labels, 0) == 0
