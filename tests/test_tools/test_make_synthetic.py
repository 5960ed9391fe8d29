import json

import numpy as np
from tool_modules import load_tool

from fsptal_mm.datasets.annotations.records import load_annotations


def test_makes_the_embedded_set_with_other_parameters(tmp_path):
    options = ['--params', 'dim=5', 'train_videos=10', 'test_videos=10']
    load_tool('data/make_synthetic').main([str(tmp_path / 'set'), *options])
    assert np.load(tmp_path / 'set/features/test/test_009.npy').shape[1] == 5


def test_makes_features_for_real_annotations(tmp_path):
    videos = {
        name: {'subset': 'train', 'duration': length, 'annotations': [{'label': label, 'segment': [1, 3]}]}
        for name, length, label in (('a', 6.4, 'Run'), ('b', 12.8, 'Hop'), ('c', 19.2, 'Run'))
    }
    (tmp_path / 'gt.json').write_text(json.dumps({'database': videos}))
    arguments = ['--ann-file', str(tmp_path / 'gt.json'), '--params', 'dim=7', '--count', '2', '--max-sec', '15']
    load_tool('data/make_synthetic').main([str(tmp_path / 'out'), *arguments])
    annotations = load_annotations(tmp_path / 'out/annotations_train.json')
    assert list(annotations.videos) == ['a', 'b'] == (tmp_path / 'out/split_train.txt').read_text().split()
    for name, num_snippets in (('a', 10), ('b', 20)):  # number of snippets: duration / 0.64 s
        assert np.load(tmp_path / f'out/features/train/{name}.npy').shape == (num_snippets, 7)
