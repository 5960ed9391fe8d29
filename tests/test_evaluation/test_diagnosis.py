import json
import math

import numpy as np
import pytest
from refusals import refused

from fsptal_mm.evaluation.diagnosis import BUCKET_PRESETS, ERROR_TYPES, characteristics, diagnose
from fsptal_mm.evaluation.diagnosis.characteristics import bucket_indices
from fsptal_mm.evaluation.functional import assign_detections, detection_average_precision
from fsptal_mm.structures import Instances

NO_DETECTION = Instances.from_videos([[]], [[]], [[]])


def one_class(segments, scores=None):
    """Segments of video 0 and class 0."""
    return Instances.from_videos([segments], [[0] * len(segments)], None if scores is None else [scores])


def falling(segments):
    """Detections in the order of falling score."""
    return one_class(segments, np.arange(len(segments), 0, -1))


@pytest.mark.parametrize(
    'preset, characteristic, values',
    [
        # Values in each bucket, among them its upper bound, which belongs to the bucket.
        ('thumos14', 'length', dict(XS=[0, 3, 33.1 - 30.1], S=[3.001, 6], M=[12], L=[18], XL=[18.1])),
        ('thumos14', 'coverage', dict(XS=[0.02], M=[0.05], XL=[1.2])),  # the instance is longer than the video
        ('thumos14', 'num_instances', dict(XS=[1], S=[2, 40], M=[80], L=[81])),
        ('activitynet', 'length', dict(XS=[30], XL=[181])),
        ('activitynet', 'coverage', dict(XS=[0.2], XL=[0.81])),
        ('activitynet', 'num_instances', dict(S=[4], L=[9])),
    ],
)
def test_bucket_edges(preset, characteristic, values):
    for bucket, part in values.items():
        found = bucket_indices(np.array(part, dtype=float), BUCKET_PRESETS[preset][characteristic])
        assert [('XS', 'S', 'M', 'L', 'XL')[index] for index in found] == [bucket] * len(part)


def test_characteristics_of_instances():
    gt = Instances.from_videos([[[0, 5], [5, 15]], [], [[1, 2]]], [[0, 1], [], [0]])
    found = characteristics(gt, [50, None, None])
    assert found['length'].tolist() == [5, 10, 1]
    assert found['num_instances'].tolist() == [2, 2, 1]  # of both classes together
    np.testing.assert_array_equal(found['coverage'], [0.1, 0.2, np.nan])
    assert bucket_indices(found['coverage'], (0.1,)).tolist() == [0, 1, -1]


def test_normalized_average_precision():
    # Class 0 has 4 segments, class 1 has 2, so the mean number I is 3. The detections of class 0 are a true positive, a
    # false one and a true one, those of class 1 a false and a true one.
    gt = Instances.from_videos([[[i * 100, i * 100 + 10] for i in range(6)]], [[0, 0, 0, 0, 1, 1]])
    segments = [[0, 10], [50, 60], [100, 110], [50, 60], [400, 410]]
    det = Instances.from_videos([segments], [[0, 0, 0, 1, 1]], [[5, 4, 3, 2, 1]])
    found = diagnose(gt, det, 2, [600], [0.5])
    # R I / (R I + F) at the true positives. Class 0: .75 / .75 and 1.5 / 2.5; class 1: 1.5 / 2.5.
    assert found.normalized_ap == pytest.approx(((1 + 0.6) / 4 + 0.6 / 2) / 2)
    assert found.mean_ap == pytest.approx(((1 + 2 / 3) / 4 + 0.5 / 2) / 2)
    # Without the background errors all precisions are 1: AP is recall, 2/4 and 1/2.
    assert found.gains['background'].normalized == pytest.approx(0.5 - 0.35)
    assert found.gains['background'].mean_ap == pytest.approx(0.5 - found.mean_ap)


