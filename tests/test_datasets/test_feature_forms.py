"""Forms of feature files that occur in practice: crops, groups, headers, prefixes, overlapping clips, wrong axes."""

import json

import h5py
import numpy as np
import pytest
from feature_files import load_features, write_features
from plain_files import plain_video, write_plain

from fsptal_mm.apis.inference_inputs import list_inputs
from fsptal_mm.datasets import LoadSnippetFeatures, PointsToSnippets, PointTALDataset
from fsptal_mm.structures import SnippetGrid
from fsptal_mm.utils.errors import InputError

FEATURES = np.arange(12, dtype=np.float32).reshape(4, 3) + 0.5
CROPS = np.stack([FEATURES, FEATURES + 2], axis=1)  # (T, crops, D)


def load(path, **kwargs):
    return load_features(path, **kwargs)['features']


@pytest.mark.parametrize(
    'text, expected',
    [
        pytest.param('0.5,1.5\n2.5,3.5\n', [[0.5, 1.5], [2.5, 3.5]], id='no header'),
        pytest.param('1,2\n3,4\n', [[1, 2], [3, 4]], id='whole numbers'),
        pytest.param('0.5,nanometres\n1,2\n', [[1, 2]], id='a word'),
        pytest.param('# f0,f1\n1,2\n', [[1, 2]], id="numpy's comment"),
        pytest.param('0,1\n5,6\n7,8\n', [[5, 6], [7, 8]], id="pandas' names"),
        pytest.param(',0,1\n0,5,6\n1,7,8\n', [[5, 6], [7, 8]], id="pandas' index"),
        pytest.param('"rgb, a","rgb, b"\n1,2\n', [[1, 2]], id='quoted names'),
        pytest.param('1,2\n,\n3,4\n\n , \n', [[1, 2], [3, 4]], id='emptied rows'),
        pytest.param('\ufeff1,2\r\n3,4\r\n', [[1, 2], [3, 4]], id='byte-order mark'),
        pytest.param('0\n5\n', [[0], [5]], id='one number a row'),
        pytest.param('1,2,3\n4.5,5,6\n', [[4.5, 5, 6]], id='counted columns'),
        pytest.param('1,2,3\n4,5,6\n', [[1, 2, 3], [4, 5, 6]], id='whole numbers that count'),
        pytest.param('a;b\n0,5;-1,25\n1;5e-1\n', [[0.5, -1.25], [1, 0.5]], id='semicolons, commas as decimals'),
        pytest.param('0.5\t1\n2\t3\n', [[0.5, 1], [2, 3]], id='tabs'),
        pytest.param('# a b\n5.0e-01 1\n2   3 \n', [[0.5, 1], [2, 3]], id='spaces'),
        pytest.param('1, 2,\n3, 4,\n', [[1, 2], [3, 4]], id='a comma at the end'),
        pytest.param('"","V1","V2"\n"1",5,6\n"2",7,8\n', [[5, 6], [7, 8]], id="R's index"),
        pytest.param('"V1"\t"V2"\n"1"\t5\t6\n"2"\t7\t8\n', [[5, 6], [7, 8]], id="R's index without a title"),
        pytest.param(',7,3,9\n0,5.5,6,1\n', [[5.5, 6, 1]], id='numbers of chosen columns'),
        pytest.param('# by me\n# f0,f1\n1,2\n3,4\n# end\n', [[1, 2], [3, 4]], id='several comments'),
        pytest.param('1,2\r3,4\r', [[1, 2], [3, 4]], id='line ends of old Macs'),
    ],
)
def test_rows_of_csv(tmp_path, text, expected):
    (tmp_path / 'v1.csv').write_text(text, encoding='utf-8', newline='')
    assert load(tmp_path / 'v1.csv', duration_sec=None).tolist() == expected


def test_a_csv_whose_first_row_is_not_finite_is_no_header(tmp_path):
    (tmp_path / 'v1.csv').write_text('nan,1\n2,3\n')
    with pytest.raises(InputError, match='NaN or Inf in snippet 0'):
        load(tmp_path / 'v1.csv', duration_sec=None)


