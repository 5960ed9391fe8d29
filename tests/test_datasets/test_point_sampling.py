import numpy as np
import pytest
from refusals import refused

from fsptal_mm.datasets.point_sampling import POINT_STYLES, draw_background, draw_points, video_rng


def test_centre_is_the_middle_and_takes_no_chance():
    rng = np.random.default_rng(0)
    assert draw_points([[2.0, 4.0], [10.0, 11.0]], 'centre', rng).tolist() == [3.0, 10.5]
    assert rng.random() == np.random.default_rng(0).random()
    assert draw_points(np.zeros((0, 2)), 'gaussian', rng).shape == (0,)
    with refused("style: found 'middle'"):
        draw_points([[0, 1]], 'middle', rng)


@pytest.mark.parametrize('style', POINT_STYLES)
def test_points_lie_strictly_inside_and_come_again_with_the_seed(style):
    # A normal distribution of sigma 1/6 lies beyond the ends in 0.27 % of the 20,000 draws, so clipping is needed.
    segments_sec = np.tile([[100.0, 100.5]], (20_000, 1))
    points = draw_points(segments_sec, style, np.random.default_rng(3))
    assert (points.dtype, points.shape) == (np.float64, (20_000,))
    assert points.min() > 100.0
    assert points.max() < 100.5
    assert np.array_equal(points, draw_points(segments_sec, style, np.random.default_rng(3)))


def test_video_rng_depends_on_the_seed_and_the_video_alone():
    assert video_rng(1, 'a').random() == video_rng(1, 'a').random()
    assert len({video_rng(seed, video).random() for seed in (0, 1) for video in 'ab'}) == 4
    for seed in (-1, 0.5, None):
        with refused('seed'):
            video_rng(seed, 'a')


def test_one_click_in_each_stretch_without_an_action():
    # Actions 1-3, 2-5 and 5-6 touch each other, and 8-12 reaches beyond the end. So the gaps are 0-1 and 6-8.
    segments = [[5, 6], [1, 3], [2, 5], [8, 12]]
    for seed in range(50):
        first, second = draw_background(segments, 10.0, np.random.default_rng(seed))
        assert 0 < first < 1
        assert 6 < second < 8
    assert len(draw_background(np.zeros((0, 2)), 10.0, np.random.default_rng(0))) == 0  # nobody said what it shows
    assert len(draw_background([[0, 10]], 10.0, np.random.default_rng(0))) == 0


def test_clicks_lie_anywhere_in_their_gap():
    clicks = np.array([draw_background([[0, 1]], 2.0, video_rng(seed, 'a'))[0] - 1 for seed in range(2000)])
    assert clicks.mean() == pytest.approx(0.5, abs=0.03)
    assert clicks.std() == pytest.approx(0.98 / 12**0.5, rel=0.05)
