import numpy as np
import pytest

from fsptal_mm.engine.pseudo_segment_mining import find_pseudo_segments
from fsptal_mm.engine.pseudo_segments import (
    PseudoSegmentRules,
    fill_missed,
    free_room,
    segment_quality,
    select_pseudo_segments,
    usual_segments,
)
from fsptal_mm.structures import Instances, SnippetGrid
from fsptal_mm.utils.errors import InputError


def points(times, labels):
    return Instances.from_videos([np.repeat(np.array(times, dtype=float)[:, None], 2, axis=1)], [labels])


def found(*rows):
    """Rows of start, end, class, score, in one video."""
    start, end, labels, scores = np.array(rows, dtype=float).T
    return Instances.from_videos([np.stack([start, end], 1)], [labels], [scores])


@pytest.mark.parametrize(
    'rows, segments, missed, reason',
    [
        ([(4, 6, 0, 0.5), (3, 8, 0, 0.9)], [[3, 8]], [1], 'the best one that covers the point'),
        ([(3, 25, 0, 0.9), (4, 6, 0, 0.5)], [[4, 6]], [1], 'one that covers two points counts for neither'),
        ([(4, 6, 1, 0.9)], [], [0, 1], 'another class'),
        ([(6, 8, 0, 0.9)], [], [0, 1], 'no point inside'),
        ([(19, 21, 0, 0.2), (4, 6, 0, 0.3)], [[4, 6]], [1], 'too little confidence'),
        ([(19, 21, 0, 0.9), (4, 6, 0, 0.3)], [[4, 6], [19, 21]], [], 'in the order of the points'),
    ],
)
def test_selection(rows, segments, missed, reason):
    pseudo = select_pseudo_segments(points([5, 20], [0, 0]), found(*rows), min_score=0.25)
    assert pseudo.segments.segments.tolist() == segments, reason
    assert pseudo.missed.tolist() == missed


def test_missed_instances_get_segments_of_usual_length_that_end_half_way():
    labelled = points([5, 8, 90, 50], [0, 0, 0, 1])
    pseudo = select_pseudo_segments(labelled, found((0, 6, 0, 0.9)))
    filled = fill_missed(pseudo, labelled, usual_segments(pseudo, labelled, free_room(labelled, [91.0])))
    # Segments of length 6 around the points 8, 90 and 50. The first is cut half-way between 5 and 8, the second at the
    # end of the video, 91. The third is not cut. Its class has no segment, so the length comes from the other class.
    assert filled.segments.segments.tolist() == [[0, 6], [6.5, 11], [87, 91], [47, 53]]
    assert filled.segments.labels.tolist() == [0, 0, 0, 1]
    assert filled.missed.tolist() == [1, 2, 3]


OFF = dict(cut=False, blend=0.0, widen=1.0, narrow_snippets=0.0, point_spread=None, fill=False)


@pytest.mark.parametrize(
    'rules, segments, reason',
    [
        (dict(), [[2, 16], [18, 22]], 'detections as they are'),
        (dict(cut=True), [[2, 12.5], [18, 22]], 'half-way from 5 to 20'),
        # The median of the lengths 14 and 4 is 9. The middles of the segments, 9 and 20, stay.
        (dict(blend=0.5), [[3.25, 14.75], [16.75, 23.25]], 'half-way to the median length'),
        # After the cut, the lengths are 10.5 and 4, with the median 7.25.
        (dict(cut=True, blend=1.0), [[3.625, 10.875], [16.375, 23.625]], 'the median length itself'),
        (dict(widen=1.5), [[0, 19.5], [17, 23]], 'half as long again, but not before the start of the video'),
        (dict(widen=1.5, cut=True), [[0, 12.5], [17, 23]], 'nor further than half-way to the next point'),
        (dict(narrow_snippets=3), [[3.5, 14.5], [19, 21]], '1.5 s shorter on both sides, but at least half as long'),
        (dict(narrow_snippets=6), [[5, 13], [19, 21]], 'as short as half'),
        (dict(min_score=0.8), [[2, 16]], 'too little confidence'),
        (dict(min_score=0.8, fill=True), [[2, 16], [13, 27]], 'as long as the one that was found'),
    ],
)
def test_rules(rules, segments, reason):
    det = found((2, 16, 0, 0.9), (18, 22, 0, 0.7))
    pseudo = PseudoSegmentRules(**OFF | rules)(points([5, 20], [0, 0]), det, [100.0], snippet_sec=[1.0])
    np.testing.assert_allclose(pseudo.segments.segments, segments, err_msg=reason)


