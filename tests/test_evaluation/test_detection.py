import json

import numpy as np
import pytest
from mmaction.evaluation.functional import eval_detection

from fsptal_mm.evaluation.functional import (
    PRESETS,
    assign_detections,
    detection_average_precision,
    touches_any,
    video_average_precision,
)
from fsptal_mm.structures import Instances, segment_iou


def one_video(segments, labels=None, scores=None):
    """Segments of one video, all of class 0 if there are no ``labels``."""
    labels = np.zeros(len(segments), dtype=int) if labels is None else labels
    return Instances.from_videos([segments], [labels], None if scores is None else [scores])


@pytest.mark.parametrize(
    'gt, segments, scores, tiou, expected, reason',
    [
        ([[0, 10], [20, 30]], [[0, 10], [20, 30]], [0.9, 0.1], 0.95, 1, 'perfect predictions'),
        ([[0, 10]], [], [], 0.5, 0, 'no prediction'),
        ([[0, 10]], [[0, 5]], [0.5], 0.5, 1, 'a tIoU of exactly the threshold counts'),
        ([[0, 10]], [[0, 4.9]], [0.5], 0.5, 0, 'a tIoU of .49'),
        ([[0, 10]], [[10, 20]], [0.5], 0.1, 0, 'touching is not overlapping'),
        ([[0, 10], [10, 20]], [[0, 10], [10, 20]], [0.1, 0.2], 0.7, 1, 'touching instances stay two'),
        # True positives: yes, no (the segment is taken), yes. Their precisions 1 and 2/3 count half each.
        ([[0, 10], [20, 30]], [[0, 10], [0, 9], [20, 30]], [0.9, 0.8, 0.7], 0.5, 5 / 6, 'a duplicate is false'),
        # The second detection has tIoU 9/12 with the first segment, which is taken, and 4/19 = .21 with the second one.
        ([[0, 10], [8, 20]], [[0, 10], [1, 12]], [0.9, 0.8], 0.2, 1, 'the next best segment is taken'),
        ([[0, 10], [8, 20]], [[0, 10], [1, 12]], [0.9, 0.8], 0.3, 0.5, 'the next best segment is too far'),
        # A false positive comes first, so the precision at the only true positive is 1/2. The envelope does not lift
        # it.
        ([[0, 10]], [[50, 60], [0, 10]], [0.9, 0.8], 0.5, 0.5, 'a better scored false positive'),
        # True positives: no, yes, yes. Their precisions are 1/2 and 2/3; the envelope lifts the first one to 2/3.
        ([[0, 10], [20, 30]], [[50, 60], [0, 10], [20, 30]], [3, 2, 1], 0.5, 2 / 3, 'interpolation'),
        # All three detections have the highest tIoU with the first segment. In the order of scores, the first takes it,
        # the second takes its second choice (tIoU .25), and the third finds none. So two of three segments are found,
        # at precision 1.
        ([[0, 10], [8, 18], [30, 40]], [[0, 10], [4, 14], [0, 12]], [3, 2, 1], 0.2, 2 / 3, 'falls back'),
        ([[0, 10], [0, 10]], [[0, 10]], [0.5], 0.5, 0.5, 'an instance listed twice counts twice'),
        ([[5, 5], [0, 10]], [[5, 5], [0, 10]], [0.9, 0.8], 0.1, 0.25, 'no length, no match: hit 1 of 2, precision 1/2'),
        ([[0, 10]], [[0, 10], [50, 60]], [0.5, 0.5], 0.5, 1, 'tie: the first in the file comes first'),
        ([[0, 10]], [[50, 60], [0, 10]], [0.5, 0.5], 0.5, 0.5, 'tie: likewise, here a false one'),
    ],
)
def test_average_precision(gt, segments, scores, tiou, expected, reason):
    ap = detection_average_precision(one_video(gt), one_video(segments, scores=scores), [tiou], 1)
    assert ap == pytest.approx(np.array([[expected]]), abs=1e-12), reason


