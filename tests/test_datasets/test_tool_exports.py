"""Reading of points from exports of other tools and from any table, and reading of clock times."""

import json

import pytest
from tool_modules import load_tool

from fsptal_mm.datasets.annotations.point_readers import read_points
from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.datasets.annotations.tables import read_table, to_seconds, video_name
from fsptal_mm.datasets.videos.reader import VIDEO_SUFFIXES
from fsptal_mm.utils.errors import InputError

VIA_HEAD = """\
# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)
# Notes:
# - metadata of {""1"":""3""} indicates attribute with id "1" set to an attribute option with id "3"
# ATTRIBUTE = {"1":{"aname":"action","options":{"0":"leap","1":"throw"}},"2":{"aname":"note"}}
# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata
"""
ELAN_NAMES = 'Tier\tBegin Time - hh:mm:ss.ms\tBegin Time - ss.msec\tEnd Time - hh:mm:ss.ms\tEnd Time - ss.msec\tText\n'
# A row with two players. The second player shows the same scene from another side, so its video is not read.
BORIS_ROW = 'o\tplayer #1:a b.MP4;c.mp4|player #2:d.mp4\t10.000;20.000|30.000\t25\tx\trun\t{}\t{}\t{}\t{}\n'


def points(rows):
    """Video, label and time of each point; the time is a number of seconds, or a text such as ``'5 frames'``."""
    times = [f'{row.time:g} frames' if row.in_frames else round(row.time, 6) for row in rows]
    return [(row.video_id, row.label, time) for row, time in zip(rows, times)]


def task(video, *values):
    """A task of Label Studio, with one annotation of these values."""
    return {'data': {'video': video}, 'annotations': [{'result': [{'value': value} for value in values]}]}