@pytest.mark.parametrize(
    'spread, moves, reason',
    [
        (0.0, [2, -2], 'points in the middle: all the way to them'),
        (0.1, [1.5, -1.5], 'half as far spread as their places are: a quarter of the way is due to the points'),
        (0.2, [0, 0], 'as far spread as their places are'),
        (0.3, [0, 0], 'further'),
        (None, [0, 0], 'not asked for'),
    ],
)
def test_segments_move_to_their_points_as_far_as_these_lie_in_the_middle(spread, moves, reason):
    # The points lie at .7 and .3 of their segments: the mean place is .5, and the standard deviation .2.
    det = found((0, 10, 0, 0.9), (50, 60, 0, 0.7))
    pseudo = PseudoSegmentRules(**OFF | dict(point_spread=spread))(points([7, 53], [0, 0]), det, [100.0])
    expected = np.array([[0, 10], [50, 60]]) + np.array(moves)[:, None]
    np.testing.assert_allclose(pseudo.segments.segments, np.clip(expected, 0, None), atol=1e-12, err_msg=reason)


def test_points_that_are_early_in_all_actions_do_not_move_segments_forwards():
    # The points are early, at .1 and .3 of their segments. The mean place is .2, so each segment moves by a tenth of
    # its length.
    det = found((10, 20, 0, 0.9), (50, 60, 0, 0.7))
    pseudo = PseudoSegmentRules(**OFF | dict(point_spread=0.0))(points([11, 53], [0, 0]), det, [100.0])
    np.testing.assert_allclose(pseudo.segments.segments, [[9, 19], [51, 61]])


def test_rules_find_actions_better_than_detections_that_blur_them():
    rng = np.random.default_rng(0)
    length = np.exp(rng.normal(1.0, 0.7, 200))
    start = 30.0 * np.arange(200) + 10
    gt = np.stack([start, start + length], 1)
    blurred = (length + 0.4) / 1.15  # too long for short actions, too short for long ones
    middle = gt.mean(1) + 0.1 * length * rng.standard_normal(200)
    det = np.stack([middle - blurred / 2, middle + blurred / 2], 1)
    point = (gt.mean(1) + 0.02 * length * rng.standard_normal(200)).clip(det[:, 0], det[:, 1])
    labels = np.arange(200) % 4
    det = Instances.from_videos([det], [labels], [np.ones(200)])
    rules = PseudoSegmentRules(point_spread=0.02, blend=0.0)
    pseudo = rules(points(point, labels), det, [6100.0], snippet_sec=[0.8])
    gt = Instances.from_videos([gt], [labels])
    assert segment_quality(det, gt) < 0.85 < 0.95 < segment_quality(pseudo.segments, gt)


def test_each_video_has_snippets_of_its_own_length():
    def video(snippet_sec):
        return dict(
            detections=Instances.of_video(np.array([[2.0, 16.0]]), np.array([0]), np.array([0.9])),
            points=Instances.of_video(np.array([[5.0, 5.0]]), np.array([0])),
            duration_sec=100.0,
            background_sec=np.empty(0),
            grid=SnippetGrid(snippet_sec),
        )

    rules = PseudoSegmentRules(**OFF | dict(change_points=0.0, narrow_snippets=2))
    pseudo = find_pseudo_segments([video(1.0), video(0.5)], rules)
    np.testing.assert_allclose(pseudo.segments.segments, [[3, 15], [2.5, 15.5]])


def test_segments_end_at_background_points():
    pseudo = PseudoSegmentRules(cut=True, blend=0.0)(points([5], [0]), found((0, 9, 0, 0.9)), [100.0], [[2.0, 8.0, 50]])
    assert pseudo.segments.segments.tolist() == [[2, 8]]


def test_nothing_found_gives_nothing():
    labelled = points([5, 20], [0, 1])
    pseudo = PseudoSegmentRules()(labelled, Instances.from_videos([[]], [[]], [[]]), [100.0])
    assert len(pseudo.segments) == 0
    assert pseudo.missed.tolist() == [0, 1]
    assert segment_quality(pseudo.segments, labelled) is None


def test_weights_go_by_the_rank_within_a_class():
    det = found((0, 10, 0, 0.9), (11, 30, 0, 0.2), (30, 45, 0, 0.4), (46, 60, 1, 0.1))
    rules = PseudoSegmentRules(**OFF | dict(confidence=True))
    pseudo = rules(points([5, 20, 40, 50], [0, 0, 0, 1]), det, [100.0])
    assert rules.weights(pseudo).tolist() == [1.5, 0.5, 1.0, 0.5]
    assert PseudoSegmentRules().weights(pseudo).tolist() == [1.0] * 4


def test_quality_is_the_mean_tiou_with_the_best_of_the_class():
    segments, gt = found((0, 10, 0, 1), (20, 30, 1, 1)), found((0, 5, 0, 1), (5, 6, 0, 1), (20, 30, 0, 1))
    assert segment_quality(segments, gt) == pytest.approx((0.5 + 0) / 2)


@pytest.mark.parametrize(
    'rules',
    [
        dict(blend=2),
        dict(cut='yes'),
        dict(unknown=1),
        dict(widen=0),
        dict(narrow_snippets=-1),
        dict(point_spread=-0.1),
    ],
)
def test_wrong_rules(rules):
    with pytest.raises(InputError, match='pseudo_segments'):
        PseudoSegmentRules.from_config(rules)
