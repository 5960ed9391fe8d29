import csv
import json

import numpy as np
import pytest
from tool_modules import load_tool

from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.utils.errors import InputError


def convert(*arguments):
    load_tool('data/convert_annotations').main([*map(str, arguments)])


def make_points(*arguments):
    load_tool('data/make_points').main([*map(str, arguments)])


@pytest.fixture
def gt(tmp_path):
    runs = [{'label': 'Run', 'segment': [1, 5]}, {'label': 'Hop', 'segment': [2, 4]}]
    short = [{'label': 'Run', 'segment': [0.05, 0.14]}]  # at 10 fps, frame 1 (0.1 s) is the only one inside
    parts = dict(a=('train', runs), b=('train', short), c=('test', runs[:1]))
    database = {
        video: dict(subset=subset, duration=20, fps=10, annotations=rows) for video, (subset, rows) in parts.items()
    }
    (tmp_path / 'gt.json').write_text(json.dumps(dict(database=database)))
    return tmp_path / 'gt.json'


def test_convert(gt, tmp_path, capsys):
    points, out = tmp_path / 'points.txt', tmp_path / 'out.json'
    points.write_text('a,2,Run\na,3,Hop\na,9,none\n')
    convert(out, '--ann-file', gt, '--subset', 'train', '--point-file', points, '--background-label', 'none')
    assert capsys.readouterr().out.strip() == (
        f'{out}: 2 videos (1 without points), 2 classes, 2 points, 1 background point, 3 segments'
    )
    annotations = load_annotations(out)
    assert list(annotations.videos) == ['a', 'b']
    assert annotations.videos['a'].point_sec.tolist() == [2.0, 3.0]
    assert annotations.videos['a'].background_sec.tolist() == [9.0]
    (tmp_path / 'other.txt').write_text('a,1,Run\n')
    convert(out, '--ann-file', gt, '--point-file', points, tmp_path / 'other.txt', '--annotator', '1')
    said = capsys.readouterr().out
    assert f'--annotator 1: points of {tmp_path / "other.txt"} alone; not read: {points}' in said
    assert load_annotations(out).videos['a'].point_sec.tolist() == [1.0]


def test_videos_that_several_files_label_are_named(tmp_path, capsys):
    files = [tmp_path / 'ann.txt', tmp_path / 'bob.txt']
    files[0].write_text('a,1,Run\nb,2,Run\n')
    files[1].write_text('b,3,Run\nb,4,Run\nc,3,Run\n')
    convert(tmp_path / 'out.json', '--point-file', *files)
    _, told = capsys.readouterr().out.splitlines()
    assert told.startswith('1 video with points in several files (b)')
    assert load_annotations(tmp_path / 'out.json').videos['b'].point_sec.tolist() in ([2], [3, 4])
    files[1].write_text('c,3,Run\n')
    convert(tmp_path / 'out.json', '--point-file', *files)
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize('suffix', ['json', 'csv'])
def test_made_points_can_be_read_back(gt, tmp_path, suffix):
    out = tmp_path / f'points.{suffix}'
    make_points(gt, out, '--style', 'centre', '--subset', 'train')
    videos = load_annotations(gt, subset='train', point_file=out).videos
    assert videos['a'].point_sec.tolist() == [3.0, 3.0]  # the middle of the segments 1 to 5 s and 2 to 4 s
    assert videos['a'].point_labels.tolist() == [0, 1]
    assert videos['a'].point_instances.tolist() == [0, 1]
    # A csv file counts frames, so the point is the only frame in the segment, though the middle, 0.095 s, is before it.
    assert videos['b'].point_sec == pytest.approx([0.1 if suffix == 'csv' else 0.095])
    make_points(gt, out, '--style', 'uniform', '--per-instance', '3', '--subset', 'train')
    a = load_annotations(gt, subset='train', point_file=out).videos['a']
    assert np.bincount(a.point_instances).tolist() == [3, 3]
    assert len({*zip(a.point_instances.tolist(), a.point_labels.tolist())}) == 2  # both points are different instances
    assert np.all(np.diff(a.point_sec) >= 0)


def test_a_video_that_only_its_file_names_is_told(tmp_path, capsys):
    table = tmp_path / 'corrected.txt'
    table.write_text('Begin Time - msec\tEnd Time - msec\tactions\n1000\t2000\tRun\n')
    convert(tmp_path / 'out.json', '--point-file', table)
    _, told = capsys.readouterr().out.splitlines()
    assert told.startswith(f'{table}: rows without a video are taken as points of the video corrected')


def test_make_points_with_background_clicks(gt, tmp_path):
    out = tmp_path / 'points.json'
    make_points(gt, out, '--background', '--subset', 'train')
    video = load_annotations(gt, subset='train', point_file=out).videos['a']  # the actions of video a are from 1 to 5 s
    assert 0 < video.background_sec[0] < 1
    assert all(video.background_sec[1:] > 5)
    assert len(video.point_sec) == 2
    with pytest.raises(InputError, match='out'):
        make_points(gt, tmp_path / 'points.csv', '--background', '--subset', 'train')


def test_columns_of_made_points(gt, tmp_path):
    make_points(gt, tmp_path / 'points.csv', '--style', 'centre', '--subset', 'test')
    with open(tmp_path / 'points.csv', newline='') as file:
        assert list(csv.reader(file)) == [
            ['class', 'class_index', 'start_frame', 'stop_frame', 'video_id', 'point'],
            ['Run', '1', '10.0', '50.0', 'c', '30'],
        ]


def test_made_points_are_the_same_again_whatever_the_other_videos_are(gt, tmp_path):
    def draw(*arguments):
        make_points(gt, tmp_path / 'points.json', '--style', 'uniform', *arguments)
        return load_annotations(tmp_path / 'points.json').videos['c'].point_sec.tolist()

    assert draw() == draw('--subset', 'test')
    assert draw() != draw('--seed', '1')


def test_drawn_points_of_thumos(data_root, tmp_path):
    root, out = data_root / 'thumos14', tmp_path / 'points.csv'
    make_points(root / 'gt_full.json', out, '--split-file', root / 'split_train.txt')
    videos = load_annotations(root / 'gt_full.json', split_file=root / 'split_train.txt', point_file=out).videos
    # Every segment has its point inside, except for the four segments after the end of their videos.
    assert sum(len(video.point_sec) for video in videos.values()) == 3003
    for video in videos.values():
        start, end = video.segments_sec.T
        inside = (start - 1e-6 <= video.point_sec[:, None]) & (video.point_sec[:, None] <= end + 1e-6)
        assert (inside & (video.point_labels[:, None] == video.segment_labels)).any(axis=1).all()
