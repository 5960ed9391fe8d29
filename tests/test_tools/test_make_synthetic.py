import json

import numpy as np
import pytest
from tool_modules import load_tool

from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.utils.errors import InputError


@pytest.fixture(scope='module')
def tool():
    return load_tool('data/make_synthetic')


def test_makes_the_embedded_set_with_other_parameters(tool, tmp_path):
    tool.main([str(tmp_path / 'set'), '--params', 'dim=5', 'train_videos=10', 'test_videos=10'])
    assert np.load(tmp_path / 'set' / 'features' / 'test' / 'test_009.npy').shape[1] == 5


def test_makes_features_for_real_annotations(tool, tmp_path):
    videos = {
        name: {'subset': 'train', 'duration': length, 'annotations': [{'label': label, 'segment': [1, 3]}]}
        for name, length, label in (('a', 6.4, 'Run'), ('b', 12.8, 'Hop'), ('c', 19.2, 'Run'))
    }
    (tmp_path / 'gt.json').write_text(json.dumps({'database': videos}))
    arguments = ['--ann-file', str(tmp_path / 'gt.json'), '--params', 'dim=7', '--count', '2']
    tool.main([str(tmp_path / 'out'), *arguments, '--max-sec', '15'])
    annotations = load_annotations(tmp_path / 'out' / 'annotations_train.json')
    assert list(annotations.videos) == ['a', 'b'] == (tmp_path / 'out' / 'split_train.txt').read_text().split()
    for name, num_snippets in (('a', 10), ('b', 20)):  # seconds / 0.64
        assert np.load(tmp_path / 'out' / 'features' / 'train' / f'{name}.npy').shape == (num_snippets, 7)


def test_nothing_is_written_where_a_class_has_no_short_video(tool, tmp_path):
    videos = {'a': {'subset': 'train', 'duration': 9, 'annotations': [{'label': 'Run', 'segment': [1, 3]}]}}
    (tmp_path / 'gt.json').write_text(json.dumps({'database': videos}))
    with pytest.raises(InputError, match='1 videos that show every class'):
        tool.main([str(tmp_path / 'out'), '--ann-file', str(tmp_path / 'gt.json'), '--count', '1', '--max-sec', '5'])
    assert not (tmp_path / 'out').exists()
