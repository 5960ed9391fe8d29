import pytest
import torch
from model_builders import make_segments

from fsptal_mm.models.losses.score_contrast import OICLoss, outer_inner_contrast
from fsptal_mm.models.precision import dtype_of_sums


def random_scores(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    'row, expected, reason',
    [
        ((0, 2, 4, 1, 5, 0), 0.85 - 0.3, 'inner (0.8 + 0.9) / 2, outer (0.2 + 0.4) / 2'),
        ((0, 2, 4, 0, 4, 0), 0.85 - 0.15, 'outer range on the left only: (0.1 + 0.2) / 2'),
        ((0, 2, 4, 2, 6, 0), 0.85 - 0.45, 'outer range on the right only: (0.4 + 0.5) / 2'),
        ((0, 2, 5, 1, 6, 0), 0.7 - 0.35, 'the mean over the union of both: (0.2 + 0.5) / 2'),
        ((0, 1, 4, 0, 6, 0), 1.9 / 3 - 1 / 3, 'not the mean of both means: (0.1 + 0.4 + 0.5) / 3'),
        ((0, 0, 6, 0, 6, 0), 2.9 / 6, 'an empty outer range counts 0'),
        ((0, 0, 2, 0, 3, 1), 0.85 - 0.2, 'background by 1 - q: 1 - 0.15 and 1 - 0.8'),
        ((0, 0, 2, 0, 2, 1), 0.85, 'its empty outer range counts 0, too'),
    ],
)
def test_contrast_by_hand(row, expected, reason):
    scores = torch.tensor([0.1, 0.2, 0.8, 0.9, 0.4, 0.5])[None, :, None]
    contrast = outer_inner_contrast(scores, make_segments([(0, 0)], [row]))
    assert contrast.tolist() == pytest.approx([expected]), reason
    assert contrast.dtype == torch.float32


def test_contrast_is_the_mean_over_the_segments_of_each_group():
    scores = torch.zeros(2, 4, 2)
    scores[0, :, 1] = torch.tensor([1.0, 0.0, 0.5, 0.5])
    scores[1, :, 0] = torch.tensor([0.2, 0.2, 0.2, 0.6])
    segments = make_segments([(0, 1), (1, 0)], [(0, 0, 1, 0, 2, 0), (0, 2, 3, 1, 4, 0), (1, 3, 4, 2, 4, 0)])
    # Group 0 has the contrasts 1 - 0 and 0.5 - (0 + 0.5) / 2, group 1 has 0.6 - 0.2.
    assert outer_inner_contrast(scores, segments).tolist() == pytest.approx([(1 + 0.25) / 2, 0.4])


@pytest.mark.parametrize('device, dtype', [('cpu', torch.float64), ('cuda', torch.float64), ('mps', torch.float32)])
def test_sums_are_as_exact_as_the_device_allows(device, dtype):
    assert dtype_of_sums(torch.device(device)) is dtype


def test_loss_by_hand():
    # Video 0 has R = 0.5 and R = 0.8 for its two classes with seeds, video 1 has no seed, video 2 has R = 1.
    scores = torch.zeros(3, 2, 3)
    scores[0, 0, 0], scores[0, 1, 2], scores[2, 0, 1] = 0.5, 0.8, 1.0
    segments = make_segments([(0, 0), (0, 2), (2, 1)], [(0, 0, 1, 0, 2, 0), (1, 1, 2, 0, 2, 0), (2, 0, 1, 0, 2, 0)])
    loss = OICLoss(loss_weight=2.0)(scores, segments)
    assert list(loss) == ['loss_score']
    assert loss['loss_score'].item() == pytest.approx(2 * ((0.25 + 0.04) / 2 + 0 + 0) / 3)


def test_gradient_raises_the_inside_and_lowers_the_outside_only():
    scores = random_scores(1, 6, 2).requires_grad_()
    OICLoss()(scores, make_segments([(0, 1)], [(0, 2, 4, 1, 5, 0)]))['loss_score'].backward()
    assert scores.grad[0, :, 1].sign().tolist() == [0, 1, -1, -1, 1, 0]
    assert not scores.grad[0, :, 0].any()


def test_no_segment_at_all_is_a_zero_that_stays_connected():
    scores = random_scores(2, 3, 2).requires_grad_()
    loss = OICLoss()(scores, make_segments([], []))['loss_score']
    loss.backward()
    assert loss.item() == 0
    assert not scores.grad.any()


def test_long_sums_keep_their_precision():
    # In float32, a sum of 20,000 scores would have an error of about 1e-3.
    scores = random_scores(1, 20_000, 1)
    segments = make_segments([(0, 0)], [(0, 19_990, 19_991, 19_989, 19_992, 0)])
    outer, inner, other = scores[0, 19_989:19_992, 0].double().tolist()
    assert outer_inner_contrast(scores, segments).item() == pytest.approx(inner - (outer + other) / 2, abs=1e-6)
