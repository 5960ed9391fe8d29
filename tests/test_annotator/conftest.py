"""Two small videos, a project about them, and the page in a browser."""

import threading

import pytest
from browser import browser  # noqa: F401  (a fixture)
from numbered_videos import write_numbered
from page_driver import Page

from fsptal_mm.annotator import AnnotationServer, ClassKey, PageApi, Project, find_videos

CLASSES = ('jump', 'throw, far', 'run')
PLAIN_CLASSES = ('jump', 'throw', 'run')


@pytest.fixture(scope='session')
def video_folder(tmp_path_factory):
    """``a.webm`` and ``b.mp4``, 60 frames each at 30 per second."""
    folder = tmp_path_factory.mktemp('videos')
    write_numbered(folder / 'a.webm')
    write_numbered(folder / 'b.mp4')
    return folder


@pytest.fixture
def open_project(video_folder, tmp_path):
    """Open the project file of the test; those that are still open are closed in the end."""
    opened = []

    def open_project(classes=CLASSES, videos=None, annotator=None, path=tmp_path / 'project.json'):
        opened.append(Project(path, classes, videos or find_videos([video_folder])[0], annotator))
        return opened[-1]

    yield open_project
    for project in opened:
        project.close()


@pytest.fixture
def serve(tmp_path):
    """Function that serves videos, with the project ``project.json``, from a thread; returns the address."""
    opened = []

    def serve(videos, suggestions=None):
        project = Project(tmp_path / 'project.json', PLAIN_CLASSES, videos)
        keys = [ClassKey(name, key) for name, key in zip(PLAIN_CLASSES, '12r')]
        server = AnnotationServer(PageApi(project, keys, tmp_path / 'export', suggestions=suggestions))
        threading.Thread(target=server.serve_forever, kwargs=dict(poll_interval=0.01), daemon=True).start()
        opened.append((server, project))
        return server.url

    yield serve
    for server, project in opened:
        server.shutdown()
        server.server_close()
        project.close()


@pytest.fixture
def page(browser):  # noqa: F811
    page = Page(browser)
    yield page
    browser.get('about:blank')
