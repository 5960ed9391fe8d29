"""Evaluation of detections by points alone: the average precision, and the metric, which never reads a segment."""

from types import SimpleNamespace

import numpy as np
import pytest
from metric_samples import CLASSES, evaluate, sample
from mmaction.registry import METRICS
from plain_files import plain_video, write_plain
from refusals import refused

from fsptal_mm.datasets import PointTALDataset
from fsptal_mm.engine import ResultFileHook
from fsptal_mm.evaluation import PointMetric, TALMetric, read_results
from fsptal_mm.evaluation.functional import point_average_precision, point_extents
from fsptal_mm.structures import Instances
from fsptal_mm.utils.reading import read_json


def labelled(times, labels=None, videos=1):
    """Instances of one point each; all in the first of ``videos`` videos, and of class 0 unless said otherwise."""
    extents = np.repeat(np.array(times, dtype=float)[:, None], 2, axis=1)
    labels = np.zeros(len(times), dtype=int) if labels is None else labels
    return Instances.from_videos([extents] + [[]] * (videos - 1), [labels] + [[]] * (videos - 1))


def found(segments, labels=None):
    """Detections with falling scores in one video."""
    labels = np.zeros(len(segments), dtype=int) if labels is None else labels
    return Instances.from_videos([segments], [labels], [np.arange(len(segments), 0, -1)])


@pytest.mark.parametrize(
    'times, segments, ap, recall, reason',
    [
        ([5, 25], [[0, 10], [20, 30]], 1, 1, 'one detection around each point'),
        ([5, 25], [[0, 10]], 1 / 2, 1 / 2, 'a point without a detection'),
        ([5], [], 0, 0, 'no detection'),
        ([5], [[6, 10]], 0, 0, 'beside the point'),
        ([5], [[5, 10]], 1, 1, 'the ends of a detection belong to it'),
        # True positives: no, yes.
        ([5], [[20, 30], [0, 10]], 1 / 2, 1, 'a better scored detection of nothing'),
        # True positives: yes, no, yes. Their precisions 1 and 2/3 count half each.
        ([5, 25], [[0, 10], [1, 9], [20, 30]], 5 / 6, 1, 'a point is found once'),
        ([5, 25], [[0, 30]], 0, 0, 'a detection of two actions at once finds neither'),
        # The detection that joins both points takes neither, so true positives are no, yes, yes. The envelope is 2/3.
        ([5, 25], [[0, 30], [0, 10], [20, 30]], 2 / 3, 1, 'a joined detection takes no point'),
        # Both detections cover the same point, which only the first one takes.
        ([5, 25], [[0, 10], [4, 11]], 1 / 2, 1 / 2, 'a duplicate does not find the other point'),
        ([], [], np.nan, np.nan, 'neither points nor detections'),
    ],
)
def test_detections_against_points(times, segments, ap, recall, reason):
    result = point_average_precision(labelled(times), found(segments), 1)
    np.testing.assert_allclose(result, [[ap], [recall]], err_msg=reason)


def test_classes_and_videos_are_judged_alone():
    # Two classes at one point, and a third point of class 1 inside the detection of class 0.
    points = labelled([5, 5, 8], [0, 1, 1])
    ap, recall = point_average_precision(points, found([[0, 10], [3, 6], [7, 9]], [0, 1, 1]), 4)
    assert ap[:2].tolist() == recall[:2].tolist() == [1, 1]
    # [0, 10] is a true positive of class 0, but not of class 1, whose two points it joins. Classes 2 and 3 have no
    # point.
    ap, recall = point_average_precision(points, found([[0, 10], [0, 10], [0, 10]], [0, 1, 2]), 4)
    np.testing.assert_array_equal([ap, recall], [[1, 0, np.nan, np.nan]] * 2)
    # The detections of all videos are ranked together. That of the higher score is in a video without a point.
    det = Instances.from_videos([[[0, 10]], [[0, 10]]], [[0], [0]], [[0.5], [0.75]])
    assert point_average_precision(labelled([5], videos=2), det, 1) == ([0.5], [1])


def test_an_instance_of_several_points_is_found_whole():
    points = Instances.from_videos([[[4, 8]]], [[0]])
    for segment, hit in (([3, 9], 1), ([3, 6], 0), ([5, 7], 0), ([8, 10], 0), ([0, 3], 0)):
        assert point_average_precision(points, found([segment]), 1)[0] == hit
    # The detection covers one instance, but also touches the other one without covering it: it joins two actions.
    points = Instances.from_videos([[[4, 8], [12, 12]]], [[0, 0]])
    assert point_average_precision(points, found([[7, 13]]), 1)[1] == 0


def test_many_detections_equal_the_definition():
    """Compare with a loop over detections."""
    rng = np.random.default_rng(0)
    times = [np.sort(rng.uniform(0, 50, count)) for count in (8, 0, 5)]
    extents = [np.repeat(part[:, None], 2, 1) for part in times]
    points = Instances.from_videos(extents, [np.zeros(len(part)) for part in times])
    start = [rng.uniform(0, 50, (40, 1)) for _ in times]
    segments = [np.hstack([part, part + rng.uniform(1, 12, part.shape)]) for part in start]
    scores = rng.permutation(120).reshape(3, 40)
    det = Instances.from_videos(segments, [np.zeros(40)] * 3, list(scores))

    taken, hits = set(), []
    for index in np.argsort(-det.scores):
        video, (first, last) = det.videos[index], det.segments[index]
        inside = [(video, time) for time in times[video] if first <= time <= last]
        hits.append(len(inside) == 1 and inside[0] not in taken)
        taken.update(inside[:1] if hits[-1] else [])
    assert 5 < sum(hits) < 13  # some points are found, some are not
    precision = np.cumsum(hits) / np.arange(1, 121)
    expected = sum(precision[rank:].max() for rank in np.flatnonzero(hits)) / 13
    ap, recall = point_average_precision(points, det, 1)
    assert ap[0] == pytest.approx(expected)
    assert recall[0] == pytest.approx(sum(hits) / 13)


