"""The annotator's page in a real browser: what a person sees, and what is in the files afterwards."""

import json
import time

import cv2
import numpy as np
import pytest
from numbered_videos import write_numbered
from page_driver import READ_NUMBER, stored
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from fsptal_mm.annotator import find_videos
from fsptal_mm.datasets.videos.reader import open_video

VARIABLE_MS = [*range(0, 990, 33), *range(1000, 4000, 100)]  # 30 frames in the first second, then 10 in each


@pytest.mark.parametrize('video, source', [('a.webm', ''), ('b.mp4', 'frames decoded by the server')])
def test_a_point_is_at_the_frame_that_is_shown(page, serve, video_folder, tmp_path, video, source):
    video_id = video[0]
    page.open(serve({video_id: video_folder / video}))
    assert page.text('source') == source  # Chromium plays VP8 and does not play MPEG-4 part 2
    for frame, key in ((0, '1'), (7, '2'), (8, 'r')):
        page.go_to(frame)
        page.press(key)
    page.press(Keys.ARROW_RIGHT)
    page.until(lambda: page.frame() == page.shown() == 38)
    page.press('0')
    page.press_with(Keys.SHIFT, Keys.ARROW_RIGHT)
    page.until(lambda: page.frame() == page.shown() == 59)
    page.press(',')
    page.until(lambda: page.frame() == page.shown() == 58)
    page.press('1')
    shown = [(0, 'jump'), (7, 'throw'), (8, 'run'), (38, 'background'), (58, 'jump')]
    assert [point[:2] for point in page.saved()] == shown
    assert stored(tmp_path, video_id) == [(0, 'jump'), (7, 'throw'), (8, 'run'), (38, None), (58, 'jump')]
    assert [point[2] for point in page.points()][1:4] == ['0:00.23', '0:00.26', '0:01.26']


# Presses a key each time another frame appears. Returns three numbers for each frame: the number on the page, the one
# that the picture shows, and the one that the browser reports. A slow browser may already show a later picture.
PRESS_WHILE_PLAYING = (
    READ_NUMBER
    + """
const [done, seen] = [arguments[arguments.length - 1], []];
const shown = () => Number(document.getElementById('frame-number').textContent.replace('frame ', ''));
const look = (reported) => {
  if (!seen.length || seen.at(-1)[0] !== shown()) {
    seen.push([shown(), readNumber(), reported]);
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '1', code: 'Digit1', bubbles: true }));
  }
  if (seen.length < 12) again();
  else done(seen);
};
const again = () => {
  const video = document.getElementById('video');
  if (video.hidden) requestAnimationFrame(() => look(null));
  else video.requestVideoFrameCallback((now, frame) => look(Math.round(30 * frame.mediaTime)));
};
document.body.dispatchEvent(new KeyboardEvent('keydown', { key: ' ', code: 'Space', bubbles: true }));
again();
"""
)


@pytest.mark.parametrize('video', ['v.webm', 'v.mp4'])
def test_so_it_is_while_the_video_plays(page, serve, tmp_path, video):
    page.open(serve({'v': write_numbered(tmp_path / video, num_frames=250)}))
    page.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)  # a quarter of the speed, so the video lasts half a minute
    page.browser.set_script_timeout(120)
    seen = page.browser.execute_async_script(PRESS_WHILE_PLAYING)
    page.press(' ')
    if video == 'v.webm':
        assert all(told == reported <= read for told, read, reported in seen), seen
    else:
        assert all(told == read for told, read, _ in seen), seen
    page.saved()
    assert stored(tmp_path, 'v') == [(told, 'jump') for told, *_ in seen]


def test_so_it_is_where_frames_are_not_equally_long(page, serve, tmp_path):
    page.open(serve({'v': write_numbered(tmp_path / 'v.webm', times_sec=[ms / 1000 for ms in VARIABLE_MS])}))
    assert page.text('source') == ''
    page.go_to(33)
    page.press('1', Keys.ARROW_RIGHT)
    page.until(lambda: page.frame() == page.shown() == 43)  # 33 + ten frames of 0.1 s
    page.press('2')
    assert [point[::2] for point in page.saved()] == [(33, '0:01.30'), (43, '0:02.30')]
    points = json.loads((tmp_path / 'project.json').read_text())['videos']['v']['points']
    assert [point['time_sec'] for point in points] == [1.3, 2.3]


