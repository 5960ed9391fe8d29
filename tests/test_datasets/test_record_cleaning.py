"""Faulty entries of annotation files: which are kept, which give a warning, and which are an error."""

import pytest
from refusals import refused


def one_video(*segments, **changes):
    """Video a of 20 s at 10 frames per second, with segments of ``(start, end, label)``."""
    rows = [{'label': label, 'segment': [start, end]} for start, end, label in segments]
    return {'a': {'duration': 20.0, 'fps': 10, 'annotations': rows, **changes}}


@pytest.mark.parametrize(
    'reason, given, kept, warning',
    [
        ('past the end', [(18, 25)], [[18, 20]], 'end after the video'),
        ('wholly past it', [(20, 25)], [[20, 25]], 'end after the video'),
        ('no length, as in ActivityNet', [(3, 3), (4, 5)], [[3, 3], [4, 5]], 'without length'),
        ('repeated', [(1, 2), (1, 2)], [[1, 2]], 'duplicate segments'),
        ('order of the file', [(18, 20), (1, 2)], [[18, 20], [1, 2]], None),
    ],
)
def test_dirty_segments(load, warnings, reason, given, kept, warning):
    a = load(one_video(*[(*segment, 'Run') for segment in given])).videos['a']
    assert a.segments_sec.tolist() == kept, reason
    assert len(a.segment_labels) == len(kept)
    assert len(warnings) == (warning is not None)
    assert warning is None or (warning in warnings[0] and warnings[0].endswith('1, in a'))


def test_segments_that_are_clean(load, warnings):
    # Two classes at the same time are no error.
    both = load(one_video((1, 2, 'Diving'), (1, 2, 'CliffDiving'))).videos['a']
    assert (both.segments_sec.tolist(), both.segment_labels.tolist()) == ([[1, 2], [1, 2]], [1, 0])
    unclipped = load(one_video((18, 2500, 'Run'), duration=None)).videos['a']
    assert unclipped.segments_sec.tolist() == [[18, 2500]]
    assert warnings == []


def test_all_dirt_of_all_videos_gives_one_warning(load, warnings):
    dirty = one_video((3, 3, 'Run'), (18, 25, 'Run'), (30, 31, 'Run'))['a']
    load(dict.fromkeys('abcde', dirty), point_file='a,20.5,Run\nunknown,1,Run\nunknown,2,Run\n')
    (warning,) = warnings
    for part in ('gt.json, ', 'without length', ': 5, in a, b, c and 2 more; ', 'unknown videos', ': 2, in unknown; '):
        assert part in warning


def test_ambiguous_ranges(load):
    annotations = load(ambiguous_file='a  0.0 1.5\nelsewhere  1 2\na  7 9\n')  # unlisted videos are no error
    assert annotations.videos['a'].ambiguous_sec.tolist() == [[0, 1.5], [7, 9]]
    assert annotations.videos['b'].ambiguous_sec.shape == (0, 2)


@pytest.mark.parametrize(
    'reason, rows, sec, instances',
    [
        ('one segment twice: one instance', 'Run,1,9,a,80\nRun,1,9,a,30\n', [3, 8], [0, 0]),
        ('the same row twice: one point', 'Run,1,9,a,30\nRun,1,9,a,30\n', [3], [0]),
        ('one segment of two classes', 'Run,1,9,a,30\nHop,1,9,a,30\n', [3, 3], [0, 1]),
        ('two segments', 'Run,1,9,a,30\nRun,10,20,a,150\n', [3, 15], [0, 1]),
        ('boundaries unknown', 'Run,,,a,30\nRun,,,a,40\n', [3, 4], [0, 1]),
    ],
)
def test_instances_of_points(load, reason, rows, sec, instances):
    a = load(point_file='class,start_frame,stop_frame,video_id,point\n' + rows).videos['a']
    assert (a.point_sec.tolist(), a.point_instances.tolist()) == (sec, instances), reason


def test_points_in_frames_need_a_rate(load):
    frames = 'class,video_id,point\nRun,a,50\n'
    a = load(point_file=frames, fps_file={'a': 25}).videos['a']
    assert (a.fps, a.point_sec.tolist()) == (25.0, [2.0])  # the file of frame rates overrides the annotation file
    with refused('point_file.csv:2: video a: fps'):
        load(one_video(fps=None), classes=['Run'], point_file=frames)
    a = load(one_video(fps=None), point_file='a,2,Run\n').videos['a']
    assert (a.fps, a.point_sec.tolist()) == (None, [2.0])


def test_background_clicks(load):
    annotations = load(point_file='a,7,background\na,2,Run\na,3,background\n')
    a = annotations.videos['a']
    assert (a.background_sec.tolist(), a.point_sec.tolist()) == ([3.0, 7.0], [2.0])
    assert annotations.classes == ('Hop', 'Run')
    a = load(point_file='a,7,nothing\n', background_label='nothing').videos['a']
    assert (a.background_sec.tolist(), a.point_sec.tolist()) == ([7.0], [])


def test_a_point_file_replaces_the_points_of_a_plain_file(load):
    video = {'points': [{'time_sec': 1, 'label': 'Hop'}], 'background_points_sec': [2]}
    plain = {'format': 'fsptal_mm', 'version': 1, 'classes': ['Run', 'Hop'], 'videos': {'a': video}}
    own, other = load(plain).videos['a'], load(plain, point_file='a,5,Run\n').videos['a']
    assert (own.point_sec.tolist(), own.point_labels.tolist(), own.background_sec.tolist()) == ([1], [1], [2])
    assert (other.point_sec.tolist(), other.point_labels.tolist(), other.background_sec.tolist()) == ([5], [0], [])


@pytest.mark.parametrize(
    'reason, points, kept, is_said',
    [
        # Up to 4 % of the points of SF-Net's annotators lie outside all segments. They are kept, since training must
        # not read segments.
        ('outside any segment', 'a,19,Run\n', [19], False),
        ('of other splits', 'a,1,Run\nb,2,Hop\nc,3,Run\n', [1], False),
        ('at the end', 'a,20,Run\n', [20], False),
        ('up to a second past it', 'a,21,Run\n', [20], True),
    ],
)
def test_points_that_are_kept(load, warnings, reason, points, kept, is_said):
    videos = load(split_file='a\n', point_file=points).videos
    assert list(videos) == ['a']
    assert videos['a'].point_sec.tolist() == kept, reason
    assert bool(warnings) == is_said


def test_a_point_outside_the_video_is_refused(load):
    with refused("point_file.txt:2: video a: point: found '21.1 s'"):
        load(point_file='b,21.1,Run\na,21.1,Run\n')
