"""Counts of the published annotation files. If a count changes, a file is read differently."""

import json

import numpy as np
import pytest
from refusals import refused

from fsptal_mm.datasets.annotations.json_readers import read_annotations
from fsptal_mm.datasets.annotations.point_readers import read_points
from fsptal_mm.datasets.annotations.readers import read_ambiguous, read_fps, read_split
from fsptal_mm.datasets.annotations.records import load_annotations

GAUSSIAN = 'point_gaussian/point_labels.csv'


@pytest.mark.parametrize(
    'path, num_points, num_videos',
    [
        (f'thumos14/{GAUSSIAN}', 3003, 200),
        ('thumos14/point_manual/THUMOS1.txt', 2980, 200),
        ('thumos14/point_manual/THUMOS2.txt', 2920, 201),  # one id lacks its first letter
        ('thumos14/point_manual/THUMOS3.txt', 3014, 199),
        ('thumos14/point_manual/THUMOS4.txt', 2986, 200),
        (f'gtea/{GAUSSIAN}', 367, 21),
        ('gtea/point_manual/GTEA1.txt', 369, 21),
        (f'beoid/{GAUSSIAN}', 594, 46),
        ('beoid/point_manual/BEOID3.txt', 604, 46),
        (f'activitynet13/{GAUSSIAN}', 13904, 9024),
    ],
)
def test_points(data_root, path, num_points, num_videos):
    rows = read_points(data_root / path)
    assert (len(rows), len({row.video_id for row in rows})) == (num_points, num_videos)
    assert all(row.label == row.label.strip() for row in rows)


@pytest.mark.parametrize(
    'path, num_videos, num_segments, num_classes',
    [
        ('thumos14/gt.json', 410, 6318, 20),
        ('thumos14/gt_full.json', 412, 6365, 20),
        ('gtea/gt_full.json', 28, 497, 7),
        ('beoid/gt_full.json', 58, 742, 34),
    ],
)
def test_segments(data_root, path, num_videos, num_segments, num_classes):
    videos = read_annotations(data_root / path).videos
    segments = [segment for video in videos.values() for segment in video.segments]
    assert (len(videos), len(segments), len({row[2] for row in segments})) == (num_videos, num_segments, num_classes)


def test_lists(data_root):
    assert len(read_split(data_root / 'activitynet13/split_train.txt')) == 9032
    assert len(read_fps(data_root / 'thumos14/fps_dict.json')) == 2584
    assert sum(map(len, read_ambiguous(data_root / 'thumos14/Ambiguous_test.txt').values())) == 99


def load(root, ann_file='gt_full.json', split='train', **files):
    files = {name: root / path for name, path in files.items()}
    return load_annotations(root / ann_file, split_file=root / f'split_{split}.txt', **files)


def count(annotations):
    """Numbers of points and of segments."""
    videos = annotations.videos.values()
    return tuple(sum(len(getattr(video, name)) for video in videos) for name in ('point_sec', 'segments_sec'))


def test_thumos_training(data_root, warnings):
    annotations = load(data_root / 'thumos14', point_file=GAUSSIAN)
    # 3007 segments. The four of the videos 364 and 856 start after the end of the video, and have no point.
    assert count(annotations) == (3003, 3007)
    (warning,) = warnings
    assert warning.endswith(': 4, in video_validation_0000364, video_validation_0000856')
    # Every CliffDiving segment is a Diving segment, too.
    cliff, diving = map(annotations.classes.index, ('CliffDiving', 'Diving'))
    videos = [video for video in annotations.videos.values() if cliff in video.video_labels]
    assert len(videos) == 10
    for video in videos:
        of_class = [set(map(tuple, video.segments_sec[video.segment_labels == label])) for label in (cliff, diving)]
        assert of_class[0] <= of_class[1]
        assert len(set(video.point_instances)) == len(video.point_sec) == len(video.segments_sec)