def test_assignment_names_segments_by_their_place_in_the_input():
    # Neither classes nor videos of the segments are in order.
    gt = Instances(np.array([1, 0, 0]), np.array([1, 1, 0]), np.array([[0.0, 10], [20, 30], [0, 10]]))
    det = Instances(np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([[0.0, 10], [20, 24], [0, 9]]), np.ones(3))
    # The second detection has tIoU .4 with its segment, so it is a true positive at .4, but not at .5.
    assert assign_detections(gt, det, [0.4, 0.5]).tolist() == [[2, 1, 0], [2, -1, 0]]
    assert assign_detections(gt[:0], det, [0.5]).tolist() == [[-1, -1, -1]]


def test_classes_and_videos_do_not_mix():
    gt = Instances.from_videos([[[0, 10]], [[0, 10]]], [[0], [1]])
    det = Instances.from_videos([[[0, 10]], [[0, 10]], [[0, 10]]], [[1], [1], [1]], [[0.9], [0.8], [0.7]])
    ap = detection_average_precision(gt, det, [0.5], 3)
    # Class 0 has no detection. Class 1 has a false positive (video 0 is of class 0), then a true positive at precision
    # 1/2, then a detection in a video without a segment. Class 2 has no ground-truth segment.
    np.testing.assert_array_equal(ap, [[0, 0.5, np.nan]])


