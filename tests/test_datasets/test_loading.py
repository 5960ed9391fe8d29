"""Reading of feature files; tests of damaged and hostile files are in tests/robustness."""

import h5py
import numpy as np
import pytest
from feature_files import load_features, write_features
from refusals import refused

from fsptal_mm.datasets import LoadSnippetFeatures

FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.mark.parametrize('suffix', ['.npy', '.npz', '.csv', '.h5', '.hdf5'])
@pytest.mark.parametrize('backend_args', [None, dict(backend='local')])
def test_every_format(tmp_path, suffix, backend_args):
    results = load_features(write_features(tmp_path / f'v1{suffix}', FEATURES), backend_args=backend_args)
    np.testing.assert_array_equal(results['features'], FEATURES)
    assert results['features'].dtype == np.float32


@pytest.mark.parametrize('dtype', [np.float16, np.float64, np.int32, np.uint8])
def test_every_number_type_becomes_float32(tmp_path, dtype):
    results = load_features(write_features(tmp_path / 'v1.npy', FEATURES.astype(dtype)), duration_sec=None)
    assert results['features'].dtype == np.float32
    np.testing.assert_array_equal(results['features'], FEATURES)
    assert results['duration_sec'] == 2.0  # an unknown duration becomes that of the features


def test_streams_are_joined_in_order_and_cut_to_the_shorter(tmp_path):
    rgb, flow = write_features(tmp_path / 'rgb.npy', FEATURES), write_features(tmp_path / 'flow.npy', -FEATURES[:3])
    np.testing.assert_array_equal(load_features(rgb, flow)['features'], np.hstack([FEATURES[:3], -FEATURES[:3]]))
    with refused('found [4, 2]'):
        load_features(rgb, write_features(tmp_path / 'flow.npy', FEATURES[:2]))


def test_one_file_for_all_videos_and_a_named_array(tmp_path):
    with h5py.File(tmp_path / 'all.h5', 'w') as file:
        file['v0'], file['v1'] = FEATURES * 0, FEATURES
    np.testing.assert_array_equal(load_features(tmp_path / 'all.h5')['features'], FEATURES)
    path = tmp_path / 'v1.npz'
    np.savez(path, rgb=FEATURES, flow=-FEATURES)
    np.testing.assert_array_equal(load_features(path, key='flow')['features'], -FEATURES)
    for key in (None, 'depth'):
        with refused("found ['rgb', 'flow']"):
            load_features(path, key=key)


@pytest.mark.parametrize(
    'array, named',
    [
        (None, 'no such file'),
        (FEATURES[:, 0], 'shape (4,)'),
        (FEATURES[:0], 'at least one snippet'),
        (np.where(FEATURES == 7, np.nan, FEATURES), 'snippet 2'),
        (np.where(FEATURES == 4, np.inf, FEATURES), 'snippet 1'),
    ],
)
def test_arrays_that_are_no_features_are_named(tmp_path, array, named):
    path = tmp_path / 'v1.npy'
    if array is not None:
        np.save(path, array)
    with refused(f'{path}: video v1', named):
        load_features(path)


def test_unknown_suffix(tmp_path):
    (tmp_path / 'v1.txt').write_text('1 2')
    with refused("suffix: found '.txt'"):
        load_features(tmp_path / 'v1.txt')


def test_length_against_duration_and_grid(tmp_path):
    path = write_features(tmp_path / 'v1.npy', FEATURES)
    # 4.8 and 3.2 snippets: extractors drop the last, incomplete snippet, or complete it.
    for duration_sec in (2.4, 1.6):
        assert len(load_features(path, duration_sec=duration_sec)['features']) == 4
    for duration_sec in (6.0, 0.6):  # 12 or 1.2 snippets, so the features have another grid
        with refused('found 4'):
            load_features(path, duration_sec=duration_sec)


def test_lengths_that_are_slightly_off_are_said_once(tmp_path, monkeypatch):
    path, transform, said = write_features(tmp_path / 'v1.npy', np.zeros((50, 3))), LoadSnippetFeatures(), []
    monkeypatch.setattr('fsptal_mm.datasets.transforms.loading.print_log', lambda message, *_: said.append(message))
    for _ in range(3):
        load_features(path, duration_sec=26.5, transform=transform)
    (message,) = said
    assert 'found 50' in message
    assert '53.0' in message
