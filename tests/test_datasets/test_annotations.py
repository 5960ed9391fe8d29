"""Files of a dataset, joined to one record per video: selection, classes, annotators, and writing of our format."""

import numpy as np
import pytest
from refusals import refused

from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.datasets.annotations.writers import save_plain

NO_SEGMENTS = {'a': {'annotations': []}}
# Points of three annotators; the third did not label c.
THREE = ['a,1,Run\nb,1,Run\nc,1,Run\n', 'a,2,Run\nb,2,Run\nc,2,Run\n', 'a,3,Run\nb,3,Run\n']


def test_joins_segments_and_points(load, warnings):
    # Video a has 10 fps, video b has 20 fps, so frame 50 of b is 2.5 s. The rows are not in the order of time.
    points = 'class,start_frame,stop_frame,video_id,point\nRun,10,50,a,40\nHop,40,60,b,50\nHop,1,9,a,5\n'
    annotations = load(point_file=points)
    assert annotations.classes == ('Hop', 'Run')
    assert list(annotations.videos) == ['a', 'b', 'c']
    a, b, c = annotations.videos.values()
    assert (a.video_id, a.subset, a.duration_sec, a.fps) == ('a', 'Validation', 20.0, 10.0)
    assert (a.point_sec.tolist(), a.point_labels.tolist(), a.point_instances.tolist()) == ([0.5, 4.0], [0, 1], [0, 1])
    assert a.video_labels.tolist() == [0, 1]
    assert (a.segments_sec.tolist(), a.segment_labels.tolist()) == ([[1.0, 5.0]], [1])
    assert b.point_sec.tolist() == [2.5]
    empty = [c.point_sec, c.point_labels, c.point_instances, c.background_sec, c.ambiguous_sec]
    assert [array.shape for array in empty] == [(0,), (0,), (0,), (0,), (0, 2)]
    assert [array.dtype for array in empty[:3]] == [np.float64, np.int64, np.int64]
    assert warnings == []


@pytest.mark.parametrize(
    'reason, present, subset, chosen',
    [
        ('as the file spells it', ['Validation', 'Test'], 'Validation', ['Validation']),
        ('small letters', ['Validation', 'Test'], 'validation', ['Validation']),
        ('THUMOS14 trains on its validation videos', ['Validation', 'Test'], 'train', ['Validation']),
        ('and by any name', ['Validation', 'Test'], 'training', ['Validation']),
        ('all', ['Validation', 'Test'], None, ['Validation', 'Test']),
        ('GTEA tests on its validation videos', ['training', 'validation'], 'test', ['validation']),
        ('LACP', ['train', 'test'], 'training', ['train']),
        ('ActivityNet has all three', ['training', 'validation', 'testing'], 'test', ['testing']),
        ('the short name', ['training', 'validation', 'testing'], 'val', ['validation']),
        ('validation videos alone never stand in for training videos', ['validation'], 'train', None),
        ('a name that nobody uses', ['validation'], 'holdout', None),
    ],
)
def test_subset(load, reason, present, subset, chosen):
    database = {name: {'subset': name, 'annotations': []} for name in present}
    if chosen is None:
        with refused('gt.json: subset', subset):
            load(database, subset=subset, classes=['Run'])
    else:
        assert list(load(database, subset=subset, classes=['Run']).videos) == chosen, reason


def test_split_file_decides_over_the_subset(load):
    annotations = load(split_file='c\na\n', subset='train')
    assert list(annotations.videos) == ['c', 'a']
    # The classes are those of the whole file, so that training and test use the same indices.
    assert load(split_file='a\n').classes == annotations.classes == ('Hop', 'Run')
    for split, named in (('p\na\nq\n', '2 of 3 ids unknown: p, q'), ('a\na\n', 'split_file.txt:2'), ('\n', '')):
        with refused('split_file.txt', named):
            load(split_file=split)


@pytest.mark.parametrize('prefixed', ['split', 'points', 'truth'])
def test_activitynet_prefix(load, prefixed):
    ids = {name: 'v_' * (name == prefixed) + '--0edUL8zmA' for name in ('split', 'points', 'truth')}
    database = {ids['truth']: {'duration': 20, 'annotations': []}}
    annotations = load(database, split_file=ids['split'], point_file=f'{ids["points"]},2,Run\n')
    (record,) = annotations.videos.values()
    assert list(annotations.videos) == [ids['split']]  # features are named as the split names the videos
    assert (record.point_sec.tolist(), record.duration_sec) == ([2.0], 20.0)


def test_without_ground_truth(load):
    points = 'class,video_id,point\nRun,v_b,50\nHop,v_z,1\n'
    annotations = load(None, split_file='v_a\nv_b\n', point_file=points, fps_file={'b': 25.0})
    assert annotations.classes == ('Hop', 'Run')
    assert list(annotations.videos) == ['v_a', 'v_b']
    b = annotations.videos['v_b']
    assert (b.point_sec.tolist(), b.duration_sec, b.fps, b.segments_sec.shape) == ([2.0], None, 25.0, (0, 2))
    with refused('annotations, points or a split'):
        load(None)
    with refused('subset', 'train'):
        load(None, point_file='a,1,Run\n', subset='train')
    with refused('gt.json', 'at least one video'):
        load({}, classes=['Run'])