STRETCH = {'ranges': [{'start': 31, 'end': 31}], 'timelinelabels': ['jump']}
STUDIO = task(
    '/data/upload/3/1a2b3c4d-a%20b.mp4',
    {'ranges': [{'start': 31, 'end': 31}], 'timelinelabels': ['jump', 'far']},
    {'start': 1.5, 'end': 2.5, 'labels': ['throw']},
    {'choices': ['good']},
)
STUDIO_HEAD = 'created_at,annotation_id,lead_time,meta,video,id,videoLabels\n'
CANCELLED = {'was_cancelled': True, 'result': [{'value': {'start': 0, 'end': 1, 'labels': ['no']}}]}
STUDIO['annotations'].insert(0, CANCELLED)
EXPORTS = {
    'VIA': (
        'p.csv',
        VIA_HEAD
        + '"1_a","[""dir/a b.mp4""]",0,"[4.633]","[]","{""1"":""0""}"\n'
        + '"1_b","[""c.mkv""]",0,"[1,4]","[]","{""1"":""1"",""2"":""x""}"\n'
        + '"1_c","[""c.mkv""]",0,"[]","[2,1,1,5,5]","{""1"":""0""}"\n'
        + '"1_d","[""c.mkv""]",0,"[2.5]","[]","{""1"":"""",""2"":""free""}"\n'
        + '"1_e","[""c.mkv""]",0,"[7]","[]","{""1"":""0,1""}"\n',
        [('a b', 'leap', 4.633), ('c', 'throw', 2.5), ('c', 'free', 2.5), ('c', 'leap', 7), ('c', 'throw', 7)],
    ),
    'VIA, saved by a spreadsheet': (
        'p.csv',
        '"# ATTRIBUTE = {""1"":{""options"":{""0"":""jump""}}}",,,,,\n"# CSV_HEADER = metadata_id,file_list",,,,,\n'
        + '1_a,"[""a.mp4""]",0,[3],[],"{""1"":""0""}"\n,,,,,\n',
        [('a', 'jump', 3)],
    ),
    'VIA, URLs and a text that was not written': (
        'p.csv',
        '# ATTRIBUTE = {"1":{"aname":"note","options":{}},"3":{"aname":"scene","options":{}}}\n'
        + '# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata\n'
        + '"1_a","[""file:///x/B%C3%BCro%201.mp4""]",0,"[1,3]","[]","{""1"":""_DEFAULT"",""3"":""main title""}"\n'
        + '"1_b","[""100%25.mp4""]",0,"[4]","[]","{""3"":""end""}"\n',
        [('Büro 1', 'main title', 2), ('100%25', 'end', 4)],
    ),
    'VIA, saved with semicolons': (
        'p.csv',
        '# ATTRIBUTE = {"1":{"options":{"0":"jump"}}};;;;;\n# CSV_HEADER = metadata_id;file_list;flags;x;y;z\n'
        + '1_a;"[""a.mp4""]";0;[1,3];[];"{""1"":""0""}"\n',
        [('a', 'jump', 2)],
    ),
    'BORIS, tabular': (
        'p.csv',
        'Observation id,obs\nMedia file(s)\n\nTime,Media file path,Total length,FPS,'
        + 'Subject,Behavior,Behavioral category,Comment,Status\n'
        + '12.5,C:\\videos\\a.mp4,60,25,,jump,,,POINT\n20,C:\\videos\\a.mp4,60,25,x,run,,,START\n'
        + '21,C:\\videos\\a.mp4,60,25,y,run,,,START\n24,C:\\videos\\a.mp4,60,25,x,run,,,STOP\n'
        + '25,C:\\videos\\a.mp4,60,25,y,run,,,STOP\n',
        [('a', 'jump', 12.5), ('a', 'run', 22), ('a', 'run', 23)],
    ),
    # As BORIS 8 writes it: the time of an observation runs on from video to video. The videos are 10 s and 20 s long.
    'BORIS, several videos in an observation': (
        'p.tsv',
        'Observation id\tSource\tMedia duration (s)\tFPS\tSubject\tBehavior\tModifier #1\tBehavior type\tTime\t'
        + 'Media file name\n'
        + BORIS_ROW.format('far', 'START', 2, 'a b.MP4')
        + BORIS_ROW.format('near', 'START', 3, 'a b.MP4')
        + BORIS_ROW.format('far', 'STOP', 4, 'a b.MP4')
        + BORIS_ROW.format('near', 'STOP', 7, 'a b.MP4')
        + BORIS_ROW.format('', 'POINT', 12.5, 'c.mp4')
        + 'o\tplayer #1:x.mp4\t9\t25\tx\thop\t\tPOINT\t9.5\tNot found\n',
        [('a b', 'run', 3), ('a b', 'run', 5), ('c', 'run', 2.5), ('x', 'hop', 9.5)],
    ),
    'BORIS, aggregated': (
        'p.csv',
        'Observation id,Media file name,FPS,Subject,Behavior,Behavior type,Start (s),Stop (s),Duration (s)\n'
        + 'o,a.mp4,25,,jump,POINT,3.25,3.25,0\no,b.mp4,25,,run,STATE,1,2,1\n,,,,,,,,\n',
        [('a', 'jump', 3.25), ('b', 'run', 1.5)],
    ),
    'BORIS, tabs and clock times': (
        'p.tsv',
        'Source\tBehavior\tBehavior type\tTime\nplayer #1:dir/a.mp4\tjump\tPOINT\t00:01:02.5\n',
        [('a', 'jump', 62.5)],
    ),
    'ELAN without a header': (
        'clip.txt',
        'action\t\t00:00:12.400\t12.4\t00:00:12.600\t12.6\t00:00:00.200\t0.2\tlong "jump"\n'
        + 'throw\tann\t00:01:00.000\t60.0\t00:01:00.000\t60.0\t00:00:00.000\t0.0\t\n'
        + 'action\t\t00:01:01.000\t61.0\t00:01:01.000\t61.0\t00:00:00.000\t0.0\t3\n',
        [('clip', 'long "jump"', 12.5), ('clip', 'throw', 60), ('clip', '3', 61)],
    ),
    'ELAN with a header and the media': (
        'x.txt',
        '"#file:///C:/data/x.eaf"\n"#file:///C:/data/my%20video.mp4 -- offset: 0"\n\n'
        + ELAN_NAMES
        + 'a\t00:00:01.000\t1.0\t00:00:02.000\t2.0\tjump\n\t\t\t\t\t\n',
        [('my video', 'jump', 1.5)],
    ),
    'ELAN, a column per tier, milliseconds': (
        'x.txt',
        'Begin Time - msec\tEnd Time - msec\tjump\tthrow\tFile\n'
        + '1000\t2000\tyes\t\tb.eaf\n3000\t4000\thigh\tfar\tb.eaf\n',
        [('b', 'yes', 1.5), ('b', 'high', 3.5), ('b', 'far', 3.5)],
    ),
    'ELAN, path with spaces and dots, times that begin late, PAL': (
        'x.txt',
        '"#file:///D:/my data/Take 2.final.cut.eaf"\n'
        + '"#file:///D:/my data/Take 2.wav -- offset: 0, duration: 00:05:00.000 / 300.000 / 300000"\n'
        + '"#file:///D:/my data/Take 2.final.MP4 -- offset: 1500, duration: 00:05:00.000 / 300.000 / 300000"\n'
        + 'Begin Time - PAL\tBegin Time - msec\tEnd Time - PAL\tEnd Time - msec\tjump\n'
        + '00:00:01:00\t1000\t00:00:02:00\t2000\thigh\n',
        [('Take 2.final', 'high', 3)],
    ),
    'ELAN, in French': (
        'x.txt',
        'Acteur\tParticipant\tTemps de départ - hh:mm:ss.ms\tTemps de départ - ss.msec\t'
        + 'Temps de fin - hh:mm:ss.ms\tTemps de fin - ss.msec\tDurée - ss.msec\tTexte\tFichier\n'
        + 'geste\tA\t00:00:01.000\t1.0\t00:00:02.000\t2.0\t1.0\tsaut\ta b.eaf\n'
        + 'course\tA\t00:00:03.000\t3.0\t00:00:04.000\t4.0\t1.0\t\ta b.eaf\n',
        [('a b', 'saut', 1.5), ('a b', 'course', 3.5)],
    ),
    'ELAN, in German, without end': (
        'x.txt',
        'Anfangszeit - ss.msec\tDauer - ss.msec\tSprung\n10.0\t2.0\thoch\n',
        [('x', 'hoch', 10)],
    ),
    'ELAN, csv': (
        'x.csv',
        '"#file:///D:/x/My session.mp4 -- offset: 0, duration: 00:05:00.000 / 300.000 / 300000",,,\n'
        + '"Begin Time - hh:mm:ss.ms","End Time - hh:mm:ss.ms","act","hand"\n'
        + '00:00:10.000,00:00:14.500,"run, fast",\n00:01:00.000,00:01:02.000,,left\n',
        [('My session', 'run, fast', 12.25), ('My session', 'left', 61)],
    ),
    'ELAN without a header, frames of PAL': (
        'x.txt',
        'act\t\t00:00:12.400\t12.4\t00:00:12:10\t00:00:12.600\t12.6\t00:00:12:15\t'
        + '00:00:00.200\t0.2\t00:00:00:05\tjump\n',
        [('x', 'jump', 12.5)],
    ),
    'ELAN, milliseconds': ('x.txt', 'jump\t\t1500\t2500\t1000\t\n', [('x', 'jump', 2)]),
    'ELAN, seconds': ('x.txt', 'jump\t1.5\t2.5\t1.0\tfar\n', [('x', 'far', 2)]),
    'Label Studio': (
        'p.json',
        [STUDIO, {'data': {'video': 'c.mp4'}, 'annotations': []}],
        [('a b', 'jump', '30 frames'), ('a b', 'far', '30 frames'), ('a b', 'throw', 2)],
    ),
    'Label Studio, JSON-MIN': (
        'p.json',
        [dict(id=1, video='s3://x/a.mp4', tricks=[dict(ranges=[dict(start=1, end=3)], timelinelabels=['jump'])])],
        [('a', 'jump', '1 frames')],
    ),
    'Label Studio, csv': (
        'p.csv',
        STUDIO_HEAD
        + '2022-12-01,1,7,"{""note"":""dive""}",/data/upload/3/1a2b3c4d-a.mp4,1,"[{""ranges"":[{""start"":31,'
        + '""end"":31}],""timelinelabels"":[""jump""]},{""ranges"":[{""start"":1,""end"":3}],'
        + '""timelinelabels"":[""throw""]}]"\n2022-12-02,2,9,,c.mp4,2,\n',
        [('a', 'jump', '30 frames'), ('a', 'throw', '1 frames')],
    ),
    'Label Studio, tsv': (
        'p.tsv',
        STUDIO_HEAD.replace(',', '\t')
        + '2022-12-01\t1\t7\t\ta.wav\t1\t"[{""start"":1,""end"":2,""labels"":[""jump""]}]"\n',
        [('a', 'jump', 1.5)],
    ),
    'Label Studio, files of a server and signed URLs': (
        'p.json',
        [
            task('/data/local-files/?d=a%20b.mp4', STRETCH),
            task('/data/local-files/?d=dir/c.d.mp4', STRETCH),
            task('https://x.com/e.mov?X-Sign=a.bc&t=1', STRETCH),
            {**task('f.webm', STRETCH), 'data': {'note': 'see take no.12', 'video': 'f.webm'}},
        ],
        [('a b', 'jump', '30 frames'), ('c.d', 'jump', '30 frames'), ('e', 'jump', '30 frames'),
         ('f', 'jump', '30 frames')],
    ),
    'SoccerNet': (
        'Labels-v2.json',
        {
            'UrlLocal': 'league/2014/game 1/',
            'annotations': [
                {'gameTime': '1 - 00:28', 'label': 'Ball out of play', 'position': '28500', 'visibility': 'visible'},
                {'gameTime': '2 - 45:02', 'label': 'Goal'},
                {'gameTime': '2 - 45:03', 'label': 'Goal', 'position': ''},
            ],
        },
        [('league/2014/game 1/1', 'Ball out of play', 28.5), ('league/2014/game 1/2', 'Goal', 2702),
         ('league/2014/game 1/2', 'Goal', 2703)],
    ),
    'LACP with semicolons and an emptied row': (
        'p.csv', 'class;video_id;point\nlong, jump;a;5\n;;\n', [('a', 'long, jump', '5 frames')]
    ),
    'emptied rows': ('p.csv', 'class,video_id,point\n,,\nRun,a,5\n,,\n', [('a', 'Run', '5 frames')]),
    'emptied column': ('p.csv', 'class,video_id,point\nRun,a,5,,\n', [('a', 'Run', '5 frames')]),
    'SF-Net, clock times': ('p.txt', 'a,1:02.5,Run\n', [('a', 'Run', 62.5)]),
    'SF-Net, emptied rows': ('p.txt', 'a,5,Run\n,,\n', [('a', 'Run', 5)]),
}  # fmt: skip


