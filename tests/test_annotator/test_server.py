import http.client
import json
import threading

import pytest

from fsptal_mm.annotator import AnnotationServer, ClassKey, PageApi
from fsptal_mm.visualization.palette import Look

ADD = {'edit_id': 'first-edit', 'action': 'add', 'time_sec': 1.01, 'label': 'jump'}
BODY = {'video': 'a', 'edit': ADD}


@pytest.fixture
def server(open_project, tmp_path):
    project = open_project()
    keys = [ClassKey(name, str(number)) for number, name in enumerate(project.classes, 1)]
    server = AnnotationServer(PageApi(project, keys, tmp_path / 'export'))
    threading.Thread(target=server.serve_forever, kwargs=dict(poll_interval=0.01), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def ask(server):
    """Send a request, with the right Host, token and project unless others are given; gives status, headers, body."""

    def ask(path, method='GET', body=None, **headers):
        connection = http.client.HTTPConnection('127.0.0.1', server.server_port, timeout=60)
        given = {'Host': '127.0.0.1:{port}', 'X-Token': '{token}'}
        given |= {name.replace('_', '-'): value for name, value in headers.items()}
        if isinstance(body, dict):
            body = json.dumps({'project': server.api.project.project_id, **body}).encode()
        if body is not None:
            given.setdefault('Content-Length', str(len(body)))
        own = dict(port=server.server_port, token=server.token)
        connection.putrequest(method, path.format(**own), skip_host=True)
        for name, value in given.items():
            if value is not None:
                connection.putheader(name, value.format(**own))
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        if answer.headers['Content-Type'] == 'application/json' and content:
            content = json.loads(content)
        connection.close()
        return answer.status, answer.headers, content

    return ask


@pytest.fixture
def add(ask):
    """Send a change of video ``a``."""
    return lambda **fields: ask('/api/edits', 'POST', {'video': 'a', 'edit': ADD | fields})


def points(server):
    return [(point.frame, point.label) for point in server.api.project.labels('a').points]


def test_tells_classes_videos_and_times_of_frames(ask, server):
    assert server.server_address[0] == '127.0.0.1'
    status, headers, overview = ask('/api/project')
    assert (status, headers['Cache-Control']) == (200, 'no-store')
    look = Look.of_number(1)  # the same look as in timelines and annotated videos
    expected = {'name': 'throw, far', 'key': '2', 'color': look.color, 'text_color': look.text_color}
    assert overview['classes'][1] == expected
    videos = [(video['id'], video['done'], video['points']) for video in overview['videos']]
    assert videos == [('a', False, 0), ('b', False, 0)]
    video = ask('/api/videos/a')[2]
    assert video['start_sec'][:3] == [0, 0.033, 0.067]
    assert (len(video['start_sec']), video['duration_sec'], video['points']) == (60, 2.0, [])


def test_saves_what_the_page_sends_at_the_time_of_the_frame(add, server):
    status, _, state = add()
    assert status == 200
    assert state['points'] == [{'id': 'first-edit', 'frame': 30, 'time_sec': 1.0, 'label': 'jump'}]
    assert (state['can_undo'], state['can_redo'], state['summary']['points']) == (True, False, 1)
    assert json.loads(server.api.project.path.read_text())['videos']['a']['points'] == state['points']


@pytest.mark.parametrize(
    'path, options',
    [
        ('/', dict(Host='localhost:{port}')),
        ('/media/a?token={token}', dict(X_Token=None)),  # the token is in the address, since <video> sends no headers
        ('/api/edits', dict(method='POST', body=BODY, Origin='http://127.0.0.1:{port}')),
    ],
)
def test_answers_by_both_of_its_names_and_its_own_page(ask, path, options):
    assert ask(path, **options)[0] == 200


EDIT = dict(path='/api/edits', method='POST', body=BODY)
REFUSED = [
    # Requests for other hosts, such as a name that an attacker's DNS points to this machine
    *((403, dict(path=path, Host='evil.example')) for path in ('/', '/static/main.js', '/api/project', '/media/a')),
    *((403, dict(path='/', Host=host)) for host in ('evil.example:{port}', '127.0.0.1', '127.0.0.1:1', '[::1]:{port}')),
    (403, dict(path='/', Host=None)),
    # Requests from pages of other origins
    *((403, EDIT | dict(Origin=origin)) for origin in ('http://evil.example', 'null', 'https://127.0.0.1:{port}')),
    (403, dict(path='/api/project', Origin='http://127.0.0.1')),
    # Requests without the token of this start of the server. A token in the address does not count for a POST, since a
    # form of another page could put it there.
    *((401, EDIT | dict(X_Token=token)) for token in ('', 'wrong', 'ü', None)),
    *((401, dict(path=path, X_Token=None)) for path in ('/api/project', '/api/videos/a', '/api/videos/a/frames/0')),
    *((401, dict(path=path, X_Token=None)) for path in ('/media/a', '/media/a?token=wrong')),
    (401, EDIT | dict(path='/api/edits?token={token}', X_Token=None)),
    # Requests for anything but the server's own files and the given videos
    *(
        (404, dict(path=path))
        for path in (
            *('/static/../server.py', '/static/..%2fserver.py', '/static//etc/passwd', '/static/', '/static/page.css/'),
            *('/media/../../etc/passwd', '/media/%2e%2e%2f%2e%2e%2fetc%2fpasswd', '/media/%2fetc%2fpasswd', '/media/'),
            *('/media/a.webm', '/media/a/b', '/api/videos/..%2fa', '/api/videos/0', '/api/videos/a/frames/'),
            *('/api/videos/a/frames/-1', '/api/videos/a/frames/1e3', '/api', '/etc/passwd', '//etc/passwd', '/%00'),
            'http://evil.example/',
        )
    ),
    # Requests whose body is no change; the brackets are nested deeper than a parser can follow
    *((400, EDIT | dict(body=body)) for body in (b'', b'[]', b'{"project": ', b'\xff\xfe', b'[' * 60_000, {})),
    *((400, EDIT | dict(body=BODY | dict(edit=edit))) for edit in ([], {}, {'edit_id': 'short', 'action': 'undo'})),
    (400, EDIT | dict(body=BODY | dict(video='c'))),
    (409, EDIT | dict(body=BODY | dict(project='another'))),
    (413, EDIT | dict(body=b' ' * 65_537)),
    *((411, EDIT | dict(body=b'', Content_Length=length)) for length in ('-1', 'many', '1e3')),
    (411, EDIT | dict(body=b'', Content_Length='0', Transfer_Encoding='chunked')),
    *((501, dict(path='/api/edits', method=method)) for method in ('PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE')),
    (400, dict(path='/api/videos/b/frames/60')),
]


@pytest.mark.parametrize('status, request_', REFUSED)
def test_refuses(ask, server, status, request_):
    found, headers, body = ask(**request_)
    assert (found, headers['Content-Type']) == (status, 'application/json')
    assert set(body) == {'error'}
    assert 'Traceback' not in body['error']
    assert 'Access-Control-Allow-Origin' not in headers
    assert points(server) == []


def test_static_files_and_headers_that_keep_others_out(ask):
    for path, kind in (('/', 'text/html'), ('/static/main.js', 'text/javascript'), ('/static/page.css', 'text/css')):
        status, headers, body = ask(path, X_Token=None)
        assert (status, headers['Content-Type']) == (200, f'{kind}; charset=utf-8')
        assert headers['Content-Security-Policy'].startswith("default-src 'self'; ")
        assert headers['X-Content-Type-Options'] == 'nosniff'
        assert headers['Cross-Origin-Resource-Policy'] == 'same-origin'
        assert b'token' not in body or path.endswith('.js')
    assert b'style=' not in ask('/')[2]  # the content security policy allows no inline styles


def test_sends_the_bytes_that_are_asked_for(ask, server):
    content = server.api.video_path('a').read_bytes()
    size = len(content)
    ranges = {'0-': (0, size - 1), '10-19': (10, 19), '-5': (size - 5, size - 1), '7-99999': (7, size - 1)}
    for wanted, (first, last) in ranges.items():
        status, headers, body = ask('/media/a', Range=f'bytes={wanted}')
        assert (status, headers['Content-Range']) == (206, f'bytes {first}-{last}/{size}')
        assert body == content[first : last + 1]
    for wanted in ('bytes=99999-', 'bytes=5-2', 'bytes=-0', 'bytes=-', 'bytes=0-1,3-4', 'seconds=1-2', ''):
        status, headers, _ = ask('/media/a', Range=wanted)
        assert (status, headers['Content-Range']) == (416, f'bytes */{size}')
    status, headers, body = ask('/media/a')
    assert (status, headers['Accept-Ranges'], headers['Content-Type'], body) == (200, 'bytes', 'video/webm', content)
    status, headers, body = ask('/media/a', 'HEAD')
    assert (status, headers['Content-Length'], body) == (200, str(size), b'')


def test_decodes_frames(ask):
    status, headers, body = ask('/api/videos/b/frames/59')
    assert (status, headers['Content-Type'], body[:2]) == (200, 'image/jpeg', b'\xff\xd8')


def test_what_cannot_be_saved_is_said_and_can_be_sent_again(add, server, monkeypatch):
    def full(*args):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.fsync', full)
    status, _, body = add()
    assert (status, 'No space left on device' in body['error']) == (507, True)
    monkeypatch.undo()
    assert add()[0] == 200
    assert points(server) == [(30, 'jump')]


def test_faults_of_the_program_show_no_trace(ask, server, monkeypatch, capsys):
    monkeypatch.setattr(server.api, 'overview', lambda: 1 / 0)
    status, _, body = ask('/api/project')
    assert (status, 'ZeroDivisionError' in str(body)) == (500, False)
    assert 'ZeroDivisionError' in capsys.readouterr().err


def test_changes_from_several_pages_at_once_are_all_kept(add, server):
    def send(number):
        assert add(edit_id=f'edit-of-{number:03}', time_sec=number / 30, label='run')[0] == 200

    threads = [threading.Thread(target=send, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert points(server) == [(number, 'run') for number in range(12)]
    assert len(json.loads(server.api.project.path.read_text())['videos']['a']['points']) == 12