def test_a_class_without_segments_does_not_count():
    gt = one_class([[0, 10]])
    det = Instances.from_videos([[[0, 10], [0, 10]]], [[0, 2]], [[1, 2]])
    found = diagnose(gt, det, 3, [60], [0.5])
    assert found.mean_ap == found.normalized_ap == 1  # I is 1, not 1/3
    assert found.profile.sum() == 1
    assert found.num_detections == 2


def test_buckets_are_judged_on_their_own():
    # The segments have the lengths 2 (XS) and 10 (M). In the order of the scores, the detections are a true positive on
    # the long segment, a false positive, and a true positive on the short segment.
    found = diagnose(one_class([[0, 2], [10, 20]]), falling([[10, 20], [50, 60], [0, 2]]), 1, [100], [0.5])
    extra_small, small, medium, *_ = found.buckets['length']
    # In XS, the true positive on the long segment is left out, and the false positive stays. With I = 2, the normalised
    # precision is 2 / (2 + 1) at recall 1.
    assert extra_small.normalized_ap == pytest.approx(2 / 3)
    assert medium.normalized_ap == pytest.approx(1)
    assert math.isnan(small.normalized_ap)
    assert math.isnan(small.missed_share)
    assert [bucket.num_instances for bucket in found.buckets['length']] == [1, 0, 1, 0, 0]
    # On all segments, the precisions are 1 and 2/3.
    assert found.normalized_ap == pytest.approx(5 / 6)
    assert found.sensitivity('length') == pytest.approx(1 / 3)
    assert found.impact('length') == pytest.approx(1 / 6)
    # The video has two instances, so both are in the bucket S of num_instances, whose figure is that of all.
    assert found.buckets['num_instances'][1].normalized_ap == pytest.approx(5 / 6)
    assert found.sensitivity('num_instances') == 0


def test_what_is_left_out_of_a_bucket_depends_on_the_threshold():
    # A short segment lies within a long one. The only detection has tIoU 2/4 with the short and 4/10 with the long one.
    found = diagnose(one_class([[0, 2], [0, 10]]), falling([[0, 4]]), 1, [100], [0.4, 0.6])
    extra_small, _, medium, *_ = found.buckets['length']
    # At .4, it takes the short segment: AP is 1 in its bucket, and 0 in that of the long one. At .6, it is false for
    # both.
    assert extra_small.normalized_ap == pytest.approx(1 / 2)
    assert medium.normalized_ap == 0


def test_missed_instances_by_bucket():
    # The second segment (XS, tIoU .4) and the fourth one (M) are missed.
    gt = one_class([[0, 2], [10, 12], [20, 25], [30, 40]])
    found = diagnose(gt, falling([[0, 2], [10, 10.8], [20, 24]]), 1, [200], [0.1])
    assert found.num_missed == 2
    assert [bucket.num_missed for bucket in found.buckets['length']] == [1, 0, 1, 0, 0]
    assert found.buckets['length'][0].missed_share == 0.5
    # The coverages of the segments are .01, .01, .025 and .05.
    assert [bucket.num_missed for bucket in found.buckets['coverage']] == [1, 0, 1, 0, 0]
    # At tIoU .4, the second segment is found.
    assert diagnose(gt, falling([[0, 2], [10, 10.8], [20, 24]]), 1, [200], [0.1], tiou=0.4).num_missed == 1


@pytest.mark.parametrize('num_false, expected', [(18, 0), (19, 1)])
def test_a_detection_that_comes_too_late_finds_nothing(num_false, expected):
    # With F false positives before it, the normalised precision is 1 / (1 + F): 1/19 = .053 counts, 1/20 = .05 does
    # not.
    found = diagnose(one_class([[0, 10]]), falling([[50, 60]] * num_false + [[0, 10]]), 1, [60], [0.5])
    assert found.num_missed == expected
    assert found.mean_ap == pytest.approx(1 / (1 + num_false))  # mAP has no such limit