@pytest.mark.parametrize('form', EXPORTS)
def test_exports(write, form):
    name, content, expected = EXPORTS[form]
    assert points(read_points(write(name, content))) == expected


BORIS_7 = 'Observation id,Media file,Total length,Behavior,Time\n'
BORIS_8 = 'Source\tMedia duration (s)\tBehavior\tTime\tMedia file name\n'


@pytest.mark.parametrize(
    'name, text, where',
    [
        ('p.csv', VIA_HEAD + '"1_a","[""a.mp4""]",0,"[1]","[]","{}"\n', r'p.csv:6: video a: metadata'),
        ('p.csv', VIA_HEAD + '"1_a","[""a.mp4""]",0,"[-1]","[]","{""1"":""0""}"\n', r'p.csv:6: video a: temporal'),
        ('p.csv', VIA_HEAD + '"1_a","a.mp4",0,"[1]","[]","{}"\n', r'p.csv:6: file_list'),
        ('p.csv', VIA_HEAD + '"1_a"\n', r'p.csv:6: found 1'),
        ('p.csv', 'Media file,Behavior,Time\na.mp4,jump,soon\n', r'p.csv:2: video a: Time'),
        ('p.csv', 'Media file,Behavior,Time\na.mp4,,1\n', r'p.csv:2: video a: Behavior'),
        ('p.txt', 'a,12,5,Run\n', r'p.txt:1: seconds'),
        ('p.csv', b'PK\x03\x04\x14\x00', r'p.csv: .*csv'),
        ('p.txt', 'jump\tsoon\n', r'p.txt:1: video p'),
        ('p.txt', 'act\t\t00:01:00.000\t60.0\t00:00:02.000\t2.0\tjump\n', r'p.txt:1: video p: time'),
        ('p.csv', BORIS_7 + 'o,a.mp4,30,x,12\no,b.mp4,30,x,13\n', r'p.csv:3: video b: Time'),
        ('p.tsv', BORIS_8 + 'a.mp4;b.mp4\t9\tx\t12\tb.mp4\n', r'p.tsv:2: video b: Media duration'),
        ('p.tsv', BORIS_8 + 'a.mp4;b.mp4\t9;9\tx\t19\tNot found\n', r'p.tsv:2: Media file name'),
        ('p.json', [task('17', STRETCH)], 'p.json: task 0: data'),
        ('p.json', [task('a.mp4', dict(ranges=[{}], timelinelabels=['a']))], 'p.json: task 0: video a: start'),
        ('p.json', {'annotations': [{'gameTime': '45:00', 'label': 'x', 'position': '1'}]}, 'gameTime'),
    ],
)
def test_exports_that_cannot_be_read(write, name, text, where):
    with pytest.raises(InputError, match=where):
        read_points(write(name, text))


