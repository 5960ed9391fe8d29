"""The annotator's page as a person uses it: keys, and what can be read."""

import json

import numpy as np
from numbered_videos import BAR, BITS, SIZE
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

# Reads the number of the frame that the page shows, from the bars in its picture, see tests/numbered_videos.py.
READ_NUMBER = f"""
function readNumber() {{
  const shown = ['video', 'canvas'].map((id) => document.getElementById(id)).find((element) => !element.hidden);
  const copy = Object.assign(document.createElement('canvas'), {{ width: {SIZE[0]}, height: {SIZE[1]} }});
  const context = copy.getContext('2d');
  context.drawImage(shown, 0, 0, {SIZE[0]}, {SIZE[1]});
  const row = context.getImageData(0, {SIZE[1] // 2}, {SIZE[0]}, 1).data;
  let number = 0;
  for (let bit = 0; bit < {BITS}; bit += 1) number += row[4 * ({BAR} * bit + {BAR // 2})] > 128 ? 1 << bit : 0;
  return number;
}}
"""


class Page:
    """The page in a browser."""

    def __init__(self, browser):
        self.browser = browser

    def open(self, url, numbered=True):
        self.browser.get('about:blank')  # else, addresses that differ only behind '#' load no page
        self.browser.get(url)
        self.wait_for_video(numbered)

    def wait_for_video(self, numbered=True):
        self.until(lambda: self.text('paused') == 'paused' and self.frame() == 0)
        self.until(lambda: not numbered or self.shown() == 0)

    def until(self, condition):
        return WebDriverWait(self.browser, 60, 0.05, ignored_exceptions=[Exception]).until(lambda _: condition())

    def press(self, *keys):
        for key in keys:
            ActionChains(self.browser).send_keys(key).perform()

    def press_with(self, modifier, key):
        ActionChains(self.browser).key_down(modifier).send_keys(key).key_up(modifier).perform()

    def go_to(self, frame):
        """Step to a frame with the keyboard alone."""
        self.press(Keys.HOME)
        self.until(lambda: self.frame() == 0)
        self.press('.' * frame)
        self.until(lambda: self.frame() == frame and self.shown() == frame)

    def text(self, element):
        return self.browser.find_element(By.ID, element).text

    def frame(self):
        return int(self.text('frame-number').removeprefix('frame '))

    def shown(self):
        return self.browser.execute_script(READ_NUMBER + 'return readNumber();')

    def picture(self, width, height):
        """Picture in the player, ``(height, width, 3)`` RGB."""
        script = """const [width, height] = arguments;
            const copy = Object.assign(document.createElement('canvas'), { width, height });
            const context = copy.getContext('2d');
            context.drawImage(document.getElementById('video'), 0, 0, width, height);
            return [...context.getImageData(0, 0, width, height).data];"""
        pixels = np.array(self.browser.execute_script(script, width, height))
        return pixels.reshape(height, width, 4)[:, :, :3]

    def saved(self):
        """Wait until the page says "saved"; return the points that it shows, as (frame, label, time)."""
        self.until(lambda: self.text('saved') == 'saved')
        return self.points()

    def points(self):
        script = """return [...document.querySelectorAll('#points button')].map((button) =>
            [Number(button.dataset.frame), button.lastChild.data, button.querySelector('time').textContent]);"""
        return [tuple(point) for point in self.browser.execute_script(script)]

    def errors(self):
        return [entry['message'] for entry in self.browser.get_log('browser') if entry['level'] == 'SEVERE']


def stored(tmp_path, video):
    """Points in the project file, as (frame, label)."""
    content = json.loads((tmp_path / 'project.json').read_text())
    return [(point['frame'], point['label']) for point in content['videos'][video]['points']]
