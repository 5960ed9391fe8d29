import numpy as np
import pytest

from fsptal_mm.evaluation.functional import (
    PRESETS,
    detection_average_precision,
    paired_difference,
    resample_videos,
    resampled_average_precision,
    sample_deviation,
)
from fsptal_mm.structures import Instances

TIOUS = PRESETS['thumos14'].tiou_thresholds


def random_set(rng, num_videos=6, num_classes=3):
    """Segments of some classes in some videos, and detections near them and elsewhere, none of equal score."""
    starts = [rng.uniform(0, 80, rng.integers(0, 5)) for _ in range(num_videos)]
    segments = [np.stack([start, start + rng.uniform(2, 15, len(start))], axis=1) for start in starts]
    labels = [rng.integers(num_classes, size=len(start)) for start in starts]
    found = [np.repeat(part, 3, axis=0) + rng.normal(0, 2, (3 * len(part), 2)) for part in segments]
    extra = [np.sort(rng.uniform(0, 100, (4, 2)), axis=1) for _ in range(num_videos)]
    det_labels = [
        np.concatenate([np.repeat(part, 3), rng.integers(num_classes, size=4)]).astype(np.int64) for part in labels
    ]
    detections = [np.sort(np.concatenate(parts), axis=1) for parts in zip(found, extra)]
    scores = [rng.random(len(part)) for part in detections]
    return segments, labels, detections, det_labels, scores


def test_every_resample_draws_as_many_videos_as_there_are():
    counts = resample_videos(7, 300)
    assert counts.shape == (300, 7)
    assert (counts.sum(axis=1) == 7).all()
    # Each video is drawn once on average; the mean of 300 draws has a standard deviation of about .05.
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=0.25)
    assert (counts == resample_videos(7, 300)).all()
    assert (counts != resample_videos(7, 300, seed=1)).any()


def test_all_videos_once_is_the_measure_itself():
    segments, labels, *detections = random_set(np.random.default_rng(0), num_videos=20)
    gt, det = Instances.from_videos(segments, labels), Instances.from_videos(*detections)
    ap = resampled_average_precision(gt, det, TIOUS, 4, np.ones((1, 20), dtype=int))
    expected = detection_average_precision(gt, det, TIOUS, 4)
    assert np.isnan(expected[:, 3]).all()  # a class without a ground-truth segment stays NaN
    assert 0.1 < np.nanmean(expected) < 0.9
    np.testing.assert_allclose(ap[0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize('seed', range(10))
def test_a_resample_equals_copies_of_its_videos(seed):
    parts = random_set(np.random.default_rng(seed))
    gt, det = Instances.from_videos(*parts[:2]), Instances.from_videos(*parts[2:])
    counts = resample_videos(6, 5, seed=seed)
    ap = resampled_average_precision(gt, det, TIOUS, 3, counts)
    for row, count in zip(ap, counts):
        drawn = np.repeat(np.arange(6), count)
        segments, labels, *detections = [[part[video] for video in drawn] for part in parts]
        copies = Instances.from_videos(segments, labels), Instances.from_videos(*detections)
        np.testing.assert_allclose(row, detection_average_precision(*copies, TIOUS, 3), rtol=0, atol=1e-12)


def test_by_hand():
    # Video 0 has a true positive with the score .9. Video 1 has a false positive with the score .8, and its segment is
    # not found. All tIoUs are 1 or 0.
    gt = Instances.from_videos([[[0, 10]], [[0, 10]]])
    det = Instances.from_videos([[[0, 10]], [[50, 60]]], scores=[[0.9], [0.8]])
    ap = resampled_average_precision(gt, det, [0.5], 1, np.array([[1, 1], [2, 0], [0, 2]]))
    assert ap[:, 0, 0].tolist() == [0.5, 1, 0]
    # Now the false positive has the higher score. With both videos once, precision and recall are 1/2; with video 0
    # once and video 1 three times, they are 1/4.
    det = Instances.from_videos([[[0, 10]], [[50, 60]]], scores=[[0.7], [0.8]])
    ap = resampled_average_precision(gt, det, [0.5], 1, np.array([[1, 1], [1, 3]]))
    assert ap[:, 0, 0].tolist() == [1 / 4, 1 / 16]


def test_more_resamples_than_are_held_at_once():
    parts = random_set(np.random.default_rng(1))
    gt, det = Instances.from_videos(*parts[:2]), Instances.from_videos(*parts[2:])
    counts = resample_videos(6, 200_000)
    whole = resampled_average_precision(gt, det, TIOUS[:1], 3, counts)
    for part in (slice(20), slice(-20, None)):
        few = resampled_average_precision(gt, det, TIOUS[:1], 3, counts[part])
        np.testing.assert_allclose(whole[part], few, rtol=0, atol=1e-12)


def test_a_class_missing_from_a_resample_is_left_out_of_the_mean():
    # Class 0 is in video 0 only, and is found. Class 1 is in video 1 only, and is not found.
    gt = Instances.from_videos([[[0, 10]], [[0, 10]], []], [[0], [1], []])
    det = Instances.from_videos([[[0, 10]], [], []], [[0], [], []], [[0.9], [], []])
    counts = np.array([[1, 1, 1], [3, 0, 0], [0, 3, 0], [0, 0, 3]])
    ap = resampled_average_precision(gt, det, TIOUS, 2, counts)
    average = PRESETS['thumos14'].main_average(ap)
    np.testing.assert_allclose(average, [0.5, 1, 0, np.nan])


def test_difference_by_hand():
    # The differences of the two seeds are .1 and .3. The mean difference on resample r of 0 ... 100 is r / 100, so the
    # middle 90 % are .05 to .95.
    resamples = np.arange(101) / 100
    difference = paired_difference(
        [0.5, 0.6], [0.4, 0.3], np.stack([resamples, resamples + 1]), np.array([[0.0], [1.0]]), level=0.9
    )
    assert difference.mean == pytest.approx(0.2)
    assert difference.by_seed == pytest.approx([0.1, 0.3])
    assert difference.spread == pytest.approx(0.2 / np.sqrt(2))  # two values, .1 from their mean, n - 1 = 1
    assert [difference.low, difference.high] == pytest.approx([0.05, 0.95])
    assert np.isnan(sample_deviation([0.5]))  # the spread of one seed is unknown


def test_intervals_of_pairs():
    hard = np.random.default_rng(0).random((1, 200))
    for first, second, interval in (
        (hard, hard, [0, 0]),  # identical methods
        (hard + 0.1, hard, [0.1, 0.1]),  # videos that are hard for both cancel out
        (np.array([[0.3, np.nan, 0.3]]), np.array([[0.1, np.nan, 0.1]]), [0.2, 0.2]),  # a resample without segments
    ):
        difference = paired_difference([0.6], [0.6], first, second)
        assert [difference.low, difference.high] == pytest.approx(interval)