def random_truth(rng, num_videos=12, num_classes=4, length=60.0, most=14):
    """Dense segments of several classes, up to ``most`` in a video, many of them overlapping."""
    truth = {}
    for video in range(num_videos):
        starts = rng.random((rng.integers(1 + most // 15, most + 1), 1)) * length
        ends = starts + rng.lognormal(1.5, 0.8, starts.shape)
        truth[f'video{video}'] = [
            (start, end, f'class{rng.integers(num_classes)}') for start, end in np.hstack([starts, ends]).tolist()
        ]
    return truth


def random_predictions(rng, truth, per_video, spread=0.25):
    """Displaced ground-truth segments, a quarter of them with another class; all scores differ."""
    names = sorted({label for segments in truth.values() for *_, label in segments})
    predictions = {}
    for video, segments in truth.items():
        rows = []
        for start, end, label in (segments[i] for i in rng.integers(len(segments), size=per_video)):
            shift = rng.normal(0, spread * (end - start), 2)
            label = label if rng.random() < 0.75 else names[rng.integers(len(names))]
            rows.append((*sorted((start + shift[0], end + shift[1])), label, rng.random()))
        predictions[video] = rows
    predictions['unannotated'] = predictions[next(iter(truth))][:5]
    return predictions


def official_ap(truth, predictions, tious, folder):
    """AP by threshold and class of mmaction2's port of ActivityNet's script; the classes are in the port's order."""
    gt_file, result_file = folder / 'gt.json', folder / 'result.json'
    annotations = {  # the port cuts two letters off the ids of the ground truth
        f'v_{video}': {'annotations': [{'segment': row[:2], 'label': row[2]} for row in rows]}
        for video, rows in truth.items()
    }
    gt_file.write_text(json.dumps(annotations))
    results = {
        video: [{'segment': row[:2], 'label': row[2], 'score': row[3]} for row in rows]
        for video, rows in predictions.items()
    }
    result_file.write_text(json.dumps({'results': results}))
    port = eval_detection.ActivityNetLocalization(str(gt_file), str(result_file), np.array(tious))
    port.evaluate()
    return port.ap, list(port.activity_index)


def our_ap(truth, predictions, tious, classes):
    videos = list(dict.fromkeys([*truth, *predictions]))

    def to_instances(rows_of, with_scores):
        rows = [rows_of.get(video, []) for video in videos]
        return Instances.from_videos(
            [[row[:2] for row in part] for part in rows],
            [[classes.index(row[2]) for row in part] for part in rows],
            [[row[3] for row in part] for part in rows] if with_scores else None,
        )

    return detection_average_precision(to_instances(truth, False), to_instances(predictions, True), tious, len(classes))


def assert_equals_official(truth, predictions, tious, folder):
    expected, classes = official_ap(truth, predictions, tious, folder)
    assert 0.01 < expected.mean() < 0.99  # else the comparison would prove little
    np.testing.assert_allclose(our_ap(truth, predictions, tious, classes), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize('preset', sorted(PRESETS))
def test_equals_the_official_script_on_generated_truth(seed, preset, tmp_path):
    rng = np.random.default_rng(seed)
    truth = random_truth(rng)
    predictions = random_predictions(rng, truth, per_video=40)
    assert_equals_official(truth, predictions, PRESETS[preset].tiou_thresholds, tmp_path)


class StableOrder(np.ndarray):
    """tIoUs of one detection; sorting keeps equal tIoUs in the order of the annotation file."""

    def argsort(self):
        return np.argsort(np.asarray(self), kind='stable')


@pytest.fixture
def _defined_order(monkeypatch):
    # In real annotations, a long detection covers several segments of equal length. The port then takes one by an
    # unstable sort of float32 numbers, which depends on the processor. The official script computes in float64.
    def pairwise_iou(detection, segments):
        return segment_iou(segments, detection[None])[:, 0].view(StableOrder)

    monkeypatch.setattr(eval_detection, 'pairwise_temporal_iou', pairwise_iou)


@pytest.mark.usefixtures('_defined_order')
@pytest.mark.parametrize('name, per_video', [('thumos14', 30), ('gtea', 60)])
def test_equals_the_official_script_on_real_truth(name, per_video, data_root, tmp_path):
    ids = (data_root / name / 'split_test.txt').read_text().split()
    database = json.loads((data_root / name / 'gt_full.json').read_text())['database']
    truth = {video: [(*row['segment'], row['label']) for row in database[video]['annotations']] for video in ids}
    predictions = random_predictions(np.random.default_rng(0), truth, per_video, spread=1)
    assert_equals_official(truth, predictions, PRESETS['thumos14'].tiou_thresholds, tmp_path)


@pytest.mark.parametrize(
    'segments, expected',
    [
        # The detection of higher score has tIoU 1/3 with both segments, and takes the later one in the list. The other
        # detection finds its segment free in the first case only.
        ([(0, 10, 'x'), (10, 20, 'x')], 1),
        ([(10, 20, 'x'), (0, 10, 'x')], 0.5),
    ],
)
def test_equal_overlaps_are_settled_as_by_the_official_script(segments, expected, tmp_path):
    truth, predictions = {'a': segments}, {'a': [(5, 15, 'x', 0.9), (0, 10, 'x', 0.8)]}
    assert our_ap(truth, predictions, [0.3], ['x']) == official_ap(truth, predictions, [0.3], tmp_path)[0] == expected


def test_more_pairs_than_are_held_at_once(tmp_path):
    rng = np.random.default_rng(3)
    truth = random_truth(rng, num_videos=1, num_classes=1, length=5000, most=2400)
    assert len(truth['video0']) * 1000 > 1 << 20
    assert_equals_official(truth, random_predictions(rng, truth, per_video=1000), [0.3, 0.5], tmp_path)


def test_touches_any():
    ranges = Instances.from_videos([[], [[40, 50], [10, 20]]])
    segments = [[0, 10], [19, 30], [0, 60], [20, 40], [15, 15]]
    found = Instances.from_videos([[[10, 20]], segments])
    # Video 0 has no range. The segments in video 1 end where a range starts, share 1 s with a range, cover both ranges,
    # lie between both, and have no length.
    assert touches_any(found, ranges).tolist() == [False, False, True, True, False, False]


def test_average_precision_of_videos_is_over_all_classes_together():
    gt = Instances.from_videos([[[0, 10], [20, 30]], [[0, 10]], [], [[0, 10]]], [[0, 1], [0], [], [1]])
    found = [[[0, 10], [20, 30], [20, 30]], [[0, 10]], [[0, 5]], []]
    det = Instances.from_videos(found, [[0, 0, 1], [1], [0], []], [[0.9, 0.8, 0.7], [0.9], [0.9], []])
    # Video 0 has a true positive, a detection of another class and a true positive: the precisions 1 and 2/3 count half
    # each. Video 1 has only a detection of another class, video 2 no ground-truth segment, video 3 no detection.
    np.testing.assert_allclose(video_average_precision(gt, det, 0.5, 4), [5 / 6, 0, np.nan, 0])
