import numpy as np
import pytest

from fsptal_mm.structures import outer_length, segment_iou


@pytest.mark.parametrize(
    'first, second, expected, reason',
    [
        ([0, 4], [2, 6], 2 / 6, 'overlap of 2 in a union of 6'),
        ([0, 4], [0, 4], 1, 'the same'),
        ([0, 1], [1, 2], 0, 'touching'),
        ([0, 1], [5, 6], 0, 'apart'),
        ([0, 4], [1, 2], 1 / 4, 'inside'),
        ([3, 3], [3, 3], 0, 'both empty'),
    ],
)
def test_tiou_by_hand(first, second, expected, reason):
    for one, other in ((first, second), (second, first)):
        assert segment_iou([one], [other]) == pytest.approx(np.array([[expected]])), reason
    assert segment_iou(np.zeros((0, 2)), [one]).shape == (0, 1)


@pytest.mark.parametrize(
    'length, ratio, expected',
    [
        (100, 0.07, 7),  # 7.000000000000001 in floating point
        (30, 0.1, 3),  # 3.0000000000000004 in floating point
        (25, 0.28, 7),  # 7.000000000000001 in floating point
        (4, 0.25, 1),
        (5, 0.25, 2),  # 1.25, rounded up
        (1, 0.25, 1),
        (0, 0.25, 0),
        (9, 1 / 3, 3),
        (7, 1, 7),
        (8, 0, 0),
    ],
)
def test_outer_length_is_rounded_up_from_the_exact_product(length, ratio, expected):
    assert outer_length(length, ratio) == expected
    assert outer_length(np.array([length, 0]), ratio).tolist() == [expected, 0]


def test_outer_lengths_neither_overflow_nor_stop_being_tensors():
    assert (outer_length(np.array([1, 5_000_000]), 1e12) >= 1_000_000).all()
    torch = pytest.importorskip('torch')
    assert torch.equal(outer_length(torch.tensor([100, 30]), 0.07), torch.tensor([7, 3]))
