import re

import pytest

from fsptal_mm.datasets.annotations.json_readers import read_annotations
from fsptal_mm.utils.errors import InputError


def refused(message):
    return pytest.raises(InputError, match=re.escape(message))


def database(**video):
    return {'database': {'v': {'annotations': [], **video}}}


def segment(start, end, label='Run'):
    return database(annotations=[{'label': label, 'segment': [start, end]}])


def plain(**video):
    return {'format': 'fsptal_mm', 'version': 1, 'classes': ['Run'], 'videos': {'v': video}}


class TestJson:
    def test_lacp_has_texts_for_numbers_and_no_duration(self, write):
        content = {'database': {'v': {'subset': 'test', 'annotations': [{'segment': ['18.6', '24'], 'label': 'Run '}]}}}
        classes, videos = read_annotations(write('gt.json', content))
        assert classes is None
        assert videos['v'].segments == [(18.6, 24.0, 'Run')]
        assert (videos['v'].subset, videos['v'].duration_sec, videos['v'].fps) == ('test', None, None)

    def test_hrpro_has_more_fields_than_needed(self, write):
        content = segment(1.5, 2)
        content.update(version='1.0', taxomony='')
        content['database']['v'].update(duration=10.5, fps=30, num_frames=315, subset='training')
        video = read_annotations(write('gt_full.json', content)).videos['v']
        assert (video.duration_sec, video.fps, video.segments) == (10.5, 30.0, [(1.5, 2.0, 'Run')])

    def test_plain_form(self, write):
        content = plain(
            duration_sec=9,
            points=[{'time_sec': 1.25, 'label': 'Run', 'instance': 4}, {'time_sec': 3, 'label': 'Run'}],
            background_points_sec=[7.5],
            segments=[{'start_sec': 1, 'end_sec': 2, 'label': 'Run'}],
            ambiguous=[{'start_sec': 4, 'end_sec': 5}],
        )
        classes, videos = read_annotations(write('plain.json', content))
        assert classes == ['Run']
        assert [(row.label, row.time, row.instance) for row in videos['v'].points] == [
            ('Run', 1.25, 4),
            ('Run', 3.0, None),
            (None, 7.5, None),
        ]
        assert videos['v'].segments == [(1.0, 2.0, 'Run')]
        assert videos['v'].ambiguous == [(4.0, 5.0)]

    def test_every_field_of_a_plain_video_may_be_missing(self, write):
        video = read_annotations(write('plain.json', plain())).videos['v']
        assert (video.subset, video.duration_sec, video.points, video.segments) == (None, None, [], [])

    @pytest.mark.parametrize(
        ('content', 'message'),
        [
            pytest.param('{"database": ', 'gt.json:1: found', id='cut off'),
            pytest.param('[1, 2]', "found 'list'", id='a list'),
            pytest.param({'videos': {}}, "top level: found ['videos']", id='neither form'),
            pytest.param({'database': []}, 'database: found []', id='database is a list'),
            pytest.param('{"database": {"v": {}, "v": {}}}', "v: found '2 times'", id='video twice'),
            pytest.param(
                {'database': {'v': {'annotations': []}, 'v ': {'annotations': []}}}, 'twice', id='but a space'
            ),
            pytest.param({'database': {'v': 3}}, 'video v: database: found 3', id='no object'),
            pytest.param({'database': {'v': {'duration': 3}}}, "a list named 'annotations'", id='no annotations'),
            pytest.param(database(annotations=[3]), 'video v: found 3', id='no pair'),
            pytest.param(database(annotations=[{'segment': [1, 2]}]), "a text named 'label'", id='no label'),
            pytest.param(segment(1, 2, label=' '), "video v: label: found ' '", id='empty label'),
            pytest.param(segment(1, 2, label=7), 'video v: label: found 7', id='label is a number'),
            pytest.param(segment(3, 2), 'annotations[0].segment: found [3.0, 2.0]', id='reversed'),
            pytest.param(segment(-1, 2), 'annotations[0].segment: found -1', id='negative'),
            pytest.param(segment(1, float('nan')), 'annotations[0].segment: found nan', id='NaN'),
            pytest.param(segment('1e999', 2), "segment: found '1e999'", id='infinite'),
            pytest.param(segment('one', 2), "segment: found 'one'", id='a word'),
            pytest.param(segment(None, 2), "segment: found 'null'", id='null'),
            pytest.param(segment(True, 2), 'segment: found True', id='a truth value'),
            pytest.param(database(annotations=[{'label': 'a', 'segment': [1]}]), 'a start and an end', id='no end'),
            pytest.param(database(duration=0), 'video v: duration: found 0', id='no length'),
            pytest.param(database(fps=-1), 'video v: fps: found -1', id='negative fps'),
            pytest.param(database(subset=1), 'video v: subset: found 1', id='subset is a number'),
        ],
    )
    def test_refuses(self, write, content, message):
        with refused(message):
            read_annotations(write('gt.json', content))

    @pytest.mark.parametrize(
        ('content', 'message'),
        [
            pytest.param({**plain(), 'version': 2}, 'version: found 2', id='later version'),
            pytest.param({**plain(), 'classes': 'Run'}, "classes: found 'Run'", id='class list'),
            pytest.param(plain(point=[]), "video v: found ['point']", id='misspelt field'),
            pytest.param(plain(points={}), 'video v: points: found {}', id='points is an object'),
            pytest.param(plain(points=[1]), 'video v: found 1', id='point is a number'),
            pytest.param(plain(points=[{'label': 'Run'}]), "points[0].time_sec: found 'null'", id='no time'),
            pytest.param(
                plain(points=[{'label': 'Run', 'time_sec': -1}]), 'points[0].time_sec: found -1', id='negative'
            ),
            pytest.param(plain(background_points_sec=['x']), "background_points_sec[0]: found 'x'", id='background'),
            pytest.param(plain(segments=[[1, 2]]), 'segments[0]: found [1, 2]', id='pair'),
            pytest.param(plain(ambiguous=[{'start_sec': 1}]), "ambiguous[0]: found 'null'", id='no end'),
            pytest.param(
                plain(points=[{'label': 'Run', 'time_sec': 1, 'instance': 'a'}]),
                "points[0].instance: found 'a'",
                id='instance is a text',
            ),
        ],
    )
    def test_plain_form_refuses(self, write, content, message):
        with refused(message):
            read_annotations(write('plain.json', content))
