import numpy as np
import pytest

from fsptal_mm.evaluation.diagnosis import ERROR_TYPES, diagnose
from fsptal_mm.evaluation.diagnosis.errors import error_types
from fsptal_mm.evaluation.functional import assign_detections
from fsptal_mm.structures import Instances

# Two actions of different classes, far from each other.
TRUTH = [([0, 10], 0), ([20, 30], 1)]


def one_video(rows):
    """Instances in video 0, from rows ``(segment, class)`` or ``(segment, class, score)``."""
    segments, labels, *scores = map(list, zip(*rows)) if rows else ([], [], [])
    return Instances.from_videos([segments], [labels], [scores[0]] if scores else None)


def types_of(truth, rows, tiou=0.5):
    """Names of the error types of detections, which are given in the order of falling score."""
    gt, det = one_video(truth), one_video(rows)
    # Detections are matched class by class, as in diagnose.
    order = np.argsort(det.labels, kind='stable')
    matches = np.empty((1, len(det)), dtype=int)
    matches[:, order] = assign_detections(gt, det[order], [tiou])
    return [ERROR_TYPES[index] for index in error_types(gt, det, matches >= 0, [tiou])[0]]


@pytest.mark.parametrize(
    'segment, label, expected, reason',
    [
        ([0, 9], 0, 'double_detection', 'tIoU .9 with a segment of its class that the first detection has'),
        ([0, 5], 0, 'double_detection', 'tIoU of exactly the threshold'),
        ([20, 29], 0, 'wrong_label', 'tIoU .9 with the segment of the other class'),
        ([20, 25], 0, 'wrong_label', 'tIoU of exactly the threshold'),
        ([0, 4.9], 0, 'localization', 'tIoU .49 with a segment of its class'),
        ([0, 1], 0, 'localization', 'tIoU of exactly .1'),
        ([26, 36], 0, 'confusion', 'tIoU 4/16 = .25 with the segment of the other class'),
        ([20, 21], 0, 'confusion', 'tIoU of exactly .1'),
        ([0, 0.9], 0, 'background', 'tIoU .09 with a segment of its class'),
        ([20, 20.9], 0, 'background', 'tIoU .09 with the segment of the other class'),
        ([12, 18], 0, 'background', 'between the segments'),
        ([5, 5], 0, 'background', 'no length, no overlap'),
        ([0, 9], 2, 'wrong_label', 'a class without any ground-truth segment'),
    ],
)
def test_type_of_a_false_positive(segment, label, expected, reason):
    # The first detection takes the only segment of class 0.
    assert types_of(TRUTH, [([0, 10], 0), (segment, label)]) == ['true_positive', expected], reason


NEAR, SAME = [([0, 10], 0), ([2, 12], 1)], [([0, 10], 0), ([0, 10], 1)]
TP, DOUBLE, LOCALIZATION = 'true_positive', 'double_detection', 'localization'


@pytest.mark.parametrize(
    'reason, truth, found, tiou, expected',
    [
        ('at .1 no range is left for localization errors', TRUTH, [[4, 10], [6, 16]], 0.1, [TP, DOUBLE]),
        ('the second has .25 with the first segment', TRUTH, [[4, 10], [6, 16]], 0.3, [TP, LOCALIZATION]),
        ('the first has 6/10', TRUTH, [[4, 10], [6, 16]], 0.7, [LOCALIZATION, LOCALIZATION]),
        # [2, 11] has tIoU 8/11 = .73 with the segment of its class, and 9/10 with a segment of another class. If it
        # takes no segment, its type is that of the segment with the highest tIoU, whatever the class.
        ('as long as its own is free, it is right', NEAR, [[2, 11]], 0.5, [TP]),
        ('then it is a wrong label, no double detection', NEAR, [[0, 10], [2, 11]], 0.5, [TP, 'wrong_label']),
        ('2/18 = .11 with its own, 4/16 = .25 with the other', NEAR, [[8, 18]], 0.5, ['confusion']),
        # Two classes have the same segment, as Diving and CliffDiving in THUMOS14. Then that of the own class counts.
        ('equally near', SAME, [[0, 10], [0, 9], [0, 3]], 0.5, [TP, DOUBLE, LOCALIZATION]),
        ('in any order of the file', SAME[::-1], [[0, 10], [0, 9], [0, 3]], 0.5, [TP, DOUBLE, LOCALIZATION]),
        ('a segment listed twice is found twice', SAME[:1] * 2, [[0, 10], [0, 9], [0, 8]], 0.5, [TP, TP, DOUBLE]),
    ],
)
def test_types_of_detections_of_class_0(reason, truth, found, tiou, expected):
    assert types_of(truth, [(segment, 0) for segment in found], tiou) == expected, reason


