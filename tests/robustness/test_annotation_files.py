"""Files of annotations, splits, class lists and results: whatever their content, they are read, or an InputError."""

import json

import numpy as np
import pytest
from bounded import outcome, refused
from hypothesis import given
from hypothesis import strategies as st
from nasty import NASTY_TEXTS, damaged, more, special_files, spoilt, values

from fsptal_mm.datasets import feature_settings
from fsptal_mm.datasets.annotations.json_readers import read_annotations, read_plain_points
from fsptal_mm.datasets.annotations.point_readers import read_points
from fsptal_mm.datasets.annotations.readers import read_ambiguous, read_classes, read_fps, read_split
from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.datasets.annotations.writers import save_plain
from fsptal_mm.evaluation import read_results
from fsptal_mm.evaluation.functional import PRESETS, evaluate_detections
from fsptal_mm.evaluation.results import read_video_scores, to_instances
from fsptal_mm.structures import Instances
from fsptal_mm.utils.errors import InputError

ACTIVITYNET = {
    'database': {
        'v1': {'duration': 9.5, 'fps': 30, 'subset': 'train', 'annotations': [{'label': 'a', 'segment': [1, 2]}]},
        'v_2': {'duration': '20', 'subset': 'test', 'annotations': [{'label': 'b', 'segment': ['0.5', '3']}]},
    },
    'taxonomy': [],
}
PLAIN = {
    'format': 'fsptal_mm',
    'version': 1,
    'classes': ['a', 'b'],
    'videos': {
        'v1': {
            'subset': 'train',
            'duration_sec': 9.5,
            'fps': 30.0,
            'points': [{'time_sec': 1.5, 'label': 'a', 'instance': 0}, {'time_sec': 4, 'label': 'b'}],
            'background_points_sec': [6.5],
            'segments': [{'start_sec': 1.0, 'end_sec': 2.0, 'label': 'a'}],
            'ambiguous': [{'start_sec': 8, 'end_sec': 9}],
        },
        'v2': {'subset': 'test'},
    },
}
RESULTS = {
    'version': 'VERSION 1.3',
    'results': {
        'v1': [{'label': 'a', 'score': 0.9, 'segment': [1.0, 2.5]}, {'label': 'b', 'score': '0.1', 'segment': [3, 4]}],
        'v2': [],
    },
    'video_scores': {'v1': {'a': 0.5, 'b': 0.25}},
}
SIDE = {
    'format': 'fsptal_mm_features',
    'version': 1,
    'grid': {'fps': 25.0, 'snippet_frames': 16, 'stride_frames': 16, 'offset_sec': 0.0},
    'feature_dim': 4,
    'model': {'config': 'c.py', 'config_sha256': 'ab', 'checkpoint': 'c.pth', 'checkpoint_sha256': 'cd'},
}
FPS = {'v1': 30, 'v2': '29.97'}
LACP_CSV = (
    'class,class_index,start_frame,stop_frame,video_id,point\r\n'
    'a,0,30,60,v1,45\r\n"b, c",1,90.5,99.0,v1,95\r\na,0,,,v2,3\r\n'
)
SFNET_TXT = 'v1,1.5,a\r\n\r\nv1 , 4.25,b\r\nv2,0.0,a\r\n'
VIA_CSV = (
    '# ATTRIBUTE = {"1":{"options":{"0":"a","1":"b"}}}\n# CSV_HEADER = metadata_id,file_list,flags\n'
    '"1_a","[""v1.mp4""]",0,"[1,2]","[]","{""1"":""0""}"\n"1_b","[""v2.mp4""]",0,"[3]","[]","{""1"":""1""}"\n'
)
BORIS_CSV = 'Media file,Behavior,Status,Time\nv1.mp4,a,START,1\nv1.mp4,a,STOP,0:02\nv2.mp4,b,POINT,3\n'
ELAN_TXT = 'a\t\t00:00:01.000\t1.0\t00:00:02.000\t2.0\tb\na\t\t1500\t2500\t\n'
STUDIO_RESULT = [
    {'value': {'ranges': [{'start': 1, 'end': 3}], 'timelinelabels': ['a']}},
    {'value': {'start': 1.5, 'end': 2.5, 'labels': ['b']}},
]
LABEL_STUDIO = [dict(data={'video': '/data/upload/1/1a2b3c4d-v1.mp4'}, annotations=[dict(result=STUDIO_RESULT)])]
POSITIONS = [dict(gameTime='1 - 00:28', label='a', position='28500'), dict(gameTime='2 - 00:28', label='b')]
SOCCERNET = dict(UrlLocal='x/y/', annotations=POSITIONS)