@pytest.mark.parametrize(
    'text, seconds',
    [('62.5', 62.5), ('62,5', 62.5), ('1:02.5', 62.5), ('01:02', 62), ('75:30', 4530), ('1:00:00', 3600),
     ('00:01:02,500', 62.5), (' 0:00:01.25 ', 1.25), (7, 7)],
)  # fmt: skip
def test_clock_times(text, seconds):
    assert to_seconds(text) == seconds


@pytest.mark.parametrize(
    'text', ['', 'x', '-1', '1:75', '1:75:00', '1:2:3:4', '1:02:03:04', 'nan', '1:', ':5', '-1:00']
)
def test_no_times(text):
    with pytest.raises(InputError, match='time_sec'):
        to_seconds(text, field='time_sec')


@pytest.mark.parametrize('suffix', VIDEO_SUFFIXES)
def test_every_suffix_of_a_video_is_no_part_of_its_name(suffix):
    assert video_name(f'x/a.b{suffix.upper()}') == 'a.b'


@pytest.mark.parametrize(
    'path, name',
    [
        ('a.mp4', 'a'),
        ('C:\\x\\b.c.AVI', 'b.c'),
        ('/x/y/v1.2', 'v1.2'),
        (' a ', 'a'),
        ('dir/a.MTS', 'a'),
        ('https://x.com/a%20b.mp4?t=3#x', 'a b'),
        ('100%25.mp4', '100%25'),
        ('what?.mkv', 'what?'),
    ],
)
def test_names_of_videos(path, name):
    assert video_name(path) == name


