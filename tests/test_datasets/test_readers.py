"""Readers of every format: the content that they read from a good file, and the error of a bad file."""

import pytest
from refusals import refused

from fsptal_mm.datasets.annotations.json_readers import read_annotations
from fsptal_mm.datasets.annotations.point_readers import read_points
from fsptal_mm.datasets.annotations.readers import read_ambiguous, read_classes, read_fps, read_split

CSV = 'class,class_index,start_frame,stop_frame,video_id,point\n'


def database(**video):
    return {'database': {'v': {'annotations': [], **video}}}


def segment(start, end, label='Run'):
    return database(annotations=[{'label': label, 'segment': [start, end]}])


def plain(**video):
    return {'format': 'fsptal_mm', 'version': 1, 'classes': ['Run'], 'videos': {'v': video}}


def test_lists(write):
    # CRLF, blank lines, spaces, no newline at the end: all found in published files
    assert read_split(write('split.txt', 'b \r\n\r\n a')) == ['b', 'a']
    assert read_classes(write('classes.txt', 'put on\nchop\n')) == ['put on', 'chop']
    assert read_fps(write('fps.json', {' a ': 29.97, 'b': '25'})) == {'a': 29.97, 'b': 25.0}
    ambiguous = read_ambiguous(write('ambiguous.txt', 'a  0.0 1.4\nb  5 6\na  7.5 9\n'))
    assert ambiguous == {'a': [(0.0, 1.4), (7.5, 9.0)], 'b': [(5.0, 6.0)]}


def test_csv_reads_the_point_and_nothing_of_the_boundaries(write):
    path = write('p.csv', CSV + 'Run,0,10.5,90,v,44\r\n\r\n Run ,,,, w ,3')
    first, second = read_points(path)
    assert (first.video_id, first.label, first.time, first.in_frames) == ('v', 'Run', 44, True)
    # Boundaries are only compared with those of other rows, and never used as times. Blank lines count in line numbers.
    assert (first.class_index, first.instance) == (0, ('10.5', '90'))
    assert (second.video_id, second.label, second.instance, second.class_index) == ('w', 'Run', None, None)
    assert second.where == f'{path}:4'
    # No other columns are needed.
    (row,) = read_points(write('p.csv', '\ufeffpoint, video_id, class\n7, v, "wash, hands"\n'))
    assert (row.time, row.video_id, row.label, row.instance) == (7.0, 'v', 'wash, hands', None)


@pytest.mark.parametrize('name', ['p.tsv', 'p.txt'])
def test_the_columns_of_lacp_between_tabs(write, name):
    (row,) = read_points(write(name, 'video_id\tpoint\tclass\nv\t44\twash, hands\n'))
    assert (row.video_id, row.label, row.time, row.in_frames) == ('v', 'wash, hands', 44, True)


def test_points_in_seconds_in_quotes(write):
    rows = read_points(write('p.txt', '"v 1","8.5","Run"\n v 1 , 9 , "wash, hands" \n"","",""\n'))
    assert [(row.video_id, row.time, row.label) for row in rows] == [('v 1', 8.5, 'Run'), ('v 1', 9, 'wash, hands')]


def test_points_in_seconds(write):
    # CRLF, blank lines, stray spaces and times out of order: all found in SF-Net's files
    path = write('p.txt', 'v,68.9,Run\r\n\r\nv,8.5, Run \r\nw,1,wash, hands')
    assert [(row.video_id, row.time, row.label, row.in_frames) for row in read_points(path)] == [
        ('v', 68.9, 'Run', False),
        ('v', 8.5, 'Run', False),
        ('w', 1.0, 'wash, hands', False),
    ]
    path = write('p.json', plain(points=[{'time_sec': 2, 'label': 'Run'}]))
    assert [(row.video_id, row.time) for row in read_points(path)] == [('v', 2.0)]


def test_json_of_lacp_and_hrpro(write):
    content = {'database': {'v': {'subset': 'test', 'annotations': [{'segment': ['18.6', '24'], 'label': 'Run '}]}}}
    classes, videos = read_annotations(write('gt.json', content))  # numbers as texts, and no duration
    assert classes is None
    assert videos['v'].segments == [(18.6, 24.0, 'Run')]
    assert (videos['v'].subset, videos['v'].duration_sec, videos['v'].fps) == ('test', None, None)
    content = segment(1.5, 2) | {'version': '1.0', 'taxomony': ''}  # further fields are ignored
    content['database']['v'].update(duration=10.5, fps=30, num_frames=315, subset='training')
    video = read_annotations(write('gt_full.json', content)).videos['v']
    assert (video.duration_sec, video.fps, video.segments) == (10.5, 30.0, [(1.5, 2.0, 'Run')])


def test_plain_json(write):
    content = plain(
        duration_sec=9,
        points=[{'time_sec': 1.25, 'label': 'Run', 'instance': 4}, {'time_sec': 3, 'label': 'Run'}],
        background_points_sec=[7.5],
        segments=[{'start_sec': 1, 'end_sec': 2, 'label': 'Run'}],
        ambiguous=[{'start_sec': 4, 'end_sec': 5}],
    )
    classes, videos = read_annotations(write('plain.json', content))
    assert classes == ['Run']
    rows = [(row.label, row.time, row.instance) for row in videos['v'].points]
    assert rows == [('Run', 1.25, 4), ('Run', 3.0, None), (None, 7.5, None)]
    assert videos['v'].segments == [(1.0, 2.0, 'Run')]
    assert videos['v'].ambiguous == [(4.0, 5.0)]
    video = read_annotations(write('plain.json', plain())).videos['v']  # every field may be missing
    assert (video.subset, video.duration_sec, video.points, video.segments) == (None, None, [], [])


