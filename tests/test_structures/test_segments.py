import numpy as np
import pytest

from fsptal_mm.structures import segment_iou


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
