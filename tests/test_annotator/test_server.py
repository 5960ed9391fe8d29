import http.client
import json
import threading

import pytest

from fsptal_mm.annotator import AnnotationServer, ClassKey, PageApi

ANY = object()


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
    """Send a request, with the right Host and token unless others are given; gives status, headers and body."""

    def ask(path, method='GET', body=None, host=ANY, token=ANY, **headers):
        connection = http.client.HTTPConnection('127.0.0.1', server.server_port, timeout=10)
        connection.putrequest(method, path, skip_host=True)
        headers = {name.replace('_', '-'): value for name, value in headers.items()}
        headers['Host'] = f'127.0.0.1:{server.server_port}' if host is ANY else host
        headers['X-Token'] = server.token if token is ANY else token
        if body is not None:
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers.setdefault('Content-Length', str(len(body)))
        for name, value in headers.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        if answer.headers['Content-Type'] == 'application/json' and content:
            content = json.loads(content)
        connection.close()
        return answer.status, answer.headers, content

    return ask


@pytest.fixture
def add(server, ask):
    """Send a change of video ``a``; the fields of the message may be overwritten."""

    def add(edit_id='first-edit', message=(), **options):
        edit = {'edit_id': edit_id, 'action': 'add', 'time_sec': 1.01, 'label': 'jump'}
        body = {'project': server.api.project.project_id, 'video': 'a', 'edit': edit, **dict(message)}
        return ask('/api/edits', 'POST', body, **options)

    return add


def points(server):
    return [(point.frame, point.label) for point in server.api.project.labels('a').points]


def test_tells_classes_videos_and_times_of_frames(ask, server):
    assert server.server_address[0] == '127.0.0.1'
    status, headers, overview = ask('/api/project')
    assert (status, headers['Cache-Control']) == (200, 'no-store')
    assert overview['classes'][1] == {'name': 'throw, far', 'key': '2'}
    assert [(video['id'], video['done'], video['points']) for video in overview['videos']] == [
        ('a', False, 0),
        ('b', False, 0),
    ]
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
    'host', ['evil.example', 'evil.example:{port}', '127.0.0.1', '127.0.0.1:1', '[::1]:{port}', None]
)
@pytest.mark.parametrize('path', ['/', '/static/main.js', '/api/project', '/media/a'])
def test_refuses_requests_for_other_hosts(ask, server, host, path):
    status, _, body = ask(path, host=host and host.format(port=server.server_port))
    assert status == 403
    assert 'this server is 127.0.0.1' in body['error']


def test_answers_by_both_of_its_names(ask, server):
    assert ask('/', host=f'localhost:{server.server_port}')[0] == 200


@pytest.mark.parametrize('origin', ['http://evil.example', 'null', 'http://127.0.0.1', 'https://127.0.0.1:{port}'])
def test_refuses_pages_of_other_origins(add, ask, server, origin):
    origin = origin.format(port=server.server_port)
    for status, _, body in (add(Origin=origin), ask('/api/project', Origin=origin)):
        assert (status, body['error']) == (403, 'this server answers to its own page only')
    assert points(server) == []
    assert add(Origin=f'http://127.0.0.1:{server.server_port}')[0] == 200


@pytest.mark.parametrize('token', ['', 'wrong', 'ü', None])
def test_refuses_those_without_the_token_of_this_start(add, ask, server, token):
    for path in ('/api/project', '/api/videos/a', '/api/videos/a/frames/0', '/media/a', '/media/a?token=wrong'):
        assert ask(path, token=token)[0] == 401
    assert add(token=token)[0] == 401
    assert (
        ask(f'/api/edits?token={server.token}', 'POST', {}, token=None)[0] == 401
    )  # a form of another page can do that
    assert points(server) == []
    assert ask(f'/media/a?token={server.token}', token=None)[0] == 200  # <video> sends no headers


@pytest.mark.parametrize(
    'path',
    [
        '/static/../server.py',
        '/static/..%2fserver.py',
        '/static/%2e%2e/server.py',
        '/static//etc/passwd',
        '/static/',
        '/static/page.css/',
        '/media/../../etc/passwd',
        '/media/%2e%2e%2f%2e%2e%2fetc%2fpasswd',
        '/media/%2fetc%2fpasswd',
        '/media/a.webm',
        '/media/a/b',
        '/media/',
        '/api/videos/..%2fa',
        '/api/videos/0',
        '/api/videos/a/frames/',
        '/api/videos/a/frames/-1',
        '/api/videos/a/frames/1e3',
        '/api',
        '/etc/passwd',
        '//etc/passwd',
        'http://evil.example/',
        '/%00',
    ],
)
def test_nothing_but_its_own_files_and_the_given_videos(ask, path):
    status, _, body = ask(path)
    assert status == 404
    assert set(body) == {'error'}


def test_static_files_and_headers_that_keep_others_out(ask):
    for path, kind in (('/', 'text/html'), ('/static/main.js', 'text/javascript'), ('/static/page.css', 'text/css')):
        status, headers, body = ask(path, token=None)
        assert (status, headers['Content-Type']) == (200, f'{kind}; charset=utf-8')
        assert headers['Content-Security-Policy'].startswith("default-src 'self'; ")
        assert headers['X-Content-Type-Options'] == 'nosniff'
        assert headers['Cross-Origin-Resource-Policy'] == 'same-origin'
        assert b'token' not in body or path.endswith('.js')
    assert b'style=' not in ask('/')[2]  # the policy lets no inline style through