def read_side(path):
    return feature_settings.stated_grid([path.parent])


def load_any(path):
    return load_annotations(path)


def read_and_judge(path):
    """Read and evaluate a results file; returns the measures."""
    det = to_instances(read_results(path), ['v1', 'v2'], ['a', 'b'], file=path)
    true = Instances.from_videos([[[1.0, 2.0], [3.0, 4.0]], [[3.0, 4.0]]], [[0, 1], [1]])
    figures = evaluate_detections(true, det, 2, PRESETS['thumos14']).measures
    assert all(0 <= figure <= 1 for figure in figures.values())
    return figures


# By the kind of file: its reader, a file name, and the content of a good file.
READERS = {
    'activitynet json': (load_any, 'gt.json', ACTIVITYNET),
    'plain json': (load_any, 'gt.json', PLAIN),
    'plain points': (read_plain_points, 'points.json', PLAIN),
    'lacp csv': (read_points, 'points.csv', LACP_CSV),
    'sfnet txt': (read_points, 'points.txt', SFNET_TXT),
    'via csv': (read_points, 'points.csv', VIA_CSV),
    'boris csv': (read_points, 'points.csv', BORIS_CSV),
    'elan txt': (read_points, 'points.txt', ELAN_TXT),
    'label studio': (read_points, 'points.json', LABEL_STUDIO),
    'soccernet': (read_points, 'points.json', SOCCERNET),
    'split': (read_split, 'split.txt', 'v1\nv2\r\nv_3'),
    'classes': (read_classes, 'classes.txt', 'a\nb c\n\nd\n'),
    'fps': (read_fps, 'fps.json', FPS),
    'ambiguous': (read_ambiguous, 'ambiguous.txt', 'v1  1.0 2.5\nv1 3 4\nv2 0 0\n'),
    'results': (read_and_judge, 'results.json', RESULTS),
    'video scores': (read_video_scores, 'results.json', RESULTS),
    'side file': (read_side, 'features.json', SIDE),
}
JSON_FILES = [kind for kind, (_, _, good) in READERS.items() if not isinstance(good, str)]
FIELDS = {'lacp csv': ',', 'sfnet txt': ',', 'via csv': ',', 'boris csv': ',', 'ambiguous': ' '}
noise = st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode('utf-8', 'surrogatepass'))


def text_of(kind):
    good = READERS[kind][2]
    return good if isinstance(good, str) else json.dumps(good)


@st.composite
def with_a_nasty_field(draw, good, separator):
    lines = [line.split(separator) for line in good.splitlines()]
    line = draw(st.sampled_from(lines))
    line[draw(st.integers(0, len(line) - 1))] = str(draw(values))
    return '\n'.join(separator.join(line) for line in lines).encode('utf-8', 'surrogatepass')


def contents(kind):
    """Strategy: a good file of a kind that was damaged or spoilt, or anything else."""
    good = READERS[kind][2]
    if not isinstance(good, str):
        return damaged(text_of(kind).encode()) | noise | spoilt(good).map(lambda content: json.dumps(content).encode())
    spoilt_lines = [with_a_nasty_field(good, FIELDS[kind])] if kind in FIELDS else []
    return st.one_of(damaged(good.encode()), noise, *spoilt_lines)


@pytest.mark.parametrize('kind', READERS)
@more
@given(data=st.data())
def test_whatever_stands_in_a_file(kind, data, tmp_path):
    read, name, _ = READERS[kind]
    (tmp_path / name).write_bytes(data.draw(contents(kind)))
    outcome(read, tmp_path / name, names=tmp_path / name)


@pytest.mark.parametrize('kind', READERS)
def test_a_mark_and_line_ends_of_other_systems_change_nothing(kind, tmp_path):
    read, name, _ = READERS[kind]
    path, good = tmp_path / name, text_of(kind)
    path.write_text(good, newline='')
    plain, unix = outcome(read, path), good.replace('\r\n', '\n')
    assert not isinstance(plain, InputError)
    for other in ('\ufeff' + good, unix.replace('\n', '\r\n'), unix.replace('\n', '\r')):
        path.write_text(other, newline='')
        assert str(outcome(read, path)) == str(plain)


