"""While answers of the server are delayed, the annotator's page shows nothing that is not true."""

import itertools
import json
import threading
from types import SimpleNamespace

import pytest
from page_driver import stored
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from fsptal_mm.annotator import PageApi, find_videos


@pytest.fixture
def hold(monkeypatch):
    """Function that holds calls of a method of :class:`PageApi`; returns the events ``came`` and ``go``.

    ``came`` is set when a call is held; the call goes on when ``go`` is set. ``which`` takes the arguments of a call
    and tells whether to hold it. With ``answered``, the call is made at once, and only its answer is held.
    """
    held = []

    def hold(name, which, answered=False):
        call = getattr(PageApi, name)
        events = SimpleNamespace(came=threading.Event(), go=threading.Event())

        def held_call(api, *args):
            answer = call(api, *args) if answered else None
            if which(*args):
                events.came.set()
                events.go.wait(60)
            return answer if answered else call(api, *args)

        monkeypatch.setattr(PageApi, name, held_call)
        held.append(events)
        return events

    yield hold
    for events in held:
        events.go.set()


def does(action):
    return lambda body: body['edit']['action'] == action


def is_done(page):
    return page.browser.find_element(By.ID, 'done').is_selected()


def test_saved_means_that_every_label_is_saved(page, serve, video_folder, tmp_path, hold):
    work = hold('edit', does('spent'))
    page.open(serve(find_videos([video_folder])[0]))
    keys = itertools.cycle((Keys.PAGE_DOWN, Keys.PAGE_UP))  # with another video, the page reports the seconds of work
    page.until(lambda: page.press(next(keys)) or work.came.wait(0.3))
    page.wait_for_video()
    page.press('1')  # sent only after the report was answered
    assert page.text('saved') == 'saving …'
    work.go.set()
    page.saved()
    assert stored(tmp_path, page.text('video-name')) == [(0, 'jump')]


def test_a_point_that_is_saved_while_its_video_is_opened_again_is_shown(page, serve, video_folder, hold):
    page.open(serve(find_videos([video_folder])[0]))
    point = hold('edit', does('add'))
    page.press('1')
    page.until(point.came.is_set)
    answer = hold('video', lambda video: video == 'a', answered=True)
    page.press(Keys.PAGE_DOWN, Keys.PAGE_UP)
    page.until(answer.came.is_set)  # the server answered before the point was saved
    point.go.set()
    page.saved()
    answer.go.set()
    page.wait_for_video()
    assert [point[:2] for point in page.points()] == [(0, 'jump')]


def test_done_stays_as_it_was_set_while_edits_before_it_are_saved(page, serve, video_folder, tmp_path, hold):
    point, done = hold('edit', does('add')), hold('edit', does('done'))
    page.open(serve({'a': video_folder / 'a.webm'}))
    page.press('1')
    page.press_with(Keys.SHIFT, Keys.ENTER)
    assert is_done(page)
    point.go.set()
    page.until(done.came.is_set)  # so the page has the answer about the point
    assert is_done(page)
    done.go.set()
    page.saved()
    assert json.loads((tmp_path / 'project.json').read_text())['videos']['a']['done'] is True


def test_nothing_of_the_video_before_stands_under_the_name_of_the_next(page, serve, video_folder, hold):
    page.open(serve(find_videos([video_folder])[0]))
    page.press(Keys.PAGE_DOWN)
    page.until(lambda: page.text('video-name') == 'b')
    page.wait_for_video()
    page.go_to(5)
    page.press('1')
    page.saved()
    answer = hold('video', lambda video: video == 'a')
    page.press(Keys.PAGE_UP)
    page.until(answer.came.is_set)
    assert page.text('video-name') == 'a'
    assert page.points() == []
    dots = page.browser.find_elements(By.CSS_SELECTOR, '#overview [data-point]')
    assert not any(dot.is_displayed() for dot in dots)
    assert (page.text('frame-number'), page.text('time'), page.shown()) == ('', '', 0)
    page.press_with(Keys.SHIFT, Keys.ENTER)  # nobody has seen this video yet
    assert not is_done(page)
    answer.go.set()
    page.wait_for_video()
    assert page.errors() == []


def test_a_video_that_the_server_decodes_meanwhile_stays_where_it_is(page, serve, video_folder):
    page.open(serve({'a': video_folder / 'a.webm'}))
    page.browser.find_element(By.ID, 'source-button').click()
    page.until(lambda: page.shown() == page.frame() == 0 and page.text('paused') == 'paused')
    # The browser's player loads the video, and says nothing about its first frame.
    page.browser.execute_script("document.getElementById('video').requestVideoFrameCallback = () => {};")
    page.browser.find_element(By.ID, 'source-button').click()
    page.until(lambda: page.browser.execute_script("return document.getElementById('video').readyState >= 2;"))
    page.browser.find_element(By.ID, 'source-button').click()
    page.until(lambda: page.text('source') and page.text('paused') == 'paused')
    page.go_to(12)
    page.browser.execute_async_script('setTimeout(arguments[0], 3500)')  # longer than the page waits for that frame
    assert page.frame() == page.shown() == 12


def test_no_point_is_set_while_its_frame_is_still_loading(page, serve, video_folder, tmp_path, hold):
    page.open(serve({'a': video_folder / 'a.webm'}))
    page.browser.find_element(By.ID, 'source-button').click()  # from now on, the server decodes the frames
    page.until(lambda: page.browser.find_element(By.ID, 'canvas').is_displayed() and page.shown() == 0)
    frame = hold('jpeg', lambda video, number: number == 1)
    page.press('.')
    page.until(frame.came.is_set)
    page.press('1')  # frame 0 is still on the screen, but the person asked for frame 1
    page.until(lambda: 'still loading' in page.text('flash'))
    assert page.points() == []
    frame.go.set()
    page.until(lambda: page.frame() == 1 and page.shown() == 1)
    page.press('1')
    assert [point[:2] for point in page.saved()] == [(1, 'jump')]
    assert stored(tmp_path, 'a') == [(1, 'jump')]
