import h5py
import numpy as np
import pytest

from fsptal_mm.datasets import LoadSnippetFeatures
from fsptal_mm.structures import SnippetGrid
from fsptal_mm.utils.errors import InputError

FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3)


def load(*paths, duration_sec=2.0, **kwargs):
    results = dict(
        video_id='v1', feature_paths=[str(path) for path in paths], grid=SnippetGrid(0.5), duration_sec=duration_sec
    )
    return LoadSnippetFeatures(**kwargs).transform(results)


def write(path, array, name='v1'):
    if path.suffix == '.npy':
        np.save(path, array)
    elif path.suffix == '.npz':
        np.savez(path, **{name: array})
    elif path.suffix == '.csv':
        np.savetxt(path, array, delimiter=',', header='a,b,c', comments='')
    else:
        with h5py.File(path, 'w') as file:
            file[name] = array
    return path


@pytest.mark.parametrize('suffix', ['.npy', '.npz', '.csv', '.h5', '.hdf5'])
@pytest.mark.parametrize('backend_args', [None, dict(backend='local')])
def test_every_format(tmp_path, suffix, backend_args):
    results = load(write(tmp_path / f'v1{suffix}', FEATURES), backend_args=backend_args)
    np.testing.assert_array_equal(results['features'], FEATURES)
    assert results['features'].dtype == np.float32


@pytest.mark.parametrize('dtype', [np.float16, np.float64, np.int32, np.uint8])
def test_every_number_type_becomes_float32(tmp_path, dtype):
    results = load(write(tmp_path / 'v1.npy', FEATURES.astype(dtype)))
    assert results['features'].dtype == np.float32
    np.testing.assert_array_equal(results['features'], FEATURES)


def test_streams_are_joined_in_order_and_cut_to_the_shorter(tmp_path):
    rgb, flow = write(tmp_path / 'rgb.npy', FEATURES), write(tmp_path / 'flow.npy', -FEATURES[:3])
    np.testing.assert_array_equal(load(rgb, flow)['features'], np.hstack([FEATURES[:3], -FEATURES[:3]]))


def test_one_file_for_all_videos_and_a_named_array(tmp_path):
    with h5py.File(tmp_path / 'all.h5', 'w') as file:
        file['v0'], file['v1'] = FEATURES * 0, FEATURES
    np.testing.assert_array_equal(load(tmp_path / 'all.h5')['features'], FEATURES)
    np.savez(tmp_path / 'v1.npz', rgb=FEATURES, flow=-FEATURES)
    np.testing.assert_array_equal(load(tmp_path / 'v1.npz', key='flow')['features'], -FEATURES)


def test_unknown_duration_is_that_of_the_features(tmp_path):
    assert load(write(tmp_path / 'v1.npy', FEATURES), duration_sec=None)['duration_sec'] == 2.0


@pytest.mark.parametrize(
    'array, says',
    [
        (None, 'no such file'),
        (FEATURES[:, 0], r'shape \(4,\)'),
        (FEATURES[:0], 'at least one snippet'),
        (np.where(FEATURES == 7, np.nan, FEATURES), 'NaN or Inf in snippet 2'),
        (np.where(FEATURES == 4, np.inf, FEATURES), 'NaN or Inf in snippet 1'),
    ],
)
def test_arrays_that_are_no_features_are_named(tmp_path, array, says):
    """Damaged and hostile files are in tests/robustness."""
    path = tmp_path / 'v1.npy'
    if array is not None:
        np.save(path, array)
    with pytest.raises(InputError, match=says) as error:
        load(path)
    assert str(path) in str(error.value)
    assert 'video v1' in str(error.value)


@pytest.mark.parametrize(
    'names, key, says', [(['rgb', 'flow'], None, r"found \['rgb', 'flow'\]"), (['rgb'], 'flow', r"found \['rgb'\]")]
)
def test_an_array_that_cannot_be_told_is_an_error(tmp_path, names, key, says):
    np.savez(tmp_path / 'v1.npz', **dict.fromkeys(names, FEATURES))
    with pytest.raises(InputError, match=says):
        load(tmp_path / 'v1.npz', key=key)


def test_unknown_suffix(tmp_path):
    (tmp_path / 'v1.txt').write_text('1 2')
    with pytest.raises(InputError, match=r"suffix: found '\.txt'"):
        load(tmp_path / 'v1.txt')


def test_streams_of_different_lengths_are_an_error(tmp_path):
    rgb, flow = write(tmp_path / 'rgb.npy', FEATURES), write(tmp_path / 'flow.npy', FEATURES[:2])
    with pytest.raises(InputError, match=r'found \[4, 2\]'):
        load(rgb, flow)


@pytest.mark.parametrize(
    'duration_sec, outcome, reason',
    [
        (2.4, 'silent', '4.8 snippets: extractors drop the last, incomplete one'),
        (1.6, 'silent', '3.2 snippets: or complete it'),
        (6.0, 'error', '12 snippets expected, 4 found: another grid'),
        (0.6, 'error', '1.2 expected'),
    ],
)
def test_length_against_duration_and_grid(tmp_path, duration_sec, outcome, reason):
    path = write(tmp_path / 'v1.npy', FEATURES)
    if outcome == 'silent':
        load(path, duration_sec=duration_sec)
    else:
        with pytest.raises(InputError, match='found 4'):
            load(path, duration_sec=duration_sec)


def test_slightly_wrong_lengths_are_said_once(tmp_path, monkeypatch):
    path = write(tmp_path / 'v1.npy', np.zeros((50, 3)))
    transform = LoadSnippetFeatures()
    said = []
    monkeypatch.setattr('fsptal_mm.datasets.transforms.loading.print_log', lambda message, *_: said.append(message))
    for _ in range(3):  # 53 snippets expected, 50 found
        transform.transform(dict(video_id='v1', feature_paths=[str(path)], grid=SnippetGrid(0.5), duration_sec=26.5))
    assert len(said) == 1
    assert 'found 50, expected about 53.0' in said[0]
