from dataclasses import replace

import numpy as np
import pytest
from refusals import refused

from fsptal_mm.datasets.annotations.records import Annotations, VideoRecord
from fsptal_mm.datasets.synthetic.features import SyntheticParams, make_features
from fsptal_mm.datasets.synthetic.generator import draw_annotations

# No noise, no scene, no background pieces.
QUIET = SyntheticParams(
    context_strength=0, slow_noise=0, fast_noise=0, white_noise=0, snippets_per_piece=1e9, boundary_jitter=0
)


@pytest.fixture(scope='module')
def embedded():
    """Annotations of the generated dataset with its default parameters."""
    return draw_annotations(SyntheticParams())


def features_of(segments, labels=(), params=QUIET, duration_sec=64.0):
    """Features of one video of three classes."""
    record = VideoRecord.unlabelled('video', duration_sec)
    record.segments_sec = np.array(segments, dtype=float).reshape(-1, 2)
    record.segment_labels = np.array(labels, dtype=int)
    ((_, features),) = make_features(Annotations(('first', 'second', 'third'), {'video': record}), params)
    return features


def test_features_depend_on_the_video_alone(embedded):
    def some(params, *ids):
        videos = {video_id: embedded.videos[video_id] for video_id in ids}
        return dict(make_features(Annotations(embedded.classes, videos), params))

    params, ids = SyntheticParams(dim=8, latent_dim=6), list(embedded.videos)[:6]
    together, alone = some(params, *ids), some(params, ids[4], ids[1])
    for video_id, features in alone.items():
        assert features.dtype == np.float16
        np.testing.assert_array_equal(features, together[video_id])
    assert not np.array_equal(together[ids[0]][:20], together[ids[1]][:20])
    assert not np.array_equal(some(replace(params, seed=1), ids[4])[ids[4]], together[ids[4]])
    for dim in (1, 64, 300):
        features = some(SyntheticParams(dim=dim), ids[0])[ids[0]]
        assert features.shape == (int(embedded.videos[ids[0]].duration_sec / 0.64), dim)
        assert features.min() >= 0  # as after a ReLU


def test_an_instance_shows_in_its_snippets_and_nowhere_else():
    # The instance covers snippets 10 to 20 of 100. Its soft ends reach 0.15 / 2 of its 10 snippets beyond it.
    energy = features_of([[6.4, 12.8]], [2]).astype(float).sum(1)
    assert np.flatnonzero(energy).tolist() == list(range(9, 21))
    assert energy[9] < 0.3 * energy[10:20].min()
    assert energy[20] < 0.3 * energy[10:20].min()


def test_an_instance_shorter_than_a_snippet_shows_in_part():
    # One instance covers half of snippet 10, the other one all of it. Features above 0 are linear in the strength.
    plain = replace(QUIET, style_strength=0, instance_strength=(1, 1), phase_constancy=1)
    part, whole = features_of([[6.56, 6.88]], [0], plain), features_of([[5.12, 8.32]], [0], plain)
    assert np.flatnonzero(part.sum(1)).tolist() == [10]
    np.testing.assert_allclose(part[10].astype(float), 0.5 * whole[10], atol=0.01)


def test_background_pieces_stay_out_of_instances():
    pieces = replace(QUIET, action_strength=1.0, snippets_per_piece=2.0, style_strength=0)
    segments, inside = [[6.4, 12.8], [32.0, 38.4]], [*range(10, 20), *range(50, 60)]
    with_pieces = features_of(segments, [0, 1], pieces)
    without = features_of(segments, [0, 1], replace(pieces, snippets_per_piece=1e9))
    np.testing.assert_array_equal(with_pieces[inside], without[inside])
    assert np.count_nonzero(with_pieces.sum(1)) > 40  # 50 pieces of about 7 snippets cover most of the other 80


@pytest.mark.parametrize(
    'segments, labels, duration_sec, num_snippets',
    [
        ([], [], 64.0, 100),  # a video of background
        ([[0.0, 0.1]], [1], 0.3, 1),  # shorter than one snippet
        ([[60.0, 64.5]], [1], 64.5, 100),  # an instance in the part of a snippet that is left over at the end
        ([[1.0, 1.0]], [1], 7.04, 11),  # 7.04 is not exactly 11 * 0.64; the instance has no length
    ],
)
def test_odd_videos(segments, labels, duration_sec, num_snippets):
    features = features_of(segments, labels, SyntheticParams(dim=8), duration_sec)
    assert features.shape == (num_snippets, 8)
    assert np.isfinite(features).all()


@pytest.mark.parametrize(
    'field, value',
    [
        ('dim', 0),  # no feature at all
        ('dim', 2.5),  # not an integer
        ('white_noise', -1),
        ('white_noise', float('nan')),
        ('white_noise', '1'),
        ('own_pieces', 1.5),  # a share is at most 1
        ('seed', -1),
        ('instance_strength', (-1, 1)),
        ('instance_strength', (1.3, 0.6)),  # reversed
    ],
)
def test_bad_parameters_are_named(field, value):
    with refused(field):
        SyntheticParams(**{field: value})


def test_a_video_needs_a_duration():
    with refused('video video: duration_sec'):
        features_of([], [], duration_sec=None)