HOSTILE = {
    'brackets': b'[' * 10**6,
    'braces': b'{"a":' * 10**6,
    'closed': b'{"database": ' + b'[' * 10**5 + b']' * 10**5 + b'}',
    'an endless whole number': b'{"database": 1' + b'0' * 10**6 + b'}',
    'no float': b'{"results": {"v": [{"label": "a", "segment": [0, 1], "score": 1' + b'0' * 4000 + b'}]}}',
    'an endless result': b'{"results": 1' + b'0' * 10**6 + b'}',
    'a key twice': b'{"a": 1, "a": 1}',
    'half a character of UTF-16': '{"database": {}}'.encode('utf-16')[:-1],
    'gzip': b'\x1f\x8b\x08\0' + b'\0' * 100,
    'empty': b'',
    'zeros': b'\0' * 1000,
}


@pytest.mark.parametrize('content', HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize('kind', JSON_FILES)
def test_hostile_json_is_refused(kind, content, tmp_path):
    read, name, _ = READERS[kind]
    (tmp_path / name).write_bytes(content)
    refused(read, tmp_path / name, names=tmp_path / name)


@pytest.mark.parametrize('kind', [kind for kind in READERS if kind != 'side file'])
def test_what_is_no_regular_file_is_refused(kind, tmp_path):
    read, name, _ = READERS[kind]
    for what, path in special_files(tmp_path, name[name.index('.') :]).items():
        error = refused(read, path)
        assert what in str(error) or what in ('below a file', 'long', 'NUL')


@pytest.mark.parametrize(
    'name', [name for name in NASTY_TEXTS if name.strip() and any(c in name for c in '\0\n\r\x0b\u2028\ud800')]
)
def test_names_that_split_lines_are_refused(name, tmp_path):
    """As a video id, such a name would be two lines in a split file, or the name of a file that cannot be written."""
    (tmp_path / 'gt.json').write_text(json.dumps({'database': {name: ACTIVITYNET['database']['v1']}}))
    assert 'control characters' in str(refused(read_annotations, tmp_path / 'gt.json', names='gt.json'))
    annotation = {'label': name, 'segment': [1, 2]}
    (tmp_path / 'gt.json').write_text(json.dumps({'database': {'v1': {'annotations': [annotation]}}}))
    assert 'label: found' in str(refused(read_annotations, tmp_path / 'gt.json', names='video v1'))


@given(data=st.data())
def test_files_that_go_together(data, tmp_path):
    """Any file of a dataset may be damaged. Annotations that are read are sound, and writing them changes nothing."""
    ann, points = data.draw(st.sampled_from([ACTIVITYNET, PLAIN])), None
    part = data.draw(st.sampled_from(['ann', 'points', 'fps', 'split']))
    (tmp_path / 'gt.json').write_text(json.dumps(data.draw(spoilt(ann)) if part == 'ann' else ann))
    points = tmp_path / data.draw(st.sampled_from(['points.csv', 'points.txt']))
    good = (LACP_CSV.replace('b, c', 'b') if points.suffix == '.csv' else SFNET_TXT).encode()
    points.write_bytes(data.draw(damaged(good)) if part == 'points' else good)
    (tmp_path / 'fps.json').write_text(json.dumps(data.draw(spoilt(FPS)) if part == 'fps' else FPS))
    split = b'v1\nv_2\n'
    (tmp_path / 'split.txt').write_bytes(data.draw(damaged(split)) if part == 'split' else split)
    read = outcome(
        load_annotations,
        tmp_path / 'gt.json',
        split_file=tmp_path / 'split.txt',
        point_file=points,
        fps_file=tmp_path / 'fps.json',
        names=tmp_path,
    )
    if isinstance(read, InputError):
        return
    for record in read.videos.values():
        assert np.isfinite(record.point_sec).all()
        assert (np.diff(record.point_sec) >= 0).all()
        assert (record.segments_sec[:, 0] <= record.segments_sec[:, 1]).all()
        assert set(record.point_labels) | set(record.segment_labels) <= set(range(len(read.classes)))
    save_plain(tmp_path / 'plain.json', read)
    again = load_annotations(tmp_path / 'plain.json')
    assert again.classes == read.classes
    for video_id, record in read.videos.items():
        for field in ('point_sec', 'point_labels', 'segments_sec', 'segment_labels', 'background_sec'):
            np.testing.assert_array_equal(getattr(again.videos[video_id], field), getattr(record, field))