@pytest.mark.parametrize(
    'text, columns, expected',
    [
        (
            'File,Begin,Class\nx.mp4,1:02.5,long jump\n,,\ny,3,throw\n',
            dict(video='File', time='Begin', label='Class'),
            [('x', 'long jump', 62.5), ('y', 'throw', 3)],
        ),
        ('Class\tframe\nrun\t30\n', dict(label='Class', frame='frame'), [('t', 'run', '30 frames')]),
        ('a;0:10;0:20;run\n', dict(video='1', time='2', end='3', label='4'), [('a', 'run', 15)]),
        ('1,5;run\n2,25;hop\n', dict(time='1', label='2'), [('t', 'run', 1.5), ('t', 'hop', 2.25)]),
        ('1,5;2,5;run\n', dict(time='1', end='2', label='3'), [('t', 'run', 2)]),
        ('a,10,"run; jump; x"\n', dict(video='1', time='2', label='3'), [('a', 'run; jump; x', 10)]),
        ('from,to,what\n1,,run\n', dict(time='from', end='to', label='what'), [('t', 'run', 1)]),
    ],
)
def test_any_table(write, text, columns, expected):
    assert points(read_table(write('t.csv', text), columns)) == expected


@pytest.mark.parametrize(
    'columns, field',
    [
        (dict(time='a'), 'columns'),
        (dict(label='a'), 'columns'),
        (dict(label='a', time='b', frame='c'), 'columns'),
        (dict(label='a', time='b', fps='c'), 'columns'),
        (dict(label='a', time='z'), 't.csv:1: columns'),
        (dict(label='1', time='9'), 't.csv:1: found 5'),
        (dict(label='a', time='b', video='c'), 't.csv:2: video v: time'),
        (dict(label='0', time='1'), 'columns.*numbers'),
        (dict(label='a', time='d'), 't.csv:1: columns'),
    ],
)
def test_tables_that_cannot_be_read(write, columns, field):
    with pytest.raises(InputError, match=field):
        read_table(write('t.csv', 'a,b,c,d,d\nrun,soon,v,1,2\n'), columns)


def test_the_tool_converts_any_table(write, tmp_path, capsys):
    table = write('marks.csv', 'File,Begin,Class\na.mp4,1:02.5,jump\na.mp4,0:03,nothing\n')
    write('ids.txt', 'a\n')
    arguments = [tmp_path / 'out.json', '--point-file', table, '--split-file', tmp_path / 'ids.txt']
    columns = ['--columns', 'video=File', 'time=Begin', 'label=Class', '--background-label', 'nothing']
    load_tool('data/convert_annotations').main([*map(str, arguments), *columns])
    read = load_annotations(tmp_path / 'out.json')
    assert (read.classes, read.videos['a'].point_sec.tolist()) == (('jump',), [62.5])
    assert read.videos['a'].background_sec.tolist() == [3]
    assert '1 point,' in capsys.readouterr().out


def test_a_table_of_frames_needs_the_rate(write):
    files = dict(point_file=write('t.csv', 'v,f,c\na,30,run\n'), split_file=write('ids.txt', 'a\n'))
    columns = dict(video='v', frame='f', label='c')
    with pytest.raises(InputError, match='fps'):
        load_annotations(None, **files, columns=columns)
    fps_file = write('fps.json', json.dumps({'a': 25}))
    assert load_annotations(None, **files, columns=columns, fps_file=fps_file).videos['a'].point_sec.tolist() == [1.2]
