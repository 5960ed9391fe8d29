"""HTTP server of the labelling page. It listens on 127.0.0.1, which other machines cannot reach."""

import json
import mimetypes
import re
import secrets
import sys
import traceback
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

from fsptal_mm.utils.errors import InputError

from .page_api import OtherProjectError, PageApi

_KINDS = {'.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.svg': 'image/svg+xml'}
_STATIC = {path.name: path for path in (Path(__file__).parent / 'static').iterdir()}
_MOST_BODY_BYTES = 64 * 1024  # largest body of a request; an edit has a few hundred bytes
_CHUNK_BYTES = 256 * 1024  # a video is read and sent in parts of this size
_HEADERS = {
    'Content-Security-Policy': "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
}


class Refused(Exception):
    """Exception that refuses a request: the answer is an error status and a message.

    Args:
        status: HTTP status, such as 404.
        message: Message for the page.
        headers: Further HTTP headers of the answer.
    """

    def __init__(self, status: int, message: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.status, self.headers = status, dict(headers)


class AnnotationServer(ThreadingHTTPServer):
    """Server of a :class:`PageApi` on 127.0.0.1.

    Other web pages in the same browser must not reach the labels. So a request must name this server in its header
    ``Host`` (against DNS rebinding), and must not come from a page of another origin. Requests for labels and videos
    also need the token of this server.

    Args:
        api (PageApi): Answers to the requests.
        port: Port to listen on; 0 for any free port.

    Attributes:
        token: Random secret, new at every start. It stands in ``url`` behind ``#``. Browsers do not send this part of
            an address to the server; the page reads it and sends it in a header.
        url: Address of the page, for a browser.
    """

    daemon_threads = True

    def __init__(self, api: PageApi, port: int = 0) -> None:
        super().__init__(('127.0.0.1', port), _Handler)
        self.api = api
        self.token = secrets.token_urlsafe(24)
        self.hosts = {f'{name}:{self.server_port}' for name in ('127.0.0.1', 'localhost')}
        self.url = f'http://127.0.0.1:{self.server_port}/#{self.token}'

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a browser that disconnects during an answer; print all other errors."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Answers to single requests: ``/``, ``/static/FILE``, ``/api/...`` and ``/media/VIDEO``."""

    protocol_version = 'HTTP/1.1'
    server_version, sys_version = 'fsptal_mm', ''

    def do_GET(self):
        self._answer({'': self._page, 'static': self._static, 'api': self._api_get, 'media': self._media})

    def do_HEAD(self):
        self.do_GET()

    def do_POST(self):
        self._answer({'api': self._api_post})

    def send_error(self, code, message=None, explain=None):
        """Answer a request that the standard library refuses since it is unreadable or has an unknown method."""
        self._send_json({'error': message or 'this server does not know such a request'}, code, {'Connection': 'close'})

    def log_message(self, *args):
        """Log nothing: a playing video would log a line per second."""

    def _answer(self, routes):
        """Answer a request: ``routes`` maps the first part of its path to a method, which gets the other parts."""
        try:
            # Read the body first: a browser reads no answer, not even an error, before it has sent the whole request.
            body = self.rfile.read(min(self._body_bytes(), 2 * _MOST_BODY_BYTES))
            self._check_sender()
            path, _, query = self.path.partition('?')
            first, *rest = [unquote(part) for part in path.lstrip('/').split('/')]
            if first not in routes:
                raise Refused(404, 'no such page')
            if first in ('api', 'media'):
                self._check_token(query)
            routes[first](*rest, **({'body': body} if self.command == 'POST' else {}))
        except Refused as error:
            self._refuse(error.status, str(error), error.headers)
        except ConnectionError:
            raise
        except OSError as error:
            self._refuse(507, f'error of the operating system: {error.strerror or error}')
        except InputError as error:
            self._refuse(409 if isinstance(error, OtherProjectError) else 400, str(error))
        except Exception:  # the traceback goes to the terminal, not to the page
            traceback.print_exc()
            self._refuse(500, 'an error in the program; the terminal shows more')

    def _refuse(self, status, message, headers=()):
        self._send_json({'error': message}, status, {'Connection': 'close', **dict(headers)})

    def _check_sender(self):
        """Refuse requests that name another host, and requests from pages of another origin."""
        if self.headers.get_all('Host', []) not in [[host] for host in self.server.hosts]:
            raise Refused(403, f'this server answers at {" or ".join(sorted(self.server.hosts))} only')
        origins = self.headers.get_all('Origin', [])
        if any(origin not in {f'http://{host}' for host in self.server.hosts} for origin in origins):
            raise Refused(403, 'this server answers requests of its own page only')

    def _check_token(self, query):
        token = self.headers.get('X-Token')
        if token is None and self.command != 'POST':  # a <video> element sends no headers: the token is in its URL
            token = parse_qs(query).get('token', [''])[0]
        if not secrets.compare_digest((token or '').encode(), self.server.token.encode()):
            raise Refused(401, 'the server was restarted: open the new address that it printed')

    def _page(self, *rest):
        if rest:
            raise Refused(404, 'no such page')
        self._static('index.html')

    def _static(self, *names):
        path = _STATIC.get('/'.join(names))
        if path is None:
            raise Refused(404, 'no such file')
        kind = f'{_KINDS[path.suffix]}; charset=utf-8'
        self._send(path.read_bytes(), kind, headers={'Cache-Control': 'no-cache'})

    def _api_get(self, *path):
        """Answer with the project, a video or a frame; ``path`` holds the parts of the path after ``/api/``."""
        api = self.server.api
        match path:
            case ['project']:
                self._send_json(api.overview())
            case ['videos', video_id]:
                self._send_json(api.video(self._known(video_id)))
            case ['videos', video_id, 'frames', frame] if re.fullmatch(r'\d{1,9}', frame, re.ASCII):
                self._send(api.jpeg(self._known(video_id), int(frame)), 'image/jpeg')
            case _:
                raise Refused(404, 'no such page')

    def _api_post(self, *path, body):
        actions = {('edits',): self.server.api.edit, ('export',): self.server.api.export}
        if path not in actions:
            raise Refused(404, 'no such page')
        if len(body) > _MOST_BODY_BYTES:
            raise Refused(413, f'the body of a request may have at most {_MOST_BODY_BYTES} bytes')
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            raise Refused(400, 'the body of the request is no JSON') from None
        if not isinstance(content, dict):
            raise Refused(400, 'the body of the request is no JSON object')
        self._send_json(actions[path](content))

    def _body_bytes(self):
        length = self.headers.get('Content-Length', '0')
        if not re.fullmatch(r'\d{1,12}', length, re.ASCII) or 'Transfer-Encoding' in self.headers:
            raise Refused(411, 'a request needs its Content-Length')
        return int(length)

    def _known(self, video_id):
        """Return ``video_id`` if it is the id of a video of the project; any other id is refused."""
        if video_id not in self.server.api.project.video_ids:
            raise Refused(404, 'no such video')
        return video_id

    def _media(self, *path):
        """Send a video, or the part of it that the ``Range`` header asks for: browsers ask for parts to seek."""
        if len(path) != 1:
            raise Refused(404, 'no such video')
        file_path = self.server.api.video_path(self._known(path[0]))
        try:
            file = file_path.open('rb')
        except OSError:
            raise Refused(404, f'{file_path.name} cannot be read any more') from None
        with file:
            size = file.seek(0, 2)
            first, last = _byte_range(self.headers.get('Range'), size) or (0, size - 1)
            headers = {'Accept-Ranges': 'bytes'}
            if 'Range' in self.headers:
                headers['Content-Range'] = f'bytes {first}-{last}/{size}'
            kind = mimetypes.guess_type(file_path.name)[0] or 'application/octet-stream'
            self._send_head(206 if 'Range' in self.headers else 200, kind, last - first + 1, headers)
            file.seek(first)
            if self.command != 'HEAD':
                self._send_bytes(file, last - first + 1)

    def _send_bytes(self, file, left):
        try:
            while left and (chunk := file.read(min(left, _CHUNK_BYTES))):
                self.wfile.write(chunk)
                left -= len(chunk)
        except OSError:
            pass  # the browser closed the connection (browsers do so to stop a video), or the file is gone
        self.close_connection |= left > 0

    def _send_json(self, content, status=200, headers=()):
        body = json.dumps(content, allow_nan=False).encode()
        self._send(body, 'application/json', status, {'Cache-Control': 'no-store', **dict(headers)})

    def _send(self, body, kind, status=200, headers=()):
        self._send_head(status, kind, len(body), headers)
        if self.command != 'HEAD':
            self.wfile.write(body)

    def _send_head(self, status, kind, length, headers):
        self.send_response(status)
        for name, value in {'Content-Type': kind, 'Content-Length': length, **_HEADERS, **dict(headers)}.items():
            self.send_header(name, str(value))
        self.end_headers()


def _byte_range(text, size):
    """First and last byte, both included, that a ``Range`` header asks for; ``None`` without a header.

    Raises:
        Refused: The header is not one range of bytes within the file.
    """
    if text is None:
        return None
    found = re.fullmatch(r'bytes=(\d{0,18})-(\d{0,18})', text.strip(), re.ASCII)
    first, last = found.groups() if found else ('', '')
    if first:  # bytes=100-199, or bytes=100- up to the end
        start, end = int(first), min(int(last or size), size - 1)
    else:  # bytes=-100: the last 100 bytes
        start, end = max(size - int(last or 0), 0), size - 1
    if start > end:
        raise Refused(416, 'the range must be one range of bytes within the file', {'Content-Range': f'bytes */{size}'})
    return start, end
