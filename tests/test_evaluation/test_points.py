import numpy as np
import pytest

from fsptal_mm.evaluation.functional import point_average_precision, point_extents
from fsptal_mm.structures import Instances


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
        # Hits: no, yes.
        ([5], [[20, 30], [0, 10]], 1 / 2, 1, 'a better scored detection of nothing'),
        # Hits: yes, no, yes: precision 1 and 2/3, each worth half the recall.
        ([5, 25], [[0, 10], [1, 9], [20, 30]], 5 / 6, 1, 'a point is found once'),
        ([5, 25], [[0, 30]], 0, 0, 'a detection of two actions at once finds neither'),
        # The joined detection takes nothing away from those that follow: hits no, yes, yes; the envelope is 2/3.
        ([5, 25], [[0, 30], [0, 10], [20, 30]], 2 / 3, 1, 'a joined detection takes no point'),
        # Both lie on the same point; the second one can not take that of the first.
        ([5, 25], [[0, 10], [4, 11]], 1 / 2, 1 / 2, 'a duplicate does not find the other point'),
    ],
)
def test_detections_against_points(times, segments, ap, recall, reason):
    result = point_average_precision(labelled(times), found(segments), 1)
    assert np.allclose(result, [[ap], [recall]]), reason


def test_classes_are_judged_alone():
    # Two classes at one point, and a third point of class 1 inside the detection of class 0.
    points = labelled([5, 5, 8], [0, 1, 1])
    ap, recall = point_average_precision(points, found([[0, 10], [3, 6], [7, 9]], [0, 1, 1]), 4)
    assert ap[:2].tolist() == recall[:2].tolist() == [1, 1]
    # Class 1 does not fit where class 0 does: [0, 10] joins its two points. Classes 2 and 3 have no point.
    ap, recall = point_average_precision(points, found([[0, 10], [0, 10], [0, 10]], [0, 1, 2]), 4)
    assert np.array_equal(ap, [1, 0, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(recall, ap, equal_nan=True)


def test_videos_are_judged_alone_and_ranked_together():
    points = labelled([5], videos=2)
    det = Instances.from_videos([[[0, 10]], [[0, 10]]], [[0], [0]], [[0.5], [0.75]])
    ap, recall = point_average_precision(points, det, 1)
    assert ap == [0.5]  # the better scored detection lies in the other video, where there is no point
    assert recall == [1]


def test_an_instance_of_several_points_is_found_whole():
    points = Instances.from_videos([[[4, 8]]], [[0]])
    for segment, hit in (([3, 9], 1), ([3, 6], 0), ([5, 7], 0), ([8, 10], 0), ([0, 3], 0)):
        assert point_average_precision(points, found([segment]), 1)[0] == hit
    # It is touched, though not covered: the detection joins two actions.
    points = Instances.from_videos([[[4, 8], [12, 12]]], [[0, 0]])
    assert point_average_precision(points, found([[7, 13]]), 1)[1] == 0


def test_a_detection_of_no_class_with_points_changes_nothing():
    points = labelled([5])
    with_others = point_average_precision(points, found([[0, 10], [4, 6]], [1, 0]), 2)
    assert with_others[0][0] == point_average_precision(points, found([[4, 6]]), 2)[0][0] == 1


def test_neither_points_nor_detections():
    ap, recall = point_average_precision(labelled([]), found([]), 2)
    assert np.isnan([ap, recall]).all()


def test_many_detections_equal_the_definition():
    """Against a loop over detections."""
    rng = np.random.default_rng(0)
    times = [np.sort(rng.uniform(0, 50, count)) for count in (8, 0, 5)]
    points = Instances.from_videos(
        [np.repeat(part[:, None], 2, 1) for part in times], [np.zeros(len(t)) for t in times]
    )
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
    # Instance 0 of class 1 has two points, which one of class 0 lies between; class 2 shares its number and its time.
    extents = point_extents(np.array([2.0, 3, 5, 5]), np.array([1, 0, 1, 2]), np.array([0, 1, 0, 0]))
    assert extents.segments.tolist() == [[3, 3], [2, 5], [5, 5]]
    assert extents.labels.tolist() == [0, 1, 2]
    assert len(point_extents(*np.zeros((3, 0)))) == 0