READERS = {'split': read_split, 'fps': read_fps, 'ambiguous': read_ambiguous, 'gt': read_annotations, 'p': read_points}
POINT = {'label': 'Run', 'time_sec': 1}
ROW = CSV + 'Run,0,1,9,v,5\n'
BAD_FILES = {  # name of the file, whose stem chooses the reader; its content; texts that the error must contain
    'blank lines only': ('split.txt', '\n \n', 'split.txt'),
    'an id twice': ('split.txt', 'a\nb\na\n', "split.txt:3: found 'a'"),
    'Latin-1': ('split.txt', b'caf\xe9\n', 'UTF-8'),
    'a word for a rate': ('fps.json', {'a': 'fast'}, 'fps.json: video a: fps'),
    'range without end': ('ambiguous.txt', 'b 1 2\na 1', 'ambiguous.txt:2'),
    'range reversed': ('ambiguous.txt', 'b 1 2\na 3 2', 'ambiguous.txt:2: video a: found [3.0, 2.0]'),
    'video is no object': ('gt.json', {'database': {'v': 3}}, 'video v: database'),
    'plain, pair': ('gt.json', plain(segments=[[1, 2]]), 'segments[0]'),
    'csv, no point column': ('p.csv', 'class,video_id\n', 'p.csv:1'),
    'csv, a column twice': ('p.csv', 'class,class,video_id,point\nRun,Walk,v,5\n', 'p.csv:1'),
    'csv, a field too few': ('p.csv', ROW + 'Run,0,1,9,v', 'p.csv:3: found 5'),
    'csv, a word': ('p.csv', ROW + 'Run,0,1,9,v,five', 'p.csv:3: video v: point'),
    'csv, negative': ('p.csv', ROW + 'Run,0,1,9,v,-1', 'p.csv:3: video v: point'),
    'csv, no video': ('p.csv', ROW + 'Run,0,1,9,,5', 'p.csv:3: video_id'),
    'csv, class index': ('p.csv', ROW + 'Run,x,1,9,v,5', 'p.csv:3: video v: class_index'),
    'csv, quote that never ends': ('p.csv', ROW + '"Run,0,1,9,v,5', 'p.csv:3'),
    'txt, no label': ('p.txt', 'v,1,Run\n\nv,5', 'p.txt:3'),
    'txt, a word': ('p.txt', 'v,1,Run\n\nv,five,Run', 'p.txt:3: video v: seconds'),
    'json without points': ('p.json', {'database': {}}, 'p.json: format'),
    'unknown suffix': ('p.npy', '', 'point_file: found'),
    'cut off': ('gt.json', '{"database": ', 'gt.json:1'),
    'neither form': ('gt.json', {'videos': {}}, "found ['videos']"),
    'a video twice': ('gt.json', '{"database": {"v": {}, "v": {}}}', 'v: found'),
    'but for a space': ('gt.json', {'database': {key: {'annotations': []} for key in ('v', 'v ')}}, 'twice'),
    'no label': ('gt.json', database(annotations=[{'segment': [1, 2]}]), "'label'"),
    'label is a number': ('gt.json', segment(1, 2, label=7), 'video v: label: found 7'),
    'segment reversed': ('gt.json', segment(3, 2), 'annotations[0].segment: found [3.0, 2.0]'),
    'segment negative': ('gt.json', segment(-1, 2), 'annotations[0].segment: found -1'),
    'segment of a word': ('gt.json', segment('one', 2), 'annotations[0].segment'),
    'segment without end': ('gt.json', database(annotations=[{'label': 'a', 'segment': [1]}]), 'segment'),
    'no length': ('gt.json', database(duration=0), 'video v: duration: found 0'),
    'subset is a number': ('gt.json', database(subset=1), 'video v: subset: found 1'),
    'plain, later version': ('gt.json', plain() | {'version': 2}, 'version: found 2'),
    'plain, misspelt field': ('gt.json', plain(point=[]), "video v: found ['point']"),
    'plain, point is a number': ('gt.json', plain(points=[1]), 'video v: found 1'),
    'plain, no time': ('gt.json', plain(points=[{'label': 'Run'}]), 'points[0].time_sec'),
    'plain, background': ('gt.json', plain(background_points_sec=['x']), 'background_points_sec[0]'),
    'plain, no end': ('gt.json', plain(ambiguous=[{'start_sec': 1}]), 'ambiguous[0]'),
    'plain, instance': ('gt.json', plain(points=[{**POINT, 'instance': 'a'}]), 'points[0].instance'),
}


@pytest.mark.parametrize('reason', BAD_FILES)
def test_bad_files(write, reason):
    name, content, named = BAD_FILES[reason]
    with refused(named):
        READERS[name.partition('.')[0]](write(name, content))


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / 'nowhere.txt', tmp_path):
        with refused(str(path)):
            read_split(path)
