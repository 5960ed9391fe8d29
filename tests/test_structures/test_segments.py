import numpy as np
import pytest

from fsptal_mm.structures import outer_length, segment_iou


@pytest.mark.parametrize(
    'first, second, expected',
    [
        ([0, 2], [1, 3], 1 / 3),  # overlap 1 of a union of 3
        ([0, 1], [1, 2], 0),  # touching
        ([0, 4], [1, 2], 1 / 4),  # inside
        ([1, 1], [1, 1], 0),  # no length at all
    ],
)
def test_segment_iou(first, second, expected):
    assert segment_iou([first], [second]) == pytest.approx(np.array([[expected]]))
    assert segment_iou([second], [first]) == pytest.approx(np.array([[expected]]))


def test_segment_iou_of_nothing():
    assert segment_iou(np.zeros((0, 2)), [[0, 1]]).shape == (0, 1)


@pytest.mark.parametrize(
    'length, ratio, expected',
    [
        (100, 0.07, 7),  # in floating point 7.000000000000001
        (30, 0.1, 3),  # and 3.0000000000000004
        (25, 0.28, 7),  # and 7.000000000000001
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


def test_a_huge_outer_length_does_not_overflow():
    lengths = np.array([1, 5_000_000])
    assert (outer_length(lengths, 1e12) >= 1_000_000).all()


def test_outer_length_of_a_tensor_stays_a_tensor_of_whole_numbers():
    torch = pytest.importorskip('torch')
    assert torch.equal(outer_length(torch.tensor([100, 30]), 0.07), torch.tensor([7, 3]))
