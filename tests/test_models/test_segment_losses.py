import pytest
import torch

from fsptal_mm.models.losses import QualityFocalLoss, SegmentGIoULoss, quality_focal_loss, segment_giou_loss


@pytest.mark.parametrize(
    'segment, loss, reason',
    [
        ([2, 6], 0, 'the target itself'),
        ([2, 4], 0.5, 'half of it, and nothing else'),
        ([0, 4], 1 - 2 / 6, 'an overlap of 2 in a hull of 6 without a gap'),
        ([6, 8], 1, 'touching: no overlap, no gap'),
        ([8, 10], 1 + 2 / 8, 'a gap of 2 in a hull of 8'),
        ([4, 3], 1, 'an end before its start has no overlap; a hull of 4 that the target fills'),
        ([8, 7], 1 + 2 / 6, 'the same outside: the point 8, a gap of 2 in a hull of 6'),
    ],
)
def test_giou_loss(segment, loss, reason):
    found = segment_giou_loss(torch.tensor([segment]).float(), torch.tensor([[2.0, 6.0]]))
    assert found.item() == pytest.approx(loss, abs=1e-6), reason


def test_giou_loss_is_that_of_the_paper():
    start, length = torch.rand(2, 2, 1000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    segments, targets = torch.stack([start, start + length], -1)
    intersection = (torch.minimum(segments, targets)[:, 1] - torch.maximum(segments, targets)[:, 0]).clamp(min=0)
    union = length.sum(0) - intersection
    hull = torch.maximum(segments, targets)[:, 1] - torch.minimum(segments, targets)[:, 0]
    expected = 1 - (intersection / union - (hull - union) / hull)
    torch.testing.assert_close(segment_giou_loss(segments, targets).double(), expected, rtol=1e-5, atol=1e-5)


def test_quality_focal_loss_by_hand():
    # With sigmoid(0) = 1/2, the cross-entropy is log 2 for any target; it is multiplied by the squared distance to it.
    found = quality_focal_loss(torch.zeros(1, 3), torch.tensor([[0.0, 0.5, 0.8]]))
    assert found.item() == pytest.approx(torch.tensor(2.0).log().item() * (0.25 + 0 + 0.09), rel=1e-5)


@pytest.mark.parametrize('size', [1e-8, 1e4])
def test_losses_stay_finite(size):
    segments = torch.tensor([[0.0, 0.0], [0, size]], requires_grad=True)
    loss = segment_giou_loss(segments, torch.tensor([[0.0, size], [5, 5 + size]])).sum()
    logits = torch.tensor([[1e4, -1e4]], requires_grad=True)
    (loss + quality_focal_loss(logits, torch.tensor([[0.0, 1.0]])).sum()).backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(segments.grad).all()
    assert torch.isfinite(logits.grad).all()


def test_modules_weigh_the_functions():
    segments, targets = torch.tensor([[0.0, 4.0]]), torch.tensor([[2.0, 6.0]])
    assert torch.equal(SegmentGIoULoss(loss_weight=3)(segments, targets), 3 * segment_giou_loss(segments, targets))
    logits, quality = torch.randn(2, 3), torch.rand(2, 3)
    assert torch.equal(QualityFocalLoss(1, 0.5)(logits, quality), 0.5 * quality_focal_loss(logits, quality, 1))