@pytest.mark.parametrize(
    'text, found',
    [
        ('1,2\n3,4\n5\n', 'snippet 2'),
        ('1,2\n3,\n', "''.*snippet 1"),
        ('0.5,NA,1.5,2\n1,2,3,4\n', "first row .*'NA'"),
        ('0.5,,1.5,2\n1,2,3,4\n', "first row .*''"),
        ('0,,0,2\n1,2.5,3,4\n', "first row .*''"),
        ('\u22120.5,1.5,2\n1,2,3\n', 'first row .*\u22120.5'),
    ],
)
def test_a_csv_with_missing_cells(tmp_path, text, found):
    (tmp_path / 'v1.csv').write_text(text)
    with pytest.raises(InputError, match=found):
        load(tmp_path / 'v1.csv', duration_sec=None)


@pytest.mark.parametrize('suffix', ['.npy', '.h5'])
@pytest.mark.parametrize(
    'shape, options',
    [((4, 3, 1), {}), ((4, 3, 1), dict(crops='mean')), ((4, 1, 3), {}), ((1, 4, 3), {}), ((1, 4, 3, 1, 1), {}),
     ((4, 1, 3, 1), dict(crops=0))],
)  # fmt: skip
def test_axes_of_length_one_that_a_network_left(tmp_path, suffix, shape, options):
    path = write_features(tmp_path / f'v1{suffix}', FEATURES.reshape(shape))
    np.testing.assert_array_equal(load(path, **options), FEATURES)


@pytest.mark.parametrize('suffix', ['.npy', '.npz', '.h5'])
@pytest.mark.parametrize(
    'options, expected',
    [(dict(crops='mean'), FEATURES + 1), (dict(crops=1), FEATURES + 2), (dict(crops=0), FEATURES)],
)
@pytest.mark.parametrize('crop_axis', [0, 1, None])
def test_crops(tmp_path, suffix, options, expected, crop_axis):
    path = write_features(tmp_path / f'v1{suffix}', CROPS.swapaxes(0, 1) if crop_axis == 0 else CROPS)
    options = options if crop_axis is None else options | dict(crop_axis=crop_axis)
    np.testing.assert_allclose(load(path, **options), expected)
    with pytest.raises(InputError, match='crops'):
        load(path)


def test_a_crop_that_is_not_there(tmp_path):
    np.save(tmp_path / 'v1.npy', CROPS)
    with pytest.raises(InputError, match='crops: found 2'):
        load(tmp_path / 'v1.npy', crops=2)
    with pytest.raises(InputError, match='crops'):
        LoadSnippetFeatures(crops='median')
    with pytest.raises(InputError, match='crop_axis'):
        LoadSnippetFeatures(crops=0, crop_axis=2)


@pytest.mark.parametrize(
    'places, key',
    [
        (['v_v1/c3d', 'v_b/c3d'], 'c3d'),
        (['v_v1/c3d', 'v_b/c3d'], None),
        (['v1/rgb', 'v1/flow', 'b/rgb'], 'rgb'),
        (['features/v1', 'features/b'], None),
        (['features/v1', 'features/b'], 'features'),
        (['v1/a/b', 'v2/a/b'], 'a/b'),
        (['v1/a/b', 'v2/a/b'], 'v1/a/b'),
        (['v_v1', 'v_b'], None),
    ],
)
def test_groups_of_hdf5(tmp_path, places, key):
    with h5py.File(tmp_path / 'all.h5', 'w') as file:
        for number, place in enumerate(places):
            file[place] = FEATURES + number
    np.testing.assert_array_equal(load(tmp_path / 'all.h5', key=key), FEATURES)


