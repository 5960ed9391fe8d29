import csv
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from tool_modules import load_tool

from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.utils.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def tool():
    """Load a tool of ``tools/data`` as a module."""
    return lambda name: load_tool(f'data/{name}')


@pytest.fixture
def gt(tmp_path):
    path = tmp_path / 'gt.json'
    runs = [{'label': 'Run', 'segment': [1, 5]}, {'label': 'Hop', 'segment': [2, 4]}]
    path.write_text(
        json.dumps(
            {
                'database': {
                    'a': {'subset': 'train', 'duration': 20, 'fps': 10, 'annotations': runs},
                    # 0.05 s to 0.14 s at 10 fps: frame 1 (0.1 s) is the only one inside
                    'b': {
                        'subset': 'train',
                        'duration': 20,
                        'fps': 10,
                        'annotations': [{'label': 'Run', 'segment': [0.05, 0.14]}],
                    },
                    'c': {'subset': 'test', 'duration': 20, 'fps': 10, 'annotations': runs[:1]},
                }
            }
        )
    )
    return path


def test_convert(tool, gt, tmp_path, capsys):
    points = tmp_path / 'points.txt'
    points.write_text('a,2,Run\na,3,Hop\na,9,none\n')
    out = tmp_path / 'out.json'
    arguments = ['--subset', 'train', '--point-file', str(points), '--background-label', 'none']
    tool('convert_annotations').main([str(out), '--ann-file', str(gt), *arguments])
    assert capsys.readouterr().out.strip() == (
        f'{out}: 2 videos (1 without points), 2 classes, 2 points, 1 background points, 3 segments'
    )
    annotations = load_annotations(out)
    assert list(annotations.videos) == ['a', 'b']
    assert annotations.videos['a'].point_sec.tolist() == [2.0, 3.0]
    assert annotations.videos['a'].background_sec.tolist() == [9.0]


def test_convert_draws_annotators(tool, gt, tmp_path):
    files = [tmp_path / 'one.txt', tmp_path / 'two.txt']
    for sec, file in enumerate(files, start=1):
        file.write_text(f'a,{sec},Run\n')
    out = tmp_path / 'out.json'
    tool('convert_annotations').main(
        [str(out), '--ann-file', str(gt), '--point-file', *map(str, files), '--annotator', '1']
    )
    assert load_annotations(out).videos['a'].point_sec.tolist() == [2.0]


@pytest.mark.parametrize(
    ('name', 'arguments'),
    [('convert_annotations', ['out.json', '--ann-file', 'gt.json']), ('make_points', ['gt.json', 'out.json'])],
)
def test_bad_input_ends_in_one_line(name, arguments, tmp_path, monkeypatch):
    (tmp_path / 'gt.json').write_text('{"database": {"a": {"annotations": [{"label": "x", "segment": [3, 1]}]}}}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', [name, *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / 'tools' / 'data' / f'{name}.py'), run_name='__main__')
    # Python prints a text code to stderr and leaves with status 1
    assert end.value.code.startswith('error: gt.json: video a: annotations[0].segment: found [3.0, 1.0]')
    assert '\n' not in end.value.code
    assert not (tmp_path / 'out.json').exists()


@pytest.mark.parametrize('suffix', ['json', 'csv'])
def test_make_points_can_be_read_back(tool, gt, tmp_path, suffix):
    out = tmp_path / f'points.{suffix}'
    tool('make_points').main([str(gt), str(out), '--style', 'centre', '--subset', 'train'])
    videos = load_annotations(gt, subset='train', point_file=out).videos
    assert videos['a'].point_sec.tolist() == [3.0, 3.0]  # the middle of both 1 to 5 s and 2 to 4 s
    assert videos['a'].point_labels.tolist() == [0, 1]
    assert videos['a'].point_instances.tolist() == [0, 1]
    # a csv counts frames: the one frame in the segment, though the middle (0.095 s) is before it
    assert videos['b'].point_sec == pytest.approx([0.1 if suffix == 'csv' else 0.095])


def test_make_points_columns(tool, gt, tmp_path):
    out = tmp_path / 'points.csv'
    tool('make_points').main([str(gt), str(out), '--style', 'centre', '--subset', 'test'])
    with open(out, newline='') as file:
        assert list(csv.reader(file)) == [
            ['class', 'class_index', 'start_frame', 'stop_frame', 'video_id', 'point'],
            ['Run', '1', '10.0', '50.0', 'c', '30'],
        ]


@pytest.mark.parametrize('suffix', ['json', 'csv'])
def test_several_points_of_an_instance_share_it(tool, gt, tmp_path, suffix):
    out = tmp_path / f'points.{suffix}'
    tool('make_points').main([str(gt), str(out), '--style', 'uniform', '--per-instance', '3', '--subset', 'train'])
    a = load_annotations(gt, subset='train', point_file=out).videos['a']
    assert len(a.point_sec) == 6
    for instance in (0, 1):
        assert len(set(a.point_labels[a.point_instances == instance])) == 1
        assert (a.point_instances == instance).sum() == 3
    assert np.all(np.diff(a.point_sec) >= 0)


def test_make_points_is_reproducible_whatever_the_other_videos_are(tool, gt, tmp_path):
    def draw(*arguments):
        out = tmp_path / 'points.json'
        tool('make_points').main([str(gt), str(out), '--style', 'uniform', *arguments])
        return load_annotations(out).videos['c'].point_sec.tolist()

    assert draw() == draw('--subset', 'test')
    assert draw() != draw('--seed', '1')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        pytest.param(['points.txt'], 'ends in .csv or .json', id='suffix'),
        pytest.param(['points.json', '--per-instance', '0'], 'at least 1', id='no points'),
        pytest.param(['points.json', '--seed', '-1'], 'a whole number >= 0', id='negative seed'),
    ],
)
def test_make_points_refuses(tool, gt, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        tool('make_points').main([str(gt), *arguments])
    assert [path.name for path in tmp_path.iterdir()] == ['gt.json']


def test_make_points_needs_a_rate_for_a_csv_and_leaves_nothing_half_written(tool, tmp_path):
    gt = tmp_path / 'gt.json'
    segment = {'label': 'Run', 'segment': [1, 5]}
    gt.write_text(json.dumps({'database': {'a': {'annotations': [segment]}, 'b': {'annotations': [segment]}}}))
    (tmp_path / 'fps.json').write_text('{"a": 30}')
    with pytest.raises(InputError, match=r'video b: fps'):
        tool('make_points').main([str(gt), str(tmp_path / 'p.csv'), '--fps-file', str(tmp_path / 'fps.json')])
    assert sorted(path.name for path in tmp_path.iterdir()) == ['fps.json', 'gt.json']


def test_drawn_points_of_thumos(tool, data_root, tmp_path):
    root = data_root / 'thumos14'
    out = tmp_path / 'points.csv'
    tool('make_points').main([str(root / 'gt_full.json'), str(out), '--split-file', str(root / 'split_train.txt')])
    videos = load_annotations(root / 'gt_full.json', split_file=root / 'split_train.txt', point_file=out).videos
    # every segment but the four past the end of their videos has its point inside
    assert sum(len(video.point_sec) for video in videos.values()) == 3003
    for video in videos.values():
        start, end = video.segments_sec.T
        inside = (start - 1e-6 <= video.point_sec[:, None]) & (video.point_sec[:, None] <= end + 1e-6)
        assert (inside & (video.point_labels[:, None] == video.segment_labels)).any(axis=1).all()