def test_so_it_is_in_a_real_h264_video(page, serve, data_root, tmp_path):
    path = data_root / 'videos/demo.mp4'
    page.open(serve({'demo': path}), numbered=False)
    assert page.text('source') == ''
    page.press(*[Keys.ARROW_RIGHT] * 3, '.', '.', '1')
    page.until(lambda: page.frame() == 86)  # the video has 28 frames per second
    page.press('1')
    page.saved()
    assert stored(tmp_path, 'demo')[-1] == (86, 'jump')
    shown = page.picture(85, 64)
    decoded = open_video(path).frames(range(84, 89))
    errors = [np.abs(shown - cv2.resize(frame, (85, 64), interpolation=cv2.INTER_AREA)).mean() for frame in decoded]
    assert np.argmin(errors) == 2, errors


def test_edits_with_the_keyboard(page, serve, video_folder, tmp_path):
    page.open(serve({'a': video_folder / 'a.webm'}))
    for frame, key in ((10, '1'), (20, '2')):
        page.go_to(frame)
        page.press(key)
    page.press('1', '1')  # the second press finds a jump at this frame already
    assert [point[:2] for point in page.saved()] == [(10, 'jump'), (20, 'jump'), (20, 'throw')]
    page.press('[', '[')
    page.press('[')
    page.until(lambda: page.frame() == page.shown() == 10)
    page.press('r')  # gives the selected point another class
    page.press('>', '>', '<')  # moves the selected point, and shows its new frame
    page.until(lambda: page.frame() == page.shown() == 11)
    assert [point[:2] for point in page.saved()] == [(11, 'run'), (20, 'jump'), (20, 'throw')]
    page.press('.', '.', '.')
    page.until(lambda: page.frame() == page.shown() == 14)
    page.press('=')
    assert page.saved()[0][:2] == (14, 'run')
    page.press(Keys.DELETE)
    assert [point[0] for point in page.saved()] == [20, 20]
    for expected in (14, 11, 12, 11, 10):
        page.press_with(Keys.CONTROL, 'z')
        assert page.saved()[0][:2] == (expected, 'run')
    page.press_with(Keys.CONTROL, 'z')
    assert page.saved()[0][:2] == (10, 'jump')
    for _ in range(6):
        page.press_with(Keys.CONTROL, 'y')
    assert [point[:2] for point in page.saved()] == [(20, 'jump'), (20, 'throw')]
    assert stored(tmp_path, 'a') == [(20, 'jump'), (20, 'throw')]
    page.browser.refresh()
    page.wait_for_video()
    assert [point[:2] for point in page.points()] == [(20, 'jump'), (20, 'throw')]
    page.press_with(Keys.CONTROL, 'z')  # a change from before the reload can be undone
    page.until(lambda: stored(tmp_path, 'a') == [(14, 'run'), (20, 'jump'), (20, 'throw')])
    assert page.errors() == []


def test_points_on_the_timeline_can_be_dragged(page, serve, video_folder, tmp_path):
    page.open(serve({'a': video_folder / 'a.webm'}))
    page.go_to(30)
    page.press('1')
    page.saved()
    lane = page.browser.find_element(By.ID, 'overview')
    script = """const [lane, dot] = ['#overview', '#overview [data-point]'].map((name) =>
        document.querySelector(name).getBoundingClientRect());
        const middle = (box) => [box.x + box.width / 2, box.y + box.height / 2];
        return [lane.width, middle(dot)[0] - middle(lane)[0], middle(dot)[1] - middle(lane)[1]];"""
    width, *dot = page.browser.execute_script(script)
    assert dot[0] == pytest.approx(0, abs=2)  # 1 of 2 seconds is the middle of the timeline
    drag = ActionChains(page.browser).move_to_element_with_offset(lane, *map(round, dot)).click_and_hold()
    drag.move_by_offset(round(width / 4), 0).release().perform()
    page.until(lambda: stored(tmp_path, 'a') == [(45, 'jump')])
    page.until(lambda: page.frame() == page.shown() == 45)
    ActionChains(page.browser).move_to_element_with_offset(lane, round(-width / 4), 20).click().perform()
    page.until(lambda: page.frame() == page.shown() == 15)
    assert [point[0] for point in page.saved()] == [45]


