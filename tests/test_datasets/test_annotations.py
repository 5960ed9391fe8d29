import re

import numpy as np
import pytest

from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.datasets.annotations.writers import save_plain
from fsptal_mm.utils.errors import InputError

NO_SEGMENTS = {'a': {'annotations': []}}


def refused(message):
    return pytest.raises(InputError, match=re.escape(message))


def test_joins_segments_and_points(load, warnings):
    # in b, frame 50 at 20 fps is 2.5 s; in a, 10 fps; the rows are not in the order of time
    points = 'class,start_frame,stop_frame,video_id,point\nRun,10,50,a,40\nHop,40,60,b,50\nHop,1,9,a,5\n'
    annotations = load(point_file=points)
    assert annotations.classes == ('Hop', 'Run')
    assert list(annotations.videos) == ['a', 'b', 'c']
    a, b, c = annotations.videos.values()
    assert (a.video_id, a.subset, a.duration_sec, a.fps) == ('a', 'Validation', 20.0, 10.0)
    assert a.point_sec.tolist() == [0.5, 4.0]
    assert a.point_labels.tolist() == [0, 1]
    assert a.point_instances.tolist() == [0, 1]
    assert a.video_labels.tolist() == [0, 1]
    assert a.segments_sec.tolist() == [[1.0, 5.0]]
    assert a.segment_labels.tolist() == [1]
    assert b.point_sec.tolist() == [2.5]
    empty = [c.point_sec, c.point_labels, c.point_instances, c.background_sec, c.ambiguous_sec]
    assert [array.shape for array in empty] == [(0,), (0,), (0,), (0,), (0, 2)]
    assert [array.dtype for array in empty[:3]] == [np.float64, np.int64, np.int64]
    assert warnings == []


class TestVideos:
    @pytest.mark.parametrize(
        ('subset', 'videos'),
        [
            pytest.param('Validation', ['a', 'b'], id='as the file spells it'),
            pytest.param('validation', ['a', 'b'], id='small letters'),
            pytest.param('train', ['a', 'b'], id='THUMOS14 trains on its validation videos'),
            pytest.param('training', ['a', 'b'], id='and by any name'),
            pytest.param('test', ['c'], id='test'),
            pytest.param(None, ['a', 'b', 'c'], id='all'),
        ],
    )
    def test_subset(self, load, subset, videos):
        assert list(load(subset=subset).videos) == videos

    @pytest.mark.parametrize(
        ('present', 'subset', 'meant'),
        [
            pytest.param(['training', 'validation'], 'test', 'validation', id='GTEA tests on its validation videos'),
            pytest.param(['train', 'test'], 'training', 'train', id='LACP'),
            pytest.param(['training', 'validation', 'testing'], 'test', 'testing', id='ActivityNet has all three'),
            pytest.param(['training', 'validation', 'testing'], 'val', 'validation', id='the short name'),
        ],
    )
    def test_subset_of_other_data_sets(self, load, present, subset, meant):
        database = {name: {'subset': name, 'annotations': []} for name in present}
        assert list(load(database, subset=subset, classes=['Run']).videos) == [meant]

    @pytest.mark.parametrize('subset', ['train', 'holdout'])
    def test_subset_that_is_not_there(self, load, subset):
        # validation videos alone never stand in for training videos
        with refused(f"subset: found ['validation'], expected videos of the subset '{subset}'"):
            load({'a': {'subset': 'validation', 'annotations': []}}, subset=subset, classes=['Run'])

    def test_split_file_decides_over_the_subset(self, load):
        assert list(load(split_file='c\na\n', subset='train').videos) == ['c', 'a']

    def test_classes_are_those_of_the_whole_file(self, load):
        # the training and the test data set must number them alike
        assert load(split_file='a\n').classes == ('Hop', 'Run')

    @pytest.mark.parametrize('prefixed', ['split', 'points', 'truth'])
    def test_activitynet_prefix(self, load, prefixed):
        ids = {name: 'v_' * (name == prefixed) + '--0edUL8zmA' for name in ('split', 'points', 'truth')}
        annotations = load(
            {ids['truth']: {'duration': 20, 'annotations': []}},
            split_file=ids['split'],
            point_file=f'{ids["points"]},2,Run\n',
        )
        assert list(annotations.videos) == [ids['split']]  # features are named as the split names the videos
        assert annotations.videos[ids['split']].point_sec.tolist() == [2.0]
        assert annotations.videos[ids['split']].duration_sec == 20.0

    def test_unknown_ids_in_the_split(self, load):
        with refused("split_file.txt: found '6 of 7 ids that it lacks: p, q, r, s, t', expected ids of videos in"):
            load(split_file='p\nq\na\nr\ns\nt\nu\n')

    def test_id_twice_in_the_split(self, load):
        with refused('split_file.txt:2: found'):
            load(split_file='a\na\n')

    def test_no_videos(self, load):
        with refused('split_file.txt: found'):
            load(split_file='\n')
        with refused("gt.json: found 'none', expected at least one video"):
            load({}, classes=['Run'])

    def test_without_ground_truth(self, load):
        points = 'class,video_id,point\nRun,v_b,50\nHop,v_z,1\n'
        annotations = load(None, split_file='v_a\nv_b\n', point_file=points, fps_file={'b': 25.0})
        assert annotations.classes == ('Hop', 'Run')
        assert list(annotations.videos) == ['v_a', 'v_b']
        b = annotations.videos['v_b']
        assert (b.point_sec.tolist(), b.duration_sec, b.fps) == ([2.0], None, 25.0)
        assert b.segments_sec.shape == (0, 2)

    def test_without_ground_truth_and_split(self, load):
        with refused('split_file: found'):
            load(None, point_file='a,1,Run\n')


