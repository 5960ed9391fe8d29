"""A real browser for the tests of pages: Debian's Chromium, without a window."""

import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

ANSWER_SEC = 180  # longest wait for the answer to a command, which a hanging browser never gives


@pytest.fixture(scope='module')
def browser():
    """A driver of headless Chromium; tests that need it are skipped where there is none."""
    chromium, driver = shutil.which('chromium'), shutil.which('chromedriver')
    if chromium is None or driver is None:
        pytest.skip('no chromium and chromedriver on the PATH (Debian: packages chromium and chromium-driver)')
    with open_browser(chromium, driver) as opened:
        yield opened


def open_browser(chromium, driver):
    """Start Chromium; its console log can be read, and root may run it."""
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ('--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--window-size=1280,900'):
        options.add_argument(argument)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    opened.command_executor.client_config.timeout = ANSWER_SEC  # by default, selenium waits for ever
    return opened
