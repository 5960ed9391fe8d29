import numpy as np
import pytest

from fsptal_mm.models.task_modules import DynamicSegmentSampler, SegmentView, TimeWarp, WarpedGrid
from fsptal_mm.models.task_modules.dynamic_sampling import without_inner
from fsptal_mm.structures import SegmentBatch, SnippetGrid
from fsptal_mm.utils.errors import InputError


def proposals(*rows):
    """Proposals of one video, from rows of start, end, label and score."""
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4)
    return SegmentBatch.of_video(columns[:, :2], columns[:, 2].astype(int), columns[:, 3])


def weights(sampler, batch, length):
    return sampler.weights(batch.segments.numpy().astype(float), batch.labels.numpy(), batch.scores.numpy(), length)


def test_trusted_short_proposals_are_stretched():
    # The scores of class 0 are .6 and .4. The first one is within .7 of their sum, both together are not, so [4, 6)
    # alone is trusted. Widened by half its length on each side, it is [3, 7), and its four snippets become gamma (2
    # delta + 1) = 8, two for each. The single proposal of class 1 exceeds .7 of its own score: it is not trusted.
    batch = proposals((4, 6, 0, 0.6), (12, 14, 0, 0.4), (16, 18, 1, 0.9))
    found = weights(DynamicSegmentSampler(min_snippets=4), batch, 20)
    assert found.tolist() == [1.0] * 3 + [2.0] * 4 + [1.0] * 13


def test_the_best_proposal_of_a_class_may_always_be_trusted():
    # As above, but the only proposal of class 1 is stretched, too: [16, 18), widened to [15, 19). Of class 2 the best
    # has .8 of the sum: [9, 10), widened to [8.5, 10.5) and rounded to [8, 10), two snippets that become eight.
    batch = proposals((4, 6, 0, 0.6), (12, 14, 0, 0.4), (16, 18, 1, 0.9), (9, 10, 2, 0.8), (1, 2, 2, 0.2))
    found = weights(DynamicSegmentSampler(min_snippets=4, trust_best=True), batch, 20)
    assert found.tolist() == [1.0] * 3 + [2.0] * 4 + [1.0] + [4.0] * 2 + [1.0] * 5 + [2.0] * 4 + [1.0]


def test_long_proposals_are_not_stretched():
    batch = proposals((0, 10, 0, 0.6), (12, 14, 0, 0.4))
    assert (weights(DynamicSegmentSampler(min_snippets=4), batch, 20) == 1).all()


def test_a_stretched_run_becomes_a_whole_number_of_snippets():
    # [4, 7) is widened to [2.5, 8.5), rounded to even numbers [2, 8): six snippets with the weight 7 * 2 / 6, 14 in
    # all. [9, 10) of class 1 is widened to [8.5, 10.5), rounded to [8, 10): two snippets with the weight 7. Both touch,
    # so they are one run of 28.
    batch = proposals((4, 7, 0, 0.6), (4, 7, 0, 0.5), (9, 10, 1, 0.6), (9, 10, 1, 0.5))
    found = weights(DynamicSegmentSampler(min_snippets=7), batch, 20)
    assert found[2:8].sum() + found[8:10].sum() == pytest.approx(28)
    # [5, 6) is widened and rounded to [4, 6), with the weight 7.
    batch = proposals((4, 7, 0, 0.6), (4, 7, 0, 0.5), (5, 6, 1, 0.6), (5, 6, 1, 0.5))
    found = weights(DynamicSegmentSampler(min_snippets=7), batch, 20)
    total = 4 * 14 / 6 + 2 * 7  # 23.3
    np.testing.assert_allclose(found[2:8], np.array([14 / 6, 14 / 6, 7, 7, 14 / 6, 14 / 6]) * 23 / total)


def test_places_go_there_and_back():
    warp = TimeWarp(np.array([0.0, 1, 2, 4, 6, 7]))  # snippets 2 and 3 are sampled twice
    assert warp.num_snippets == 7
    np.testing.assert_allclose(warp.to_new([0, 2, 2.5, 4, 5]), [0, 2, 3, 6, 7])
    np.testing.assert_allclose(warp.to_old([0, 2, 3, 6, 7]), [0, 2, 2.5, 4, 5])
    # Positions of the centres: new snippet 2 is the first half of snippet 2, so its centre is a quarter earlier.
    np.testing.assert_allclose(warp.positions, [0, 1, 1.75, 2.25, 2.75, 3.25, 4])
    np.testing.assert_allclose(WarpedGrid(SnippetGrid(0.5, 1.0), warp).to_sec([0, 3, 7]), [1, 2.25, 3.5])


def test_right_ends_are_those_of_the_public_code():
    warp = TimeWarp(np.array([0.0, 1, 2, 4, 6, 7]), right_ends=True)
    # The position of a new snippet is its right end minus 1, so the second half of snippet 2 has the position 2.
    np.testing.assert_allclose(warp.positions, [0, 1, 1.5, 2, 2.5, 3, 4])
    np.testing.assert_allclose(warp.to_new([0, 1, 2, 4, 5]), [0, 1, 3, 6, 7])


def test_a_video_without_stretch_stays_as_it_is():
    warp = TimeWarp(np.arange(6.0))
    np.testing.assert_allclose(warp.positions, np.arange(5))
    one = TimeWarp(np.arange(2.0))
    assert one.positions.tolist() == [0.0]


def test_views_hold_labels_and_widened_ranges():
    batch = proposals((4, 8, 0, 0.6), (5, 7, 1, 0.4), (12, 16, 1, 0.3))
    view = DynamicSegmentSampler(min_snippets=1, widening=0.25)(batch, 20, 3)
    assert isinstance(view, SegmentView)
    assert [np.flatnonzero(own).tolist() for own in view.labels.T] == [[4, 5, 6, 7], [5, 6, 12, 13, 14, 15], []]
    assert view.ranges.tolist() == [[3, 9], [11, 17]]  # the proposal inside another one is left out


def test_public_rounding_adds_a_snippet():
    batch = proposals((4, 8, 0, 0.6), (5, 7, 1, 0.4))
    view = DynamicSegmentSampler(min_snippets=1, widening=0, public_rounding=True)(batch, 20, 2)
    assert np.flatnonzero(view.labels[:, 0]).tolist() == [4, 5, 6, 7, 8]
    assert view.ranges.tolist() == [[4, 9]]


def test_a_video_without_proposals():
    view = DynamicSegmentSampler()(proposals(), 7, 2)
    assert view.warp.num_snippets == 7
    assert not view.labels.any()
    assert view.ranges.shape == (0, 2)


def test_segments_inside_others_are_left_out():
    rows = np.array([[5, 7], [0, 9], [8, 12], [0, 4], [0, 9], [8, 10]], dtype=float)
    assert without_inner(rows).tolist() == [[0, 9], [8, 12]]


@pytest.mark.parametrize(
    'field, options',
    [
        ('trusted_share', dict(trusted_share=1.5)),
        ('min_snippets', dict(min_snippets=0)),
        ('widening', dict(widening=-1)),
        ('public_rounding', dict(public_rounding='no')),
        ('trust_best', dict(trust_best=1)),
    ],
)
def test_bad_settings_are_refused(field, options):
    with pytest.raises(InputError, match=field):
        DynamicSegmentSampler(**options)