@pytest.mark.parametrize('key, found', [(None, 'rgb'), ('depth', 'rgb'), ('b/rgb', 'rgb')])
def test_groups_of_hdf5_that_cannot_be_told(tmp_path, key, found):
    with h5py.File(tmp_path / 'all.h5', 'w') as file:
        file['v1/rgb'] = file['v1/flow'] = file['w/rgb'] = FEATURES
    with pytest.raises(InputError, match=f'key: found .*{found}'):
        load(tmp_path / 'all.h5', key=key)


@pytest.mark.parametrize('place', ['v2', 'v2/rgb', 'features/v2'])
def test_the_only_array_of_a_file_of_all_videos_may_be_that_of_another_video(tmp_path, place):
    for name in ('all.h5', 'v1.h5'):
        with h5py.File(tmp_path / name, 'w') as file:
            file[place] = FEATURES
    with pytest.raises(InputError, match=r'all\.h5: video v1: key: .*an array named v1'):
        load(tmp_path / 'all.h5')
    np.testing.assert_array_equal(load(tmp_path / 'all.h5', key=place), FEATURES)
    np.testing.assert_array_equal(load(tmp_path / 'v1.h5'), FEATURES)
    np.savez(tmp_path / 'all.npz', v2=FEATURES)
    with pytest.raises(InputError, match=r'all\.npz: video v1: key: .*an array named v1'):
        load(tmp_path / 'all.npz')


def test_groups_of_hdf5_without_end_or_elsewhere(tmp_path):
    with h5py.File(tmp_path / 'round.h5', 'w') as file:
        file['v1'] = file['/']
    with pytest.raises(InputError, match='a group'):
        load(tmp_path / 'round.h5')
    with h5py.File(tmp_path / 'link.h5', 'w') as file:
        file['v1/rgb'] = h5py.ExternalLink(str(tmp_path / 'round.h5'), '/x')
        file['v2'] = h5py.SoftLink('/v1')
    for video_id in ('v1', 'v2'):
        with pytest.raises(InputError, match='a link'):
            load(tmp_path / 'link.h5', video_id=video_id)


def test_videos_in_subfolders_are_inputs_and_features_of_other_streams_are_not(tmp_path):
    (tmp_path / 'day.1').mkdir()
    for name in ('b.npy', 'a.MP4', 'day.1/c.d.mov', 'day.1/b.npy', 'day.1/.e.mp4', 'day.1/notes.txt'):
        (tmp_path / name).touch()
    assert [video.video_id for video in list_inputs(tmp_path)] == ['a', 'b', 'c.d']


def test_videos_of_groups_are_listed(tmp_path):
    with h5py.File(tmp_path / 'all.h5', 'w') as file:
        file['v_a/c3d'] = file['v_b/c3d'] = FEATURES
    assert [video.video_id for video in list_inputs(str(tmp_path / 'all.h5'))] == ['v_a', 'v_b']


@pytest.mark.parametrize('name, video', [('v_abc.npy', 'abc'), ('abc.npy', 'v_abc'), ('abc.npy', 'abc')])
def test_a_prefix_of_activitynet_before_the_name_of_a_file(tmp_path, name, video):
    np.save(tmp_path / name, FEATURES)
    entry = dict(duration=2.0, subset='training', annotations=[dict(label='a', segment=[0, 1])])
    (tmp_path / 'gt.json').write_text(json.dumps(dict(database={video: entry})))
    (tmp_path / 'points.txt').write_text('abc,0.5,a\n')
    files = dict(ann_file='gt.json', point_file='points.txt', data_root=str(tmp_path), data_prefix=dict(rgb=''))
    steps = [dict(type='LoadSnippetFeatures')]
    dataset = PointTALDataset(**files, subset='train', grid=dict(snippet_sec=0.5), pipeline=steps)
    np.testing.assert_array_equal(dataset[0]['features'], FEATURES)


