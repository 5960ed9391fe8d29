import json
import socket

import pytest
from numbered_videos import write_numbered
from tool_modules import load_tool

from fsptal_mm.annotator import AnnotationServer


def test_the_help_says_which_frame_of_a_suggestion_is_labelled():
    text = ' '.join(load_tool('annotate').__doc__.split())
    assert 'the highest class score if the results state its time (best_sec)' in text
    assert 'sets a point in its middle' not in text


@pytest.fixture
def annotate(tmp_path, monkeypatch):
    """Run the tool beside a video and a class list, with Ctrl-C as soon as it serves; gives the opened addresses."""
    tool = load_tool('annotate')
    write_numbered(tmp_path / 'a.mp4')
    (tmp_path / 'classes.txt').write_text('jump\nthrow\tt\n')
    opened = []

    def interrupted(server):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(AnnotationServer, 'serve_forever', interrupted)
    monkeypatch.setattr(tool.webbrowser, 'open', opened.append)

    def annotate(*arguments, port=0):
        tool.main([*arguments, '--classes', 'classes.txt', '--port', str(port)])
        return opened

    return annotate


def test_makes_a_project_opens_the_page_and_ends_cleanly(annotate, tmp_path, capsys):
    (address,) = annotate('.', '--annotator', 'ann')
    assert address.startswith('http://127.0.0.1:')
    lines = capsys.readouterr().out.splitlines()
    assert address in lines
    # The line says where the labels are stored.
    assert any('point_project.json: 1 video, ' in line for line in lines)
    assert any('point_project_export' in line and '--out' in line for line in lines)
    project = json.loads((tmp_path / 'point_project.json').read_text())
    assert (project['annotator'], project['classes'], [*project['videos']]) == ('ann', ['jump', 'throw'], ['a'])
    annotate('a.mp4', '--no-browser')  # the first run released the project, which lies beside the video
    assert json.loads((tmp_path / 'point_project.json').read_text()) == project


def test_new_classes_are_told(annotate, tmp_path, capsys):
    annotate('a.mp4', '--no-browser')
    path = tmp_path / 'point_project.json'
    content = json.loads(path.read_text())
    content['videos']['a']['done'] = True
    path.write_text(json.dumps(content))
    with open(tmp_path / 'classes.txt', 'a') as file:
        file.write('\nfly\n')
    capsys.readouterr()
    annotate('a.mp4', '--no-browser')
    (told,) = [line for line in capsys.readouterr().out.splitlines() if 'fly' in line]
    assert 'look through 1 done video: ' in told
    assert json.loads(path.read_text())['classes'] == ['jump', 'throw', 'fly']


def test_names_what_is_left_out(annotate, tmp_path, capsys):
    (tmp_path / 'more').mkdir()
    (tmp_path / 'more/a.avi').write_bytes(b'')
    (tmp_path / 'more/empty.mp4').write_bytes(b'')
    annotate('a.mp4', 'more', '--out', 'labels/ann.json', '--no-browser')
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith('left out: more/a.avi: video a: ')
    assert 'more/empty.mp4: ' in lines[2]
    assert lines[3].startswith('labels/ann.json: 1 video, ')


def test_takes_another_port_if_its_own_is_taken(annotate, capsys):
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen()
        port = other.getsockname()[1]
        (address,) = annotate('a.mp4', port=port)
    assert str(port) in capsys.readouterr().out
    assert f':{port}/' not in address


@pytest.mark.parametrize(
    'arguments, port, expected',
    [
        (['a.mp4'], 99999, '--port: found 99999'),
        (['none.mp4'], 0, 'none.mp4: video none'),
        (['a.mp4', '--out', 'classes.txt'], 0, 'classes.txt:1'),
        (['a.mp4', '--out', 'a.mp4/project.json'], 0, 'a.mp4'),
    ],
)
def test_errors_are_one_line_with_status_1(annotate, arguments, port, expected):
    with pytest.raises(SystemExit, match=f'^error: .*{expected}'):
        annotate(*arguments, port=port)