def test_videos_do_not_mix():
    # Only video 1 has a ground-truth segment, so all detections in video 0 are background errors.
    gt = Instances.from_videos([[], [[0, 10]], []], [[], [0], []])
    det = Instances.from_videos([[[0, 10]], [[0, 10]], [[0, 10]]], [[0], [0], [0]], [[0.9], [0.8], [0.7]])
    hits = assign_detections(gt, det, [0.5]) >= 0
    assert error_types(gt, det, hits, [0.5])[0].tolist() == [5, 0, 5]


def test_shares_pool_the_classes():
    # G is 1 for both classes. Bin 1G has a true positive of class 0 and a background error of class 1, bin 2G a double
    # detection of class 0, and the further bins nothing.
    det = one_video([([0, 10], 0, 0.9), ([0, 9], 0, 0.8), ([50, 60], 1, 0.7)])
    shares = diagnose(one_video(TRUTH), det, 2, [60], [0.5]).shares()
    assert shares[0].tolist() == [0.5, 0, 0, 0, 0, 0.5]
    assert shares[1].tolist() == [0, 1, 0, 0, 0, 0]
    assert np.isnan(shares[2:]).all()


def test_only_the_best_10g_are_looked_at():
    # There are one segment and 10 background errors before the true positive, which so is in bin 11G.
    det = one_video([([50, 60], 0, 2.0)] * 10 + [([0, 10], 0, 1.0)])
    found = diagnose(one_video([([0, 10], 0)]), det, 1, [60], [0.5])
    assert found.profile.sum() == found.profile[:, 5].sum() == 10
    assert found.mean_ap == pytest.approx(1 / 11)  # the mAP of all detections
    assert found.top_mean_ap == 0
    assert found.gains['background'].mean_ap == 0  # no detection is left


def test_gain_is_average_precision_without_the_errors():
    # There are two segments. In the order of the scores, the detections are a background error, a true positive, a
    # localization error (tIoU .4) and a true positive.
    truth = one_video([([0, 10], 0), ([20, 30], 0)])
    det = one_video([([50, 60], 0, 4), ([0, 10], 0, 3), ([20, 24], 0, 2), ([20, 30], 0, 1)])
    found = diagnose(truth, det, 1, [60], [0.5])
    # The precisions at the true positives are 1/2 and 2/4, so AP is 1/2.
    assert found.mean_ap == found.top_mean_ap == 0.5
    # Without the background error, they are 1 and 2/3, so AP is 5/6.
    assert found.gains['background'].mean_ap == pytest.approx(5 / 6 - 1 / 2)
    # Without the localization error, they are 1/2, which the envelope lifts to 2/3, and 2/3.
    assert found.gains['localization'].mean_ap == pytest.approx(2 / 3 - 1 / 2)
    assert found.gains['double_detection'].mean_ap == found.gains['wrong_label'].mean_ap == 0
    # With a single class, I is its number of segments, so normalised precision is the usual precision.
    assert found.gains['background'].normalized == pytest.approx(found.gains['background'].mean_ap)
    # The gain is averaged over thresholds, with the error types at each. At .3, [20, 24] takes the second segment, and
    # [20, 30] is a double detection after the last true positive, which costs nothing. The precisions are 1/2 and 2/3,
    # so AP is 2/3; without the background error, it is 1.
    found = diagnose(truth, det, 1, [60], [0.3, 0.5])
    assert found.top_mean_ap == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found.gains['background'].mean_ap == pytest.approx((1 / 3 + 1 / 3) / 2)
    assert found.gains['localization'].mean_ap == pytest.approx((0 + 1 / 6) / 2)
    assert found.gains['double_detection'].mean_ap == 0
