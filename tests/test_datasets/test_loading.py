"""Feature files that are read; damaged and hostile ones are in tests/robustness."""

import h5py
import numpy as np
import pytest
from refusals import refused

from fsptal_mm.datasets import LoadSnippetFeatures
from fsptal_mm.structures import SnippetGrid

FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)


def load(*paths, duration_sec=2.0, transform=None, **kwargs):
    paths = [str(path) for path in paths]
    results = dict(video_id='v1', feature_paths=paths, grid=SnippetGrid(0.5), duration_sec=duration_sec)
    return (transform or LoadSnippetFeatures(**kwargs)).transform(results)


def write(path, array):
    if path.suffix == '.npy':
        np.save(path, array)
    elif path.suffix == '.npz':
        np.savez(path, v1=array)
    elif path.suffix == '.csv':
        np.savetxt(path, array, delimiter=',', header='a,b,c', comments='')
    else:
        with h5py.File(path, 'w') as file:
            file['v1'] = array
    return path


@pytest.mark.parametrize('suffix', ['.npy', '.npz', '.csv', '.h5', '.hdf5'])
@pytest.mark.parametrize('backend_args', [None, dict(backend='local')])
def test_every_format(tmp_path, suffix, backend_args):
    results = load(write(tmp_path / f'v1{suffix}', FEATURES), backend_args=backend_args)
    np.testing.assert_array_equal(results['features'], FEATURES)
    assert results['features'].dtype == np.float32


@pytest.mark.parametrize('dtype', [np.float16, np.float64, np.int32, np.uint8])
def test_every_number_type_becomes_float32(tmp_path, dtype):
    results = load(write(tmp_path / 'v1.npy', FEATURES.astype(dtype)), duration_sec=None)
    assert results['features'].dtype == np.float32
    np.testing.assert_array_equal(results['features'], FEATURES)
    assert results['duration_sec'] == 2.0  # an unknown one is that of the features


def test_streams_are_joined_in_order_and_cut_to_the_shorter(tmp_path):
    rgb, flow = write(tmp_path / 'rgb.npy', FEATURES), write(tmp_path / 'flow.npy', -FEATURES[:3])
    np.testing.assert_array_equal(load(rgb, flow)['features'], np.hstack([FEATURES[:3], -FEATURES[:3]]))
    with refused('found [4, 2]'):
        load(rgb, write(tmp_path / 'flow.npy', FEATURES[:2]))


def test_one_file_for_all_videos_and_a_named_array(tmp_path):
    with h5py.File(tmp_path / 'all.h5', 'w') as file:
        file['v0'], file['v1'] = FEATURES * 0, FEATURES
    np.testing.assert_array_equal(load(tmp_path / 'all.h5')['features'], FEATURES)
    path = tmp_path / 'v1.npz'
    np.savez(path, rgb=FEATURES, flow=-FEATURES)
    np.testing.assert_array_equal(load(path, key='flow')['features'], -FEATURES)
    for key in (None, 'depth'):
        with refused("found ['rgb', 'flow']"):
            load(path, key=key)


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
        load(path)


def test_unknown_suffix(tmp_path):
    (tmp_path / 'v1.txt').write_text('1 2')
    with refused("suffix: found '.txt'"):
        load(tmp_path / 'v1.txt')


def test_length_against_duration_and_grid(tmp_path):
    path = write(tmp_path / 'v1.npy', FEATURES)
    for duration_sec in (2.4, 1.6):  # 4.8 and 3.2 snippets: extractors drop the last, incomplete one, or complete it
        assert len(load(path, duration_sec=duration_sec)['features']) == 4
    for duration_sec in (6.0, 0.6):  # 12 or 1.2 snippets: another grid
        with refused('found 4'):
            load(path, duration_sec=duration_sec)


def test_lengths_that_are_slightly_off_are_said_once(tmp_path, monkeypatch):
    path, transform, said = write(tmp_path / 'v1.npy', np.zeros((50, 3))), LoadSnippetFeatures(), []
    monkeypatch.setattr('fsptal_mm.datasets.transforms.loading.print_log', lambda message, *_: said.append(message))
    for _ in range(3):
        load(path, duration_sec=26.5, transform=transform)
    (message,) = said
    assert 'found 50' in message
    assert '53.0' in message
