import numpy as np
import pytest
from tool_modules import load_tool

from fsptal_mm.evaluation.operating_point import OperatingPoint, Threshold
from fsptal_mm.structures import Instances

tool = load_tool('experiments/operating_points')


def instances(rows):
    """Instances of one video from rows of label, start, end and, for detections, score."""
    columns = np.array(rows, dtype=np.float64).T
    videos = np.zeros(len(rows), dtype=np.int64)
    return Instances(videos, columns[0].astype(np.int64), columns[1:3].T, *columns[3:])


def test_f1_with_chosen_thresholds_and_with_the_best_one():
    truth = instances([(0, 0, 10), (0, 20, 30), (1, 40, 60)])
    det = instances([
        (1, 41, 60, 0.9),  # tIoU 0.95, covers the middle
        (0, 0, 9, 0.8),  # tIoU 0.9, covers the middle
        (0, 24, 26, 0.7),  # tIoU 0.2, covers the middle
        (0, 70, 80, 0.3),  # false positive
        (0, 20, 29, 0.2),  # tIoU 0.9, covers the middle, which a better detection covers already
    ])  # fmt: skip
    thresholds = {'a': Threshold(0.25, 0, 0, 0), 'b': Threshold(0.95, 0, 0, 0)}
    chosen = OperatingPoint(Threshold(0.25, 0, 0, 0), thresholds, '', 1)
    found = tool.f1_figures(truth, det, chosen)
    # Class b is lost. By segments, one of three detections of class a is right, by points two of them. The best
    # thresholds keep two detections by segments (F1 is 4 / 5, with all five 6 / 8), three by points.
    assert found == pytest.approx([2 * 1 / 6, 2 * 2 / 5, 2 * 2 / 6, 2 * 3 / 6])
