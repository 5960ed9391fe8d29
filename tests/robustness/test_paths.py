"""Names that become paths: nothing is read or written outside its folder, whatever the name."""

import os
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from bounded import outcome, refused
from hypothesis import given
from hypothesis import strategies as st
from nasty import NASTY_TEXTS
from tool_modules import load_tool

from fsptal_mm.apis.inference_inputs import VideoInput
from fsptal_mm.apis.pictures import draw_pictures
from fsptal_mm.datasets import PointTALDataset
from fsptal_mm.datasets.annotations.records import Annotations, VideoRecord
from fsptal_mm.datasets.synthetic.features import SyntheticParams
from fsptal_mm.datasets.synthetic.generator import save_split
from fsptal_mm.structures import Instances
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import path_below
from fsptal_mm.utils.writing import atomic_write

LEAVING = ['..', '.', '', '../outside', '/etc/passwd', 'a/../../outside', 'a//b', 'a/', './a', '\0', 'a\nb', '\ud800']
LEAVING += ['x' * 300]
names = st.sampled_from(NASTY_TEXTS) | st.text(max_size=300) | st.text('./\\a\0', max_size=12)


@given(name=names)
def test_a_name_is_refused_or_stays_in_its_folder(name, tmp_path):
    folder = tmp_path / 'folder'
    path = outcome(path_below, folder, name, '.npy')
    if isinstance(path, InputError):
        return
    assert Path(os.path.realpath(path)).is_relative_to(folder)
    with atomic_write(path) as file:  # every accepted name can be written
        file.write(name)
    assert path.read_text() == name
    path.unlink()


def test_names_that_lead_out_are_refused(tmp_path):
    for name in (*LEAVING, None, 5, b'a', ['a']):
        refused(path_below, tmp_path, name, '.npy', names='video_id')


def dataset(folder, **kwargs):
    data = PointTALDataset(data_root=str(folder), grid=dict(snippet_sec=1.0), test_mode=True, lazy_init=True, **kwargs)
    data.full_init()
    return [data[index] for index in range(len(data))]


def test_features_outside_their_folder_are_not_read(tmp_path):
    np.save(tmp_path / 'outside.npy', np.zeros((4, 3)))
    (tmp_path / 'split.txt').write_text('../outside\n')
    options = dict(split_file='split.txt', data_prefix=dict(feature='features'), metainfo=dict(classes=['a']))
    pipeline = [dict(type='LoadSnippetFeatures')]
    refused(dataset, tmp_path, pipeline=pipeline, **options, names="video_id: found '../outside'")
    (tmp_path / 'split.txt').write_text('folder/inside\n')  # folders below the folder of the features are allowed
    (tmp_path / 'features/folder').mkdir(parents=True)
    np.save(tmp_path / 'features/folder/inside.npy', np.ones((4, 3)))
    assert dataset(tmp_path, pipeline=pipeline, **options)[0]['features'].sum() == 12


Sample = namedtuple('Sample', 'duration_sec detections')


@pytest.mark.parametrize('what', ['timeline', 'annotate'])
def test_pictures_stay_in_the_output_folder(what, tmp_path):
    sample = Sample(5.0, Instances.of_video([[0, 1]], [0], [0.5]))
    for name in LEAVING:
        video = VideoInput(name, (str(tmp_path / ('none.mp4' if what == 'annotate' else 'none.npy')),))
        options = {'out_dir': tmp_path / 'deep/down/out', what: True}
        refused(draw_pictures, [video], [sample], ('a',), names='video_id', **options)
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]


def test_generated_features_stay_in_their_folder(tmp_path):
    labels, none = np.array([0]), np.zeros(0)
    points = (np.array([2.5]), labels, labels, none)
    for name in LEAVING:
        record = VideoRecord(name, 'train', 20.0, 25.0, *points, np.array([[2.0, 3.0]]), labels, none.reshape(0, 2))
        found = Annotations(('a',), {name: record})
        params = SyntheticParams.from_dict(dict(dim=16))
        refused(save_split, tmp_path / 'deep/down/out', 'train', found, params, names='video_id')
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]


@pytest.fixture(scope='module')
def tool():
    return load_tool('data/extract_features')


@given(lines=st.lists(names, max_size=4))
def test_lists_of_videos_name_no_other_folder(lines, tool, tmp_path):
    """A line may name a video anywhere; its features are called by its last part."""
    path = tmp_path / 'list.txt'
    path.write_bytes('\n'.join(lines).encode('utf-8', 'surrogatepass'))
    videos = outcome(tool.find_videos, [path])
    if not isinstance(videos, InputError):
        paths = [outcome(path_below, tmp_path, name, '.npy') for name in videos]
        assert {path.parent for path in paths if not isinstance(path, InputError)} <= {tmp_path}