@pytest.mark.parametrize('fps, frames, stride', [(5, 5, 1), (30, 16, 4), (30, 32, 16), (25, 64, 8)])
@pytest.mark.parametrize('whole', [True, False], ids=['whole clips', 'all clips'])
def test_short_videos_of_overlapping_clips(tmp_path, fps, frames, stride, whole):
    steps = [dict(type=step) for step in ('LoadSnippetFeatures', 'PointsToSnippets')]
    videos, places = {}, (0.0, 0.5, 1.0)
    for sec in (0.5, 1.5, 2, 3, 4, 6, 25):
        clips = (int(sec * fps) - frames * whole) // stride + 1
        np.save(tmp_path / f'v{sec}.npy', np.ones((max(clips, 1), 4), 'f4'))
        videos[f'v{sec}'] = plain_video(points=[(share * sec, 'a') for share in places], duration_sec=sec)
    write_plain(tmp_path / 'a.json', 'a', videos)
    grid = dict(fps=fps, snippet_frames=frames, stride_frames=stride)
    dataset = PointTALDataset('a.json', dict(f=''), data_root=str(tmp_path), grid=grid, pipeline=steps)
    for index in range(len(dataset)):
        labelled = np.flatnonzero(dataset[index]['snippet_instances'][:, 0] >= 0)
        assert labelled[0] == 0  # a point before the first snippet goes to it
        assert labelled[-1] == len(dataset[index]['features']) - 1 or not whole


def test_a_wrong_number_of_overlapping_clips_is_still_an_error(tmp_path):
    np.save(tmp_path / 'v1.npy', np.ones((90, 4), 'f4'))
    grid = SnippetGrid.from_config(dict(fps=5, snippet_frames=5, stride_frames=1))
    with pytest.raises(InputError, match=r'found 90.*length_tolerance'):
        load(tmp_path / 'v1.npy', grid=grid, duration_sec=25.0)


@pytest.mark.parametrize('shape', [(16, 103), (1024, 103)])
def test_transposed_features_are_named(tmp_path, shape):
    np.save(tmp_path / 'v1.npy', np.ones(shape, 'f4'))
    with pytest.raises(InputError, match=rf'shape of the features: found \({shape[0]}, 103\)'):
        load(tmp_path / 'v1.npy', duration_sec=51.5)


@pytest.mark.parametrize(
    'name, remedy',
    [('v1.csv', "suffix='.csv'"), ('v_v1.npz', '.npz'), ('v1.pt', 'convert_features'), ('v1.NPY', '.NPY')],
)
def test_a_file_of_another_suffix_is_named(tmp_path, name, remedy):
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=f'v1.npy: .*{remedy}.*{name}'):
        load(tmp_path / 'v1.npy')


def test_points_that_only_fit_transposed_features_say_so():
    points = dict(point_sec=np.array([9.5]), point_labels=[0], point_instances=[0], background_sec=np.zeros(0))
    results = dict(video_id='v1', num_classes=1, duration_sec=4.0, grid=SnippetGrid(1.0), feature_paths=['v1.npy'])
    with pytest.raises(InputError, match=r'v1.npy: .*point_sec: .*\(4, 12\).*transpose'):
        PointsToSnippets()(dict(**results, **points, features=np.zeros((4, 12))))
    with pytest.raises(InputError, match='point_sec') as error:
        PointsToSnippets()(dict(**results, **points, features=np.zeros((4, 3))))
    assert 'transpose' not in str(error.value)


@pytest.mark.parametrize('suffix', ['.npy', '.npz'])
def test_arrays_of_objects_are_named(tmp_path, suffix):
    content = np.array({'feat': FEATURES}, dtype=object)
    path = tmp_path / f'v1{suffix}'
    (np.save if suffix == '.npy' else np.savez)(path, content)
    with pytest.raises(InputError, match=r'Python objects.*convert_features'):
        load(path)


@pytest.mark.parametrize('suffix', ['.pkl', '.pt'])
def test_other_suffixes_name_the_converter(tmp_path, suffix):
    (tmp_path / f'v1{suffix}').write_bytes(b'')
    with pytest.raises(InputError, match=r'suffix.*convert_features'):
        load(tmp_path / f'v1{suffix}')