def test_no_detection_and_no_truth():
    found = diagnose(one_class([[0, 10]]), NO_DETECTION, 1, [60], [0.5])
    assert found.mean_ap == found.normalized_ap == found.top_mean_ap == 0
    assert all(gain.mean_ap == gain.normalized == 0 for gain in found.gains.values())
    assert found.num_missed == 1
    assert np.isnan(found.shares()).all()
    with refused('ground-truth segment'):
        diagnose(NO_DETECTION, falling([[0, 10]]), 1, [60], [0.5])


def test_json_has_null_for_what_does_not_exist():
    found = diagnose(one_class([[0, 10]]), NO_DETECTION, 1, [None], [0.5])
    content = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert content['profile'][0] == {'rank': '1G', 'num_detections': 0, 'shares': dict.fromkeys(ERROR_TYPES)}
    assert content['characteristics']['coverage']['sensitivity'] is None  # without a duration, there is no coverage
    last = content['characteristics']['coverage']['buckets'][-1]
    assert (last['bucket'], last['above'], last['num_instances'], last['num_missed']) == ('XL', 0.08, 0, 0)
    assert last['up_to'] is last['missed_share'] is last['mAP_N'] is None
    assert content['characteristics']['length']['buckets'][2]['missed_share'] == 1
    assert content['characteristics']['length']['sensitivity'] == 0


def scene(seed):
    """60 dense ground-truth segments of 3 classes in 8 videos, and 400 detections; some tIoUs and scores are equal."""
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, 80, (60, 1))
    segments = np.hstack([starts, starts + rng.integers(1, 25, (60, 1))]).astype(float)
    gt = Instances(rng.integers(8, size=60), rng.integers(3, size=60), segments)
    chosen = rng.integers(60, size=400)
    segments = np.sort(segments[chosen] + rng.integers(-8, 9, (400, 2)), axis=1)
    labels = np.where(rng.random(400) < 0.7, gt.labels[chosen], rng.integers(3, size=400))
    return gt, Instances(gt.videos[chosen], labels, segments, rng.random(400).round(2))


def looped_ap_n(hits, num_gt, mean_num_gt):
    """AP_N of one class, ``hits`` in the order of falling score; ``None`` stands for a detection that is left out."""
    precisions, found, false = [], 0, 0
    for hit in hits:
        found, false = found + (hit is True), false + (hit is False)
        recall = found / num_gt
        precisions.append(recall * mean_num_gt / (recall * mean_num_gt + false) if found else 0)
    return sum(max(precisions[i:]) for i, hit in enumerate(hits) if hit) / num_gt


@pytest.mark.parametrize('seed', range(3))
def test_equals_plain_loops_over_the_definitions(seed):
    gt, det = scene(seed)
    tious = [0.3, 0.5]
    found = diagnose(gt, det, 3, [100] * 8, tious)
    np.testing.assert_allclose(found.mean_ap, detection_average_precision(gt, det, tious, 3).mean(), rtol=1e-12)

    det = det[np.lexsort((-det.scores, det.labels))]
    matches = assign_detections(gt, det, tious)
    inside = (gt.segments[:, 1] - gt.segments[:, 0] > 6) & (gt.segments[:, 1] - gt.segments[:, 0] <= 12)
    expected = {'all': [], 'M': []}
    for row in matches:
        for label in range(3):
            of_class = row[det.labels == label]
            num_gt = (gt.labels == label).sum()
            expected['all'].append(looped_ap_n([bool(match >= 0) for match in of_class], num_gt, 20))
            hits = [False if match < 0 else (True if inside[match] else None) for match in of_class]
            expected['M'].append(looped_ap_n(hits, (inside & (gt.labels == label)).sum(), 20))
    assert 0.05 < np.mean(expected['M']) < 0.95
    np.testing.assert_allclose(found.normalized_ap, np.mean(expected['all']), rtol=1e-12)
    np.testing.assert_allclose(found.buckets['length'][2].normalized_ap, np.mean(expected['M']), rtol=1e-12)