def test_from_video_to_video_with_the_progress(page, serve, video_folder, tmp_path):
    page.open(serve(find_videos([video_folder])[0]))
    assert page.text('video-place') == '1 / 2'
    page.press(Keys.ARROW_UP, Keys.ARROW_UP, Keys.ARROW_UP, Keys.ARROW_UP, Keys.ARROW_UP)
    assert page.text('speed') == '4×'
    page.press('1', Keys.ENTER)  # done: the next video opens and plays
    page.until(lambda: page.text('video-name') == 'b' and page.text('play') == 'Pause')
    # The video stops at its end, whatever its speed.
    page.until(lambda: page.frame() == page.shown() == 59 and page.text('play') == 'Play')
    page.until(lambda: page.text('progress-text').startswith('1 of 2 done, 1 point, '))  # the point is saved
    page.press('/')
    page.press('ro', Keys.ENTER)  # chooses a class by a part of its name
    assert [point[:2] for point in page.saved()] == [(59, 'throw')]
    page.press('?')
    page.until(lambda: 'mark the video as done, play the next one' in page.text('help-keys'))
    page.press('1', Keys.ESCAPE)  # while the help is open, the key sets no point
    page.press(Keys.PAGE_UP)
    page.until(lambda: page.text('video-name') == 'a')
    page.wait_for_video()
    page.browser.find_element(By.ID, 'videos-button').click()
    page.press(Keys.ESCAPE, ' ')  # the space key plays the video, and does not open the list again
    page.until(lambda: page.frame() == page.shown() == 59)
    assert [point[:2] for point in page.saved()] == [(0, 'jump')]
    assert page.browser.find_element(By.ID, 'done').is_selected()
    content = json.loads((tmp_path / 'project.json').read_text())['videos']
    assert [(content[name]['done'], len(content[name]['points'])) for name in 'ab'] == [(True, 1), (False, 1)]
    assert page.errors() == []


def test_a_video_that_is_done_without_a_point_is_told(page, serve, video_folder):
    page.open(serve(find_videos([video_folder])[0]))
    page.press(Keys.ENTER)
    told = "return document.getElementById('flash').textContent;"
    page.until(lambda: page.browser.execute_script(told) == 'a is done, without a point')


def test_what_is_undone_and_deleted_is_told(page, serve, video_folder, tmp_path):
    page.open(serve({'a': video_folder / 'a.webm'}))

    def told(expected):
        page.until(
            lambda: page.browser.execute_script("return document.getElementById('flash').textContent;") == expected
        )

    page.go_to(30)
    page.press('1')
    page.saved()
    page.press('1')
    told('jump is at this frame already')
    page.press_with(Keys.CONTROL, 'z')
    told('undone: jump at 0:01.0')
    page.press_with(Keys.CONTROL, 'y')
    told('redone: jump at 0:01.0')
    page.press('[')
    page.press('2')
    told('now throw')
    page.press_with(Keys.CONTROL, 'z')
    told('undone: throw at 0:01.0')
    page.press('[')
    page.press(Keys.DELETE)
    told('deleted: jump')
    page.until(lambda: stored(tmp_path, 'a') == [])
    assert page.errors() == []


# After Chromium has opened a video again, it sometimes reports the last frame from before. This script forces that.
REPORT_AN_OLD_FRAME = """
const video = document.getElementById('video');
const ask = video.requestVideoFrameCallback.bind(video);
const presentationTime = performance.now();
video.requestVideoFrameCallback = (report) => {
  video.requestVideoFrameCallback = ask;
  setTimeout(() => {
    window.reported = true;
    report(performance.now(), { mediaTime: 20 / 30, presentationTime });
  }, 0);
};
"""