def test_thumos_files_of_lacp_give_the_same_points(data_root, warnings):
    root = data_root / 'thumos14'
    lacp = load(root, 'gt.json', fps_file='fps_dict.json', point_file=GAUSSIAN)
    assert count(lacp) == (3003, 3007)  # this file has no durations, so nothing is clipped
    assert warnings == []
    hrpro = load(root, point_file=GAUSSIAN)
    for video_id, record in lacp.videos.items():
        # The frame rates in the two files differ in the sixth digit.
        assert record.point_sec == pytest.approx(hrpro.videos[video_id].point_sec, rel=1e-5)
        assert np.array_equal(record.point_instances, hrpro.videos[video_id].point_instances)
    with refused('point_labels.csv:2: video video_validation_0000051: fps'):
        load(root, 'gt.json', point_file=GAUSSIAN)


def test_thumos_test(data_root, warnings):
    annotations = load(data_root / 'thumos14', split='test', ambiguous_file='Ambiguous_test.txt')
    assert len(annotations.videos) == 210
    # As many as in published evaluations; 4 of them are after the end of their video.
    assert count(annotations) == (0, 3311)
    # The file has 99 rows. 12 of them are for the videos 1292 and 1496, which are left out by convention.
    assert sum(len(video.ambiguous_sec) for video in annotations.videos.values()) == 87
    assert 'video_test_0000814, video_test_0001081' in warnings[0]


def test_thumos_annotators(data_root, warnings):
    root = data_root / 'thumos14'
    files = [root / f'point_manual/THUMOS{number}.txt' for number in (1, 2, 3, 4)]
    for file, num_points in zip(files, (2980, 2919, 3014, 2986)):
        warnings.clear()
        annotations = load(root, point_file=file)
        assert count(annotations)[0] == num_points
        # An id that lacks its first letter.
        assert (': 1, in ideo_validation_0000945' in warnings[0]) == (num_points == 2919)
        without = [video_id for video_id, video in annotations.videos.items() if not len(video.point_sec)]
        assert without == (['video_validation_0000052'] if num_points == 3014 else [])
    drawn = load_annotations(root / 'gt_full.json', split_file=root / 'split_train.txt', point_file=files)
    assert all(len(video.point_sec) for video in drawn.videos.values())


@pytest.mark.parametrize('name, num_train, num_test, num_dirty', [('gtea', 367, 130, 1), ('beoid', 594, 148, 0)])
def test_gtea_and_beoid(data_root, warnings, name, num_train, num_test, num_dirty):
    root = data_root / name
    train = load(root, point_file=GAUSSIAN)
    test = load_annotations(root / 'gt_full.json', subset='test', point_file=root / GAUSSIAN)
    assert (count(train), count(test)) == ((num_train, num_train), (0, num_test))
    assert len(warnings) == num_dirty
    assert all(warning.endswith(': 1, in S3_CofHoney_C1') for warning in warnings)
    assert train.classes == test.classes


def test_activitynet_points_without_ground_truth(data_root, warnings, tmp_path):
    root = data_root / 'activitynet13'
    files = dict(split_file=root / 'split_train.txt', point_file=root / GAUSSIAN)
    with refused('fps'):
        load_annotations(None, **files)
    (tmp_path / 'fps.json').write_text(json.dumps(dict.fromkeys(files['split_file'].read_text().split(), 30)))
    annotations = load_annotations(None, fps_file=tmp_path / 'fps.json', **files)
    assert (len(annotations.videos), len(annotations.classes)) == (9032, 200)
    # The file has 13904 rows. One row is listed twice, and 27 rows are second points of an instance.
    assert count(annotations) == (13903, 0)
    assert sum(len(set(video.point_instances)) for video in annotations.videos.values()) == 13876
    assert sum(not len(video.point_sec) for video in annotations.videos.values()) == 8
    (warning,) = warnings
    assert warning.endswith(': 1, in v_LdAT5MEBkuQ')


@pytest.mark.parametrize('name, num_train, num_test', [('gtea_spatialcnn', 370, 127), ('50salads_acc', 513, 136)])
def test_sets_with_features(data_root, warnings, name, num_train, num_test):
    files = dict(ann_file='gt.json', point_file='point_labels.csv', classes='classes.txt')
    assert count(load(data_root / name, **files)) == (num_train, num_train)
    assert count(load(data_root / name, split='test', **files)) == (0, num_test)
    assert warnings == []