def test_extents_of_instances():
    # Instance 0 of class 1 has two points, and a point of class 0 lies between them. Instance 0 of class 2 is another
    # one.
    extents = point_extents(np.array([2.0, 3, 5, 5]), np.array([1, 0, 1, 2]), np.array([0, 1, 0, 0]))
    assert extents.segments.tolist() == [[3, 3], [2, 5], [5, 5]]
    assert extents.labels.tolist() == [0, 1, 2]
    assert len(point_extents(*np.zeros((3, 0)))) == 0


# The true positives of class 0 are yes, no, yes, and both of its points are found: AP is (1 + 2/3) / 2. The point of
# class 1, at the time of a point of class 0, is not found.
FOUND = (
    sample('a', points=[[5, 0, 0], [5, 1, 1]], found=[[3, 7, 0, 0.75]]),
    sample('b', points=[[5, 0, 0]], found=[[3, 7, 0, 0.25], [10, 20, 0, 0.5]]),
)


def test_metric_is_the_mean_over_the_classes_of_all_videos(messages):
    measures = evaluate(METRICS.build(dict(type='PointMetric')), FOUND)
    assert measures == {'point/mAP': pytest.approx(5 / 12), 'point/recall': 1 / 2}
    assert all(type(value) is float for value in measures.values())
    assert '3 detections, 3 labelled instances in 2 videos' in messages[-1]
    # A repeated video counts once. A detection in a video without points is no false positive, since its actions are
    # not labelled.
    unlabelled = sample('c', found=[[0, 10, 0, 0.9]])
    assert evaluate(PointMetric(), [*FOUND, unlabelled, FOUND[0], FOUND[0]]) == measures
    assert any('2 videos came more than once' in message for message in messages)
    assert any('1 of 3 videos' in message for message in messages)
    assert evaluate(PointMetric(), [unlabelled]) == {}


def test_a_test_writes_the_detections_once(tmp_path):
    """ResultFileHook gives the file to TALMetric, or to PointMetric if there is no TALMetric."""
    for metrics, chosen in (([PointMetric()], 0), ([PointMetric(), TALMetric()], 1)):
        evaluator = SimpleNamespace(metrics=metrics)
        runner = SimpleNamespace(work_dir=tmp_path, test_loop=SimpleNamespace(evaluator=evaluator))
        ResultFileHook().before_test(runner)
        file = str(tmp_path / 'results.json')
        assert [metric.result_file for metric in metrics] == [
            file if i == chosen else None for i in range(len(metrics))
        ]
    measures = evaluate(PointMetric(result_file=tmp_path / 'results.json'), FOUND)
    assert read_json(tmp_path / 'results.json')['evaluation']['metrics'] == measures
    assert {video: len(found['scores']) for video, found in read_results(tmp_path / 'results.json').items()} == {
        found.video_id: len(found.pred_segments.scores) for found in FOUND
    }


def test_segments_are_never_read():
    class Unreadable:
        def __array__(self, *args, **kwargs):
            raise AssertionError('segments were read')

        __len__ = __array__

    hidden = dict.fromkeys(('gt_segments_sec', 'gt_segment_labels', 'ambiguous_sec'), Unreadable())
    samples = [sample('a', points=[[5, 0, 0]], found=[[3, 7, 0, 0.75], [9, 12, 0, 0.9]], **hidden)]
    assert evaluate(PointMetric(), samples) == {'point/mAP': 0.5, 'point/recall': 1}


def test_what_the_metric_lacks_is_named():
    bare = sample('a').to_dict()
    del bare['gt_point_sec']
    with refused('video a: gt_point_sec'):
        PointMetric().process(None, [bare])
    metric = PointMetric()
    metric.process(None, [sample('a').to_dict()])
    with refused('classes'):
        metric.evaluate(1)


def test_a_dataset_without_segments_gives_the_same(tmp_path):
    (tmp_path / 'features').mkdir()
    np.save(tmp_path / 'features/a.npy', np.zeros((10, 3)))
    segments = [(2, 3, 'Diving'), (6, 9, 'Shotput')]
    for given in (segments, []):
        video = plain_video(given, [(2.5, 'Diving'), (7.5, 'Diving')], duration_sec=10.0)
        write_plain(tmp_path / 'ann.json', CLASSES, dict(a=video))
        dataset = PointTALDataset(
            ann_file='ann.json',
            data_root=str(tmp_path),
            grid=dict(snippet_sec=1.0),
            test_mode=True,
            pipeline=[dict(type='LoadSnippetFeatures'), dict(type='PointsToSnippets'), dict(type='PackPointTALInputs')],
        )
        data_sample = dataset[0]['data_samples']
        data_sample.pred_segments = sample('a', found=[[1, 4, 0, 0.5]]).pred_segments
        assert len(data_sample.gt_segments_sec) == len(given)
        # One of two points is found.
        assert evaluate(PointMetric(), [data_sample]) == {'point/mAP': 0.5, 'point/recall': 0.5}