def test_frames_may_come_from_the_server_on_demand(page, serve, video_folder):
    page.open(serve({'a': video_folder / 'a.webm'}))
    page.go_to(20)
    page.browser.find_element(By.ID, 'source-button').click()
    page.until(lambda: page.text('source') == 'frames decoded by the server' and page.shown() == page.frame() == 20)
    page.press('.')
    page.until(lambda: page.shown() == page.frame() == 21)
    page.browser.execute_script(REPORT_AN_OLD_FRAME)
    page.browser.find_element(By.ID, 'source-button').click()
    page.until(lambda: page.text('source') == '' and page.shown() == page.frame() == 21)
    assert page.browser.execute_script('return window.reported;')


def spent_sec(folder, video):
    return json.loads((folder / 'project.json').read_text())['videos'][video]['spent_sec']


def test_the_next_video_is_said_to_load_and_time_at_work_is_counted(page, serve, video_folder, tmp_path):
    begin = time.monotonic()
    page.open(serve(find_videos([video_folder])[0]))
    page.browser.execute_async_script('setTimeout(arguments[0], 2200)')  # ms of work that the page counts
    page.browser.execute_script("""window.told = [];
        const element = document.getElementById('video-name');
        new MutationObserver(() => told.push(element.textContent, document.getElementById('paused').textContent))
            .observe(element, { childList: true });""")
    page.press(Keys.PAGE_DOWN)
    worked_sec = time.monotonic() - begin
    page.until(lambda: page.text('video-name') == 'b')
    # The page never shows the state of the earlier video beside the new name.
    assert page.browser.execute_script('return told.slice(0, 2);') == ['b', 'loading …']
    page.wait_for_video()
    page.until(lambda: spent_sec(tmp_path, 'a') >= 1)
    assert spent_sec(tmp_path, 'a') <= worked_sec


def suggestion(start_frame, end_frame, label):
    """A detection whose middle lies in the middle of a frame, at 30 frames per second."""
    return dict(start_sec=start_frame / 30, end_sec=(end_frame + 1) / 30, label=label, score=0.5, uncertainty=0.5)


SUGGESTIONS = [suggestion(15, 25, 'throw'), suggestion(45, 55, 'jump'), suggestion(0, 10, 'run')]  # in order of rank


def spans(page):
    """Middle frame of each suggestion on the timeline, and whether the page shows this suggestion now."""
    script = """const lane = document.getElementById('overview').clientWidth;
        return [...document.querySelectorAll('#overview [data-suggestion]')].map((span) =>
            [Math.floor((span.offsetLeft + span.offsetWidth / 2) / lane * 60), span.classList.contains('current')]);"""
    return dict(page.browser.execute_script(script))


@pytest.mark.parametrize('video', ['a.webm', 'b.mp4'])
def test_suggestions_are_seen_before_they_are_answered(page, serve, video_folder, tmp_path, video):
    page.open(serve({'v': video_folder / video}, {'v': SUGGESTIONS}))
    assert spans(page) == {20: False, 50: False, 5: False}
    assert page.text('suggestion-count').startswith('3')
    assert not page.browser.find_element(By.ID, 'suggestion-accept').is_enabled()
    page.press_with(Keys.SHIFT, Keys.ARROW_UP)  # shows the most uncertain suggestion, sets no point
    page.until(lambda: page.frame() == page.shown() == 20)
    assert 'throw' in page.text('suggestion')
    assert spans(page)[20]
    page.press('.')
    page.until(lambda: page.frame() == page.shown() == 21)
    page.press_with(Keys.SHIFT, Keys.ARROW_DOWN)  # shows the frame of the suggestion again
    page.until(lambda: page.frame() == page.shown() == 20)
    assert page.saved() == []
    page.press_with(Keys.SHIFT, Keys.ARROW_UP)  # accepts the suggestion, and shows the next one
    page.until(lambda: page.frame() == page.shown() == 50)
    assert [point[:2] for point in page.saved()] == [(20, 'throw')]
    page.press('}')
    page.until(lambda: page.frame() == page.shown() == 5)
    page.press('{')
    page.until(lambda: page.frame() == page.shown() == 50)
    page.press_with(Keys.SHIFT, Keys.ARROW_DOWN)  # rejects the suggestion
    page.until(lambda: page.frame() == page.shown() == 5)
    assert [point[:2] for point in page.saved()] == [(20, 'throw'), (50, 'background')]
    assert spans(page) == {5: True}
    page.press_with(Keys.CONTROL, 'z')  # takes the answer back, so the suggestion is open again
    page.until(lambda: spans(page) == {5: True, 50: False})
    page.press_with(Keys.CONTROL, 'y')
    page.press(Keys.ARROW_LEFT)
    page.until(lambda: page.frame() == page.shown() == 0)
    page.press('r')  # a point of its class within the detection also answers the suggestion
    page.until(lambda: page.text('suggestion-count').startswith('none'))
    assert page.saved()[0][:2] == (0, 'run')
    page.press_with(Keys.SHIFT, Keys.ARROW_UP)
    assert stored(tmp_path, 'v') == [(0, 'run'), (20, 'throw'), (50, None)]
    assert page.errors() == []


