import re

import pytest

from fsptal_mm.datasets.annotations.point_readers import read_points
from fsptal_mm.utils.errors import InputError

PLAIN = {'format': 'fsptal_mm', 'version': 1, 'classes': ['Run']}
CSV_HEAD = 'class,class_index,start_frame,stop_frame,video_id,point\n'


def refused(message):
    return pytest.raises(InputError, match=re.escape(message))


class TestPoints:
    def test_csv_reads_the_point_and_nothing_of_the_boundaries(self, write):
        path = write('p.csv', CSV_HEAD + 'Run,0,10.5,90,v,44\r\n\r\n Run ,,,, w ,3')
        first, second = read_points(path)
        assert (first.video_id, first.label, first.time, first.in_frames, first.class_index) == (
            'v',
            'Run',
            44,
            True,
            0,
        )
        assert first.instance == ('10.5', '90')  # compared with other rows, never used as a time
        assert (second.video_id, second.label, second.instance, second.class_index) == ('w', 'Run', None, None)
        assert second.where == f'{path}:4'  # the blank line counts

    def test_csv_needs_three_columns_only_in_any_order(self, write):
        (row,) = read_points(write('p.csv', '\ufeffpoint, video_id, class\n7, v, "wash, hands"\n'))
        assert (row.time, row.video_id, row.label, row.instance) == (7.0, 'v', 'wash, hands', None)

    @pytest.mark.parametrize(
        ('line', 'message'),
        [
            pytest.param('Run,0,1,9,v', 'p.csv:3: found 5', id='a field too few'),
            pytest.param('Run,0,1,9,v,5,7', 'p.csv:3: found 7', id='a field too many'),
            pytest.param('Run,0,1,9,v,five', "p.csv:3: video v: point: found 'five'", id='a word'),
            pytest.param('Run,0,1,9,v,nan', "p.csv:3: video v: point: found 'nan'", id='NaN'),
            pytest.param('Run,0,1,9,v,inf', "p.csv:3: video v: point: found 'inf'", id='infinite'),
            pytest.param('Run,0,1,9,v,-1', "p.csv:3: video v: point: found '-1'", id='< 0'),
            pytest.param('Run,0,1,9,v,', "p.csv:3: video v: point: found ''", id='no point'),
            pytest.param('Run,0,1,9,,5', 'p.csv:3: video_id: found', id='no video'),
            pytest.param(',0,1,9,v,5', 'p.csv:3: class: found', id='no class'),
            pytest.param('Run,x,1,9,v,5', "p.csv:3: video v: class_index: found 'x'", id='class index'),
            pytest.param('"Run,0,1,9,v,5', 'p.csv:3: found', id='quote that never ends'),
        ],
    )
    def test_csv_refuses(self, write, line, message):
        with refused(message):
            read_points(write('p.csv', f'{CSV_HEAD}Run,0,1,9,v,5\n{line}'))

    @pytest.mark.parametrize('head', ['', 'class,video_id\n'])
    def test_csv_without_its_columns(self, write, head):
        with refused('p.csv:1: found'):
            read_points(write('p.csv', head))

    def test_sfnet_txt(self, write):
        # CRLF, blank lines, stray spaces and times out of order: all found in SF-Net's files
        path = write('p.txt', 'v,68.9,Run\r\n\r\nv,8.5, Run \r\nw,1,wash, hands')
        assert [(row.video_id, row.time, row.label, row.in_frames) for row in read_points(path)] == [
            ('v', 68.9, 'Run', False),
            ('v', 8.5, 'Run', False),
            ('w', 1.0, 'wash, hands', False),
        ]

    @pytest.mark.parametrize(
        ('line', 'message'),
        [
            pytest.param('v,5', "p.txt:3: found 'v,5'", id='no label'),
            pytest.param('v,5,', "p.txt:3: found 'v,5,'", id='empty label'),
            pytest.param('v,five,Run', "p.txt:3: video v: seconds: found 'five'", id='a word'),
            pytest.param('v,-5,Run', "p.txt:3: video v: seconds: found '-5'", id='negative'),
        ],
    )
    def test_sfnet_txt_refuses(self, write, line, message):
        with refused(message):
            read_points(write('p.txt', f'v,1,Run\n\n{line}\n'))

    def test_plain_json(self, write):
        path = write('p.json', {**PLAIN, 'videos': {'v': {'points': [{'time_sec': 2, 'label': 'Run'}]}}})
        assert [(row.video_id, row.time) for row in read_points(path)] == [('v', 2.0)]

    def test_json_of_another_form_has_no_points(self, write):
        with refused("p.json: format: found 'none'"):
            read_points(write('p.json', {'database': {}}))

    def test_unknown_suffix(self, write):
        with refused("point_file: found '.npy'"):
            read_points(write('p.npy', ''))