def test_sends_the_bytes_that_are_asked_for(ask, server):
    content = server.api.video_path('a').read_bytes()
    size = len(content)
    for wanted, first, last in (
        ('0-', 0, size - 1),
        ('10-19', 10, 19),
        ('-5', size - 5, size - 1),
        ('7-99999', 7, size - 1),
    ):
        status, headers, body = ask('/media/a', Range=f'bytes={wanted}')
        assert (status, headers['Content-Range']) == (206, f'bytes {first}-{last}/{size}')
        assert body == content[first : last + 1]
    status, headers, body = ask('/media/a')
    assert (status, headers['Accept-Ranges'], headers['Content-Type'], body) == (200, 'bytes', 'video/webm', content)
    status, headers, body = ask('/media/a', 'HEAD')
    assert (status, headers['Content-Length'], body) == (200, str(size), b'')


@pytest.mark.parametrize(
    'wanted', ['bytes=99999-', 'bytes=5-2', 'bytes=-0', 'bytes=-', 'bytes=0-1,3-4', 'seconds=1-2', '']
)
def test_refuses_ranges_that_the_video_does_not_have(ask, server, wanted):
    status, headers, _ = ask('/media/a', Range=wanted)
    assert (status, headers['Content-Range']) == (416, f'bytes */{server.api.video_path("a").stat().st_size}')


def test_decodes_frames(ask):
    status, headers, body = ask('/api/videos/b/frames/59')
    assert (status, headers['Content-Type'], body[:2]) == (200, 'image/jpeg', b'\xff\xd8')
    status, _, body = ask('/api/videos/b/frames/60')
    assert (status, body['error']) == (400, 'video b: frame: found 60, expected 0 to 59')


@pytest.mark.parametrize(
    'body, status',
    [
        (b'', 400),
        (b'[]', 400),
        (b'{"project": ', 400),
        (b'\xff\xfe', 400),
        (b'[' * 60_000, 400),  # deeper than a parser can go
        (b' ' * 65_537, 413),
        (b' ' * 200_000, 413),
        ({}, 400),
        ({'project': 'another'}, 409),
    ],
)
def test_bodies_that_are_no_change_are_refused_with_a_message(ask, server, body, status):
    answer = ask('/api/edits', 'POST', body)
    assert answer[0] == status
    assert 'Traceback' not in answer[2]['error']
    assert points(server) == []


def test_wrong_messages_are_refused_with_what_is_wrong(add, server):
    for message, found in (
        ({'video': 'c'}, "video: found 'c', expected a video of this project"),
        ({'edit': []}, 'edit: found [], expected an object'),
        ({'edit': {}}, 'expected a text named'),
        ({'edit': {'edit_id': 'short', 'action': 'undo'}}, "edit_id: found 'short'"),
    ):
        status, _, body = add(message=message)
        assert (status, found in body['error']) == (400, True), body
    status, _, body = add(message={'project': 'other'})
    assert (status, 'expected the project project.json, which is open now: reload the page' in body['error']) == (
        409,
        True,
    )
    assert points(server) == []


@pytest.mark.parametrize('length', ['-1', 'many', '1e3', None])
def test_a_change_needs_its_length(ask, length):
    assert (
        ask('/api/edits', 'POST', b'', Content_Length=length or '0', Transfer_Encoding=None if length else 'chunked')[0]
        == 411
    )


@pytest.mark.parametrize('method', ['PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE'])
def test_other_methods_are_not_there(ask, method):
    status, headers, body = ask('/api/edits', method)
    assert (status, headers['Content-Type']) == (501, 'application/json')
    assert 'Access-Control-Allow-Origin' not in headers
    assert set(body) == {'error'}


def test_what_cannot_be_saved_is_said_and_can_be_sent_again(add, server, monkeypatch):
    def full(*args):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('os.fsync', full)
    status, _, body = add()
    assert (status, body['error']) == (507, 'the operating system says: No space left on device')
    monkeypatch.undo()
    assert add()[0] == 200
    assert points(server) == [(30, 'jump')]


def test_faults_of_the_program_show_no_trace(ask, server, monkeypatch, capsys):
    monkeypatch.setattr(server.api, 'overview', lambda: 1 / 0)
    status, _, body = ask('/api/project')
    assert (status, body) == (500, {'error': 'an error in the program; the terminal shows more'})
    assert 'ZeroDivisionError' in capsys.readouterr().err


def test_changes_from_several_pages_at_once_are_all_kept(add, server):
    def send(number):
        edit = {'edit_id': f'edit-of-{number:03}', 'action': 'add', 'time_sec': number / 30, 'label': 'run'}
        assert add(message={'edit': edit})[0] == 200

    threads = [threading.Thread(target=send, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert points(server) == [(number, 'run') for number in range(12)]
    saved = json.loads(server.api.project.path.read_text())['videos']['a']['points']
    assert len(saved) == 12