def test_one_point_answers_all_suggestions_of_its_class_that_contain_it(page, serve, video_folder, tmp_path):
    """So does a detection that begins within the frame of the point; undo opens all of them again."""
    within = suggestion(20, 37, 'throw') | dict(start_sec=20.4 / 30)
    others = suggestion(22, 34, 'throw'), suggestion(10, 26, 'jump')  # the point is not in it; another class
    answered = suggestion(15, 25, 'throw'), suggestion(18, 40, 'throw'), within
    page.open(serve({'v': video_folder / 'a.webm'}, {'v': [*answered, *others]}))
    page.press('}')
    page.until(lambda: page.frame() == page.shown() == 20)
    page.press_with(Keys.SHIFT, Keys.ARROW_UP)
    assert [point[:2] for point in page.saved()] == [(20, 'throw')]
    page.until(lambda: page.text('suggestion-count').startswith('2'))
    assert stored(tmp_path, 'v') == [(20, 'throw')], 'no background click'
    page.until(lambda: page.frame() == page.shown() == 28)
    page.press_with(Keys.CONTROL, 'z')
    page.until(lambda: page.text('suggestion-count').startswith('5'))


def test_a_suggestion_shows_its_best_snippet(page, serve, video_folder):
    best = dict(suggestion(15, 25, 'throw'), best_sec=23.5 / 30)
    page.open(serve({'v': video_folder / 'a.webm'}, {'v': [best]}))
    page.press('}')
    page.until(lambda: page.frame() == page.shown() == 23)
    page.press_with(Keys.SHIFT, Keys.ARROW_UP)
    page.until(lambda: [point[:2] for point in page.saved()] == [(23, 'throw')])


# Presses the key that accepts a suggestion at every animation frame, as fast as the page can handle it.
PRESS_AT_ONCE = """
const [done, seen] = [arguments[arguments.length - 1], []];
const press = () => document.body.dispatchEvent(
  new KeyboardEvent('keydown', { key: 'ArrowUp', code: 'ArrowUp', shiftKey: true, bubbles: true }));
const count = () => document.querySelectorAll('#points button').length;
const look = () => {
  const before = count();
  const shown = Number(document.getElementById('frame-number').textContent.replace('frame ', ''));
  press();
  if (count() > before) seen.push(shown);
  if (seen.length < 3) requestAnimationFrame(look);
  else done(seen);
};
look();
"""


def test_presses_in_a_hurry_accept_nothing_that_is_not_on_the_screen(page, serve, video_folder, tmp_path):
    page.open(serve({'v': video_folder / 'a.webm'}, {'v': SUGGESTIONS}))
    page.browser.set_script_timeout(60)
    assert page.browser.execute_async_script(PRESS_AT_ONCE) == [20, 50, 5]
    page.saved()
    assert stored(tmp_path, 'v') == [(5, 'run'), (20, 'throw'), (50, 'jump')]


def test_without_suggestions_the_page_has_no_place_for_them(page, serve, video_folder):
    page.open(serve({'a': video_folder / 'a.webm'}))
    assert not page.browser.find_element(By.ID, 'suggestions').is_displayed()
    page.press_with(Keys.SHIFT, Keys.ARROW_UP)
    assert page.saved() == []
    assert page.errors() == []