class TestAnnotators:
    FILES = ('a,1,Run\nb,1,Run\nc,1,Run\n', 'a,2,Run\nb,2,Run\nc,2,Run\n', 'a,3,Run\nb,3,Run\n')

    def chosen(self, annotations):
        return {video_id: video.point_sec.tolist() for video_id, video in annotations.videos.items()}

    @pytest.mark.parametrize('annotator', [0, 1])
    def test_fixed(self, load, annotator):
        assert self.chosen(load(point_file=list(self.FILES), annotator=annotator)) == {
            video_id: [annotator + 1.0] for video_id in 'abc'
        }

    def test_fixed_one_who_lacks_a_video(self, load):
        assert self.chosen(load(point_file=list(self.FILES), annotator=2)) == {'a': [3.0], 'b': [3.0], 'c': []}

    @pytest.mark.parametrize('annotator', [3, -1, 'x'])
    def test_no_such_annotator(self, load, annotator):
        with refused(f'annotator: found {annotator!r}, expected the index of one of 3 point files'):
            load(point_file=list(self.FILES), annotator=annotator)

    def test_drawn_per_video_whatever_the_other_videos_are(self, load):
        everything = self.chosen(load(point_file=list(self.FILES), seed=5))
        assert self.chosen(load(point_file=list(self.FILES), seed=5, split_file='c\nb\n')) == {
            'c': everything['c'],
            'b': everything['b'],
        }

    def test_every_annotator_who_has_the_video_is_drawn(self, load):
        draws = [self.chosen(load(point_file=list(self.FILES), seed=seed)) for seed in range(20)]
        assert {draw['a'][0] for draw in draws} == {1.0, 2.0, 3.0}
        assert {draw['c'][0] for draw in draws} == {1.0, 2.0}  # the third one has not seen c
        assert any(draw['a'] != draw['b'] for draw in draws)


class TestClasses:
    @pytest.mark.parametrize('classes', [['Run', 'Hop'], ('Run', 'Hop'), 'Run\nHop\n'])
    def test_given_order(self, load, classes):
        annotations = load(classes=classes)
        assert annotations.classes == ('Run', 'Hop')
        assert annotations.videos['a'].segment_labels.tolist() == [0]

    @pytest.mark.parametrize(
        ('kwargs', 'message'),
        [
            pytest.param(
                dict(classes=['Run']),
                "gt.json: video b: label: found 'Hop'",
                id='segment',
            ),
            pytest.param(
                dict(point_file='a,1,Run\na,2,run\n'),
                "points.txt:2: video a: label: found 'run'",
                id='label of a point',
            ),
            pytest.param(
                dict(point_file='class,class_index,video_id,point\nHop,0,a,1\nRun,2,a,1\n'),
                "points.csv:3: video a: class_index: found 2.0, expected 1, the place of 'Run' in the class list",
                id='index',
            ),
            pytest.param(dict(classes=['Run', 'Hop', 'Run']), 'classes: found', id='name twice'),
            pytest.param(dict(classes=[]), 'classes: found [], expected one or more names', id='no names'),
            pytest.param(dict(classes=['Run', 'Hop', 3]), 'classes: found', id='a number for a name'),
            pytest.param(dict(classes=['Run', 'Hop', 'background']), 'marks background clicks', id='background'),
            pytest.param(dict(database=NO_SEGMENTS), 'classes: found [], expected', id='no labels anywhere'),
        ],
    )
    def test_disagreement(self, load, kwargs, message):
        with refused(message):
            load(**kwargs)

    def test_wrong_labels_of_other_splits_do_no_harm(self, load):
        assert load(split_file='a\n', classes=['Run'], point_file='b,1,Jump\n').classes == ('Run',)

    def test_a_file_of_durations_leaves_the_classes_to_the_points(self, load):
        assert load(NO_SEGMENTS, point_file='a,1,Run\na,2,Hop\na,3,background\n').classes == ('Hop', 'Run')


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
    annotations = load_annotations(
        root / 'gt_full.json',
        split_file=root / 'split_train.txt',
        point_file=root / 'point_manual/THUMOS3.txt',
    )
    save_plain(tmp_path / 'plain.json', annotations)
    assert_same(annotations, load_annotations(tmp_path / 'plain.json'))
