import re

import pytest

from fsptal_mm.utils.errors import InputError


def refused(message):
    return pytest.raises(InputError, match=re.escape(message))


def one_video(**changes):
    return {'a': {'duration': 20.0, 'fps': 10, 'annotations': [], **changes}}


def segments(*segments, **changes):
    return one_video(annotations=[{'label': label, 'segment': [s, e]} for s, e, label in segments], **changes)


def test_a_point_outside_any_segment_is_kept(load, warnings):
    # the annotators of SF-Net set up to 4 % of their points so, and training must not look at segments
    a = load(point_file='a,19,Run\n').videos['a']
    assert a.point_sec.tolist() == [19.0]
    assert warnings == []


class TestSegments:
    @pytest.mark.parametrize(
        ('given', 'kept', 'warning'),
        [
            pytest.param(
                [(18, 25)],
                [[18, 20]],
                'end after the video (clipped; kept if they also start after it): 1, in a',
                id='past the end',
            ),
            pytest.param([(20, 25)], [[20, 25]], 'end after the video (clipped; kept', id='wholly past it'),
            pytest.param(
                [(3, 3), (4, 5)],
                [[3, 3], [4, 5]],
                'without length (kept; no detection can match them): 1',
                id='as in ActivityNet',
            ),
            pytest.param([(1, 2), (1, 2)], [[1, 2]], 'duplicate segments (one kept): 1, in a', id='repeated'),
            pytest.param([(18, 20), (1, 2)], [[18, 20], [1, 2]], None, id='order of the file'),
        ],
    )
    def test_dirt(self, load, warnings, given, kept, warning):
        a = load(segments(*[(start, end, 'Run') for start, end in given])).videos['a']
        assert a.segments_sec.tolist() == kept
        assert a.segments_sec.shape == (len(kept), 2)
        assert len(a.segment_labels) == len(kept)
        assert len(warnings) == (warning is not None)
        assert warning is None or warning in warnings[0]

    def test_one_stretch_of_two_classes_is_two_segments(self, load, warnings):
        a = load(segments((1, 2, 'Diving'), (1, 2, 'CliffDiving'))).videos['a']
        assert a.segments_sec.tolist() == [[1, 2], [1, 2]]
        assert a.segment_labels.tolist() == [1, 0]
        assert warnings == []

    def test_nothing_is_clipped_without_duration(self, load, warnings):
        assert load(segments((18, 2500, 'Run'), duration=None)).videos['a'].segments_sec.tolist() == [[18, 2500]]
        assert warnings == []

    def test_all_dirt_of_all_videos_gives_one_warning(self, load, warnings):
        database = {
            name: segments((3, 3, 'Run'), (18, 25, 'Run'), (30, 31, 'Run'))['a'] for name in ('a', 'b', 'c', 'd', 'e')
        }
        load(database, point_file='a,20.5,Run\nunknown,1,Run\nunknown,2,Run\n')
        (warning,) = warnings
        assert 'segments without length (kept; no detection can match them): 5, in a, b, c and 2 more; ' in warning
        assert 'points of unknown videos (left out): 2, in unknown; ' in warning
        assert 'gt.json, ' in warning

    def test_ambiguous_ranges(self, load):
        annotations = load(ambiguous_file='a  0.0 1.5\nelsewhere  1 2\na  7 9\n')  # unlisted videos are no error
        assert annotations.videos['a'].ambiguous_sec.tolist() == [[0, 1.5], [7, 9]]
        assert annotations.videos['b'].ambiguous_sec.shape == (0, 2)


class TestPoints:
    @pytest.mark.parametrize(
        ('rows', 'sec', 'instances'),
        [
            pytest.param('Run,1,9,a,80\nRun,1,9,a,30\n', [3, 8], [0, 0], id='one segment twice: one instance'),
            pytest.param('Run,1,9,a,30\nRun,1,9,a,30\n', [3], [0], id='the same row twice: one point'),
            pytest.param('Run,1,9,a,30\nHop,1,9,a,30\n', [3, 3], [0, 1], id='one segment of two classes'),
            pytest.param('Run,1,9,a,30\nRun,10,20,a,150\n', [3, 15], [0, 1], id='two segments'),
            pytest.param('Run,,,a,30\nRun,,,a,40\n', [3, 4], [0, 1], id='boundaries unknown'),
        ],
    )
    def test_instances(self, load, rows, sec, instances):
        a = load(point_file='class,start_frame,stop_frame,video_id,point\n' + rows).videos['a']
        assert a.point_sec.tolist() == sec
        assert a.point_instances.tolist() == instances

    def test_fps_file_decides_over_the_annotation_file(self, load):
        a = load(point_file='class,video_id,point\nRun,a,50\n', fps_file={'a': 25}).videos['a']
        assert (a.fps, a.point_sec.tolist()) == (25.0, [2.0])

    def test_frames_without_rate(self, load):
        with refused('points.csv:2: video a: fps'):
            load(one_video(fps=None), classes=['Run'], point_file='class,video_id,point\nRun,a,50\n')

    def test_seconds_need_no_rate(self, load):
        a = load(one_video(fps=None), point_file='a,2,Run\n').videos['a']
        assert (a.fps, a.point_sec.tolist()) == (None, [2.0])

    def test_background_clicks(self, load):
        annotations = load(point_file='a,7,background\na,2,Run\na,3,background\n')
        a = annotations.videos['a']
        assert a.background_sec.tolist() == [3.0, 7.0]
        assert a.point_sec.tolist() == [2.0]
        assert annotations.classes == ('Hop', 'Run')

    def test_background_of_another_name(self, load):
        a = load(point_file='a,7,nothing\n', background_label='nothing').videos['a']
        assert (a.background_sec.tolist(), a.point_sec.tolist()) == ([7.0], [])

    def test_points_of_other_splits_are_left_out_silently(self, load, warnings):
        annotations = load(split_file='a\n', point_file='a,1,Run\nb,2,Hop\nc,3,Run\n')
        assert list(annotations.videos) == ['a']
        assert warnings == []

    def test_points_instead_of_those_of_a_plain_file(self, load):
        plain = {
            'format': 'fsptal_mm',
            'version': 1,
            'classes': ['Run', 'Hop'],
            'videos': {'a': {'points': [{'time_sec': 1, 'label': 'Hop'}], 'background_points_sec': [2]}},
        }
        own = load(plain).videos['a']
        assert (own.point_sec.tolist(), own.point_labels.tolist(), own.background_sec.tolist()) == ([1], [1], [2])
        other = load(plain, point_file='a,5,Run\n').videos['a']
        assert (other.point_sec.tolist(), other.point_labels.tolist(), other.background_sec.tolist()) == ([5], [0], [])

    @pytest.mark.parametrize(
        ('sec', 'kept'),
        [
            pytest.param(20.0, 20.0, id='at the end'),
            pytest.param(21.0, 20.0, id='a second past it: moved, with a warning'),
        ],
    )
    def test_end_of_the_video(self, load, warnings, sec, kept):
        assert load(point_file=f'a,{sec},Run\n').videos['a'].point_sec.tolist() == [kept]
        assert len(warnings) == (sec != kept)

    def test_point_outside_the_video(self, load):
        with refused("points.txt:2: video a: point: found '21.1 s'"):
            load(point_file='b,21.1,Run\na,21.1,Run\n')
