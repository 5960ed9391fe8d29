"""The annotator, in a process of its own, is killed while its page is open, and started again."""

import contextlib
import multiprocessing
import os
import re
import signal

import numpy as np
import pytest
from page_driver import stored
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from tool_modules import load_tool

from fsptal_mm.datasets.annotations.records import load_annotations

pytestmark = pytest.mark.kills


class Tool:
    """The command in a process of its own, which is forked and so need not import everything again."""

    def __init__(self, folder, videos, port):
        self.main = load_tool('annotate')
        self.output = folder / f'output of port {port}.txt'
        arguments = [str(videos), '--classes', str(folder / 'classes.txt'), '--out', str(folder / 'project.json')]
        arguments += ['--no-browser', '--port', str(port)]
        self.process = multiprocessing.get_context('fork').Process(target=self.run, args=(arguments,))
        self.process.start()

    def run(self, arguments):
        signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored if tests run in the background
        with self.output.open('w') as output, contextlib.redirect_stdout(output):
            self.main.main(arguments)

    @property
    def url(self):
        return re.search(r'^http://127.0.0.1:(\d+)/#.+$', self.output.read_text(), re.MULTILINE)

    def end(self, how):
        os.kill(self.process.pid, how)
        self.process.join(timeout=60)
        return self.process.exitcode


@pytest.fixture
def start(video_folder, tmp_path, page):
    """Start the tool with two videos; gives its process and its address."""
    (tmp_path / 'classes.txt').write_text('jump\nthrow\nrun\tr\n')
    tools = []

    def start(port=0):
        tools.append(Tool(tmp_path, video_folder, port))
        page.until(lambda: tools[-1].url)
        return tools[-1], tools[-1].url[0], int(tools[-1].url[1])

    yield start
    for tool in tools:
        if tool.process.is_alive():
            tool.end(signal.SIGKILL)


def test_a_killed_server_loses_nothing_and_the_page_goes_on(page, start, tmp_path):
    first, url, port = start()
    page.open(url)
    page.go_to(15)
    page.press('1')
    page.saved()
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    page.press('.')
    page.until(lambda: page.frame() == page.shown() == 16)  # the browser has loaded the video, so it needs no server
    page.press('2')
    page.until(lambda: page.text('saved').startswith('1 not saved, trying again: the server does not answer'))
    assert [point[:2] for point in page.points()] == [(15, 'jump'), (16, 'throw')]
    assert stored(tmp_path, 'a') == [(15, 'jump')]

    again, url, _ = start(port)  # its token is new: the old page gets it from the next page that is opened
    page.until(lambda: 'open the new address that it printed' in page.text('saved'))
    old = page.browser.current_window_handle
    page.browser.switch_to.new_window('tab')
    page.open(url)
    new = page.browser.current_window_handle
    page.browser.switch_to.window(old)
    assert [point[:2] for point in page.saved()] == [(15, 'jump'), (16, 'throw')]
    assert stored(tmp_path, 'a') == [(15, 'jump'), (16, 'throw')]
    page.browser.switch_to.window(new)
    page.browser.close()
    page.browser.switch_to.window(old)

    page.browser.refresh()
    page.wait_for_video()
    assert [point[:2] for point in page.points()] == [(15, 'jump'), (16, 'throw')]
    page.press_with(Keys.SHIFT, Keys.ENTER)
    page.saved()
    page.browser.find_element(By.ID, 'export-button').click()
    page.browser.find_element(By.ID, 'export-done').click()
    page.until(lambda: page.text('export-result').endswith(': 2 points of 1 video.'))
    record = load_annotations(tmp_path / 'project_export/annotations.json').videos['a']
    np.testing.assert_allclose(record.point_sec, [15 / 30, 16 / 30], atol=1e-3)
    assert again.end(signal.SIGINT) == 0