def test_videos_of_points_alone(load):
    """Without annotations and split, the files of points name the videos; each video has the points of one file."""
    assert list(load(None, point_file='b,1,Run\na,1,Run\n').videos) == ['b', 'a']
    videos = load(None, point_file=['v_a,1,Run\n', 'b,2,Hop\na,1,Run\n']).videos
    assert {video_id: video.point_sec.tolist() for video_id, video in videos.items()} == {'v_a': [1.0], 'b': [2.0]}


def test_annotators(load):
    def chosen(**kwargs):
        videos = load(point_file=list(THREE), **kwargs).videos
        return {video_id: video.point_sec.tolist() for video_id, video in videos.items()}

    assert [chosen(annotator=number) for number in range(3)] == [
        {'a': [1.0], 'b': [1.0], 'c': [1.0]},
        {'a': [2.0], 'b': [2.0], 'c': [2.0]},
        {'a': [3.0], 'b': [3.0], 'c': []},
    ]
    for annotator in (3, -1, 'x'):
        with refused(f'annotator: found {annotator!r}'):
            chosen(annotator=annotator)
    # The annotator is drawn for each video among those who labelled it, independently of the other videos.
    draws = [chosen(seed=seed) for seed in range(20)]
    assert chosen(seed=5, split_file='c\nb\n') == {'c': draws[5]['c'], 'b': draws[5]['b']}
    assert {draw['a'][0] for draw in draws} == {1.0, 2.0, 3.0}
    assert {draw['c'][0] for draw in draws} == {1.0, 2.0}
    assert any(draw['a'] != draw['b'] for draw in draws)


@pytest.mark.parametrize('classes', [['Run', 'Hop'], ('Run', 'Hop'), 'Run\nHop\n'])
def test_given_classes_keep_their_order(load, classes):
    annotations = load(classes=classes)
    assert annotations.classes == ('Run', 'Hop')
    assert annotations.videos['a'].segment_labels.tolist() == [0]


def test_classes_come_from_what_is_there(load):
    points = 'a,1,Run\na,2,Hop\na,3,background\n'
    assert load(NO_SEGMENTS, point_file=points).classes == ('Hop', 'Run')
    # A point of an unknown class is no error if its video belongs to another split.
    assert load(split_file='a\n', classes=['Run'], point_file='b,1,Jump\n').classes == ('Run',)


INDEXED = 'class,class_index,video_id,point\nHop,0,a,1\nRun,2,a,1\n'


@pytest.mark.parametrize(
    'reason, kwargs, named',
    [
        ('label of a segment', dict(classes=['Run']), "gt.json: video b: label: found 'Hop'"),
        ('label of a point', dict(point_file='a,1,Run\na,2,run\n'), "point_file.txt:2: video a: label: found 'run'"),
        ('index', dict(point_file=INDEXED), 'point_file.csv:3: video a: class_index: found 2.0'),
        ('a name twice', dict(classes=['Run', 'Hop', 'Run']), 'classes'),
        ('no names', dict(classes=[]), 'classes: found []'),
        ('a number for a name', dict(classes=['Run', 'Hop', 3]), 'classes'),
        ('name of background clicks', dict(classes=['Run', 'Hop', 'background']), "classes: found 'background'"),
        ('no labels anywhere', dict(database=NO_SEGMENTS), 'classes: found []'),
    ],
)
def test_classes_that_disagree(load, reason, kwargs, named):
    with refused(named):
        load(**kwargs)


def assert_same(first, second):
    assert first.classes == second.classes
    assert list(first.videos) == list(second.videos)
    for video_id, record in first.videos.items():
        for name, value in vars(record).items():
            other = getattr(second.videos[video_id], name)
            assert np.array_equal(value, other) if isinstance(value, np.ndarray) else value == other, (video_id, name)
            assert getattr(value, 'dtype', None) == getattr(other, 'dtype', None)


def test_plain_file_gives_back_what_was_saved(load, tmp_path):
    points = (
        'class,start_frame,stop_frame,video_id,point\nRun,1,9,a,80\nRun,1,9,a,30\nHop,1,9,a,30\nbackground,,,a,99\n'
    )
    annotations = load(point_file=points, ambiguous_file='c 1 2.25\n')
    save_plain(tmp_path / 'new' / 'plain.json', annotations)
    assert_same(annotations, load_annotations(tmp_path / 'new' / 'plain.json'))
    assert annotations.videos['a'].point_instances.tolist() == [0, 1, 1]


def test_plain_file_gives_back_real_annotations(data_root, warnings, tmp_path):
    root = data_root / 'thumos14'
    files = dict(split_file=root / 'split_train.txt', point_file=root / 'point_manual/THUMOS3.txt')
    annotations = load_annotations(root / 'gt_full.json', **files)
    save_plain(tmp_path / 'plain.json', annotations)
    assert_same(annotations, load_annotations(tmp_path / 'plain.json'))
