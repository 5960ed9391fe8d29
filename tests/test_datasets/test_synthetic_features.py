from dataclasses import replace

import numpy as np
import pytest

from fsptal_mm.datasets.annotations.records import Annotations, VideoRecord, load_annotations
from fsptal_mm.datasets.synthetic.features import SyntheticParams, make_features
from fsptal_mm.datasets.synthetic.generator import draw_annotations, select_videos
from fsptal_mm.utils.errors import InputError


@pytest.fixture(scope='module')
def embedded():
    """The annotations of the embedded set as it is by default."""
    return draw_annotations(SyntheticParams())


def test_features_depend_on_the_video_alone(embedded):
    params = SyntheticParams(dim=8, latent_dim=6)
    ids = list(embedded.videos)[:6]
    together = dict(make_features(Annotations(embedded.classes, {i: embedded.videos[i] for i in ids}), params))
    alone = Annotations(embedded.classes, {i: embedded.videos[i] for i in (ids[4], ids[1])})
    for video_id, features in make_features(alone, params):
        assert features.dtype == np.float16
        np.testing.assert_array_equal(features, together[video_id])
    assert not np.array_equal(together[ids[0]][:20], together[ids[1]][:20])
    (_, other_seed) = next(make_features(alone, replace(params, seed=1)))
    assert not np.array_equal(other_seed, together[ids[4]])


def test_features_have_any_dimension(embedded):
    record = embedded.videos['train_000']
    one = Annotations(embedded.classes, {'train_000': record})
    for dim in (1, 64, 300):
        ((_, features),) = make_features(one, SyntheticParams(dim=dim))
        assert features.shape == (int(record.duration_sec / 0.64), dim)
        assert features.min() >= 0  # after a ReLU


def one_video(segments, labels=(), duration_sec=64.0):
    video = record(segments, labels, duration_sec)
    return Annotations(('first', 'second', 'third'), {'video': video})


def record(segments, labels, duration_sec):
    empty = np.zeros(0)
    return VideoRecord(
        video_id='video',
        subset='train',
        duration_sec=duration_sec,
        fps=None,
        point_sec=empty,
        point_labels=empty.astype(int),
        point_instances=empty.astype(int),
        background_sec=empty,
        segments_sec=np.array(segments, dtype=float).reshape(-1, 2),
        segment_labels=np.array(labels, dtype=int),
        ambiguous_sec=np.zeros((0, 2)),
    )


QUIET = SyntheticParams(
    context_strength=0, slow_noise=0, fast_noise=0, white_noise=0, snippets_per_piece=1e9, boundary_jitter=0
)


def test_an_instance_shows_in_its_snippets_and_nowhere_else():
    # Snippets 10 to 20 of 100, no noise, no scene: soft ends reach 0.15 / 2 of the 10 snippets beyond.
    ((_, features),) = make_features(one_video([[6.4, 12.8]], [2]), QUIET)
    energy = features.astype(float).sum(1)
    assert np.flatnonzero(energy).tolist() == list(range(9, 21))
    assert energy[9] < 0.3 * energy[10:20].min()
    assert energy[20] < 0.3 * energy[10:20].min()


def test_an_instance_shorter_than_a_snippet_shows_in_part():
    # Half of snippet 10 against all of it and its neighbours; features are linear in strength where they are not 0.
    plain = replace(QUIET, style_strength=0, instance_strength=(1, 1), phase_constancy=1)
    ((_, features),) = make_features(one_video([[6.56, 6.88]], [0]), plain)
    ((_, whole),) = make_features(one_video([[5.12, 8.32]], [0]), plain)
    assert np.flatnonzero(features.sum(1)).tolist() == [10]
    np.testing.assert_allclose(features[10].astype(float), 0.5 * whole[10], atol=0.01)


def test_background_pieces_stay_out_of_instances():
    pieces = replace(QUIET, action_strength=1.0, snippets_per_piece=2.0, style_strength=0)
    segments = [[6.4, 12.8], [32.0, 38.4]]
    ((_, with_pieces),) = make_features(one_video(segments, [0, 1]), pieces)
    ((_, without),) = make_features(one_video(segments, [0, 1]), replace(pieces, snippets_per_piece=1e9))
    inside = [*range(10, 20), *range(50, 60)]
    np.testing.assert_array_equal(with_pieces[inside], without[inside])
    assert np.count_nonzero(with_pieces.sum(1)) > 40  # 50 pieces of about 7 snippets cover most of the other 80


@pytest.mark.parametrize(
    'segments, labels, duration_sec, num_snippets',
    [
        ([], [], 64.0, 100),  # a video of background
        ([[0.0, 0.1]], [1], 0.3, 1),  # shorter than one snippet
        ([[60.0, 64.5]], [1], 64.5, 100),  # an instance in the part of a snippet that is left over at the end
        ([[1.0, 1.0]], [1], 7.04, 11),  # 11 * 0.64 in floating point, and an instance without length
    ],
)
def test_odd_videos(segments, labels, duration_sec, num_snippets):
    ((_, features),) = make_features(one_video(segments, labels, duration_sec), SyntheticParams(dim=8))
    assert features.shape == (num_snippets, 8)
    assert np.isfinite(features).all()


def test_a_video_needs_a_duration():
    with pytest.raises(InputError, match='video video: duration_sec'):
        next(make_features(one_video([], [], None), QUIET))


@pytest.mark.parametrize(
    'field, value',
    [
        ('dim', 0),  # no feature at all
        ('dim', 2.5),  # not whole
        ('white_noise', -1),
        ('white_noise', float('nan')),
        ('white_noise', '1'),
        ('own_pieces', 1.5),  # a share
        ('seed', -1),
        ('instance_strength', (-1, 1)),
        ('instance_strength', (1.3, 0.6)),  # reversed
    ],
)
def test_wrong_parameters_are_named(field, value):
    with pytest.raises(InputError, match=field):
        SyntheticParams(**{field: value})


def test_features_for_real_annotations(data_root):
    folder = data_root / 'thumos14'
    annotations = load_annotations(folder / 'gt_full.json', split_file=folder / 'split_train.txt')
    small = select_videos(annotations, 30, max_sec=400)
    lengths = []
    for video_id, features in make_features(small, SyntheticParams(dim=16)):
        record = small.videos[video_id]
        lengths.append(len(features))
        assert features.shape == (max(1, int(record.duration_sec / 0.64 + 1e-6)), 16)
        assert np.isfinite(features).all()
    assert len(lengths) == 30
    assert max(lengths) <= 625  # 400 s
