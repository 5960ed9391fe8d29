"""The report in a real browser: what it shows, how it reacts to keys and pointer, and that it fetches nothing."""

import json
from pathlib import Path

import pytest
from browser import browser  # noqa: F401  (a fixture)
from report_runs import BAD, EVIL, remove_segments, write_data, write_run
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from fsptal_mm.report import Published, read_run, write_report

BLUE = 'rgb(0, 114, 178)'  # colour of the first run


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    """Reports on one run, on two runs, and on an empty folder; every text from a file tries to inject HTML."""
    folder = tmp_path_factory.mktemp('report')
    write_data(folder / 'data')
    write_run(folder / 'run', folder / 'data', note=EVIL)
    write_run(folder / 'second', folder / 'data', note='plain')
    (folder / 'empty').mkdir()
    write_data(folder / 'points')
    remove_segments(folder / 'points')
    write_run(folder / 'labelled', folder / 'points')
    write_report(folder / 'points.html', [read_run(folder / 'labelled', 'labelled')])
    published = [Published('Others', 'THUMOS14', {'mAP@0.1-0.7': 56.7}, 'their paper', 'benchmark')]
    first, second = read_run(folder / 'run', EVIL), read_run(folder / 'second', '$second$')
    write_report(folder / 'one.html', [first], published)
    write_report(folder / 'two.html', [first, second], published)
    write_report(folder / 'empty.html', [read_run(folder / 'empty', 'empty')])
    return folder


@pytest.fixture
def open_page(browser, pages):  # noqa: F811
    """Function that opens a page from disk. In the end, the browser must have fetched nothing and logged no error."""

    def get(name):
        browser.get((pages / f'{name}.html').as_uri())
        return browser

    yield get
    requests = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [request for request in requests if not request.startswith('data:')] == []
    assert browser.get_log('browser') == []


def texts(page, selector):
    return [element.text for element in page.find_elements(By.CSS_SELECTOR, selector)]


def point_at(element):
    """Scroll an element into view, then move the pointer onto it."""
    element.parent.execute_script("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", element)
    ActionChains(element.parent).move_to_element(element).perform()


def tooltip(page):
    element = page.find_element(By.ID, 'tooltip')
    return element.text if element.is_displayed() else None


def bars(page, video):
    """Texts for screen readers (``aria-label``) of the detections of a video."""
    script = 'return [...document.querySelectorAll(arguments[0])].map(bar => bar.getAttribute("aria-label"))'
    return page.execute_script(script, f'[data-video={json.dumps(video)}] .detection')


def test_figures_in_the_table(open_page):
    page = open_page('two')
    assert texts(page, '#summary-1 td[data-key="mAP@0.1-0.7"]') == ['83.3', '83.3', '56.7']
    assert texts(page, '#summary-1 td[data-key="mAP@0.5"]') == ['83.3', '83.3', '–']
    assert texts(page, '#summary-2 td[data-key="video_mAP"]') == ['75.0', '75.0']
    assert texts(page, '#summary-1 .published th') == ['Others benchmark']
    assert 'their paper' in page.find_element(By.ID, 'summary').text


def test_average_precision_of_classes_side_by_side_and_sorted(open_page):
    page = open_page('two')
    rows = '#classes tbody tr'
    assert texts(page, f'{rows}:first-child td') == ['2', '66.7', '66.7', '66.7', '66.7']
    assert texts(page, f'{rows}:last-child td') == ['1', '100.0', '100.0', '100.0', '100.0']
    assert 'never' in page.find_element(By.CSS_SELECTOR, '#classes p').text, 'a class without a ground-truth segment'
    heading = page.find_elements(By.CSS_SELECTOR, '#classes th button')[2]
    heading.click()
    assert texts(page, f'{rows} td:nth-child(3)') == ['100.0', '66.7']
    heading.click()
    assert texts(page, f'{rows} td:nth-child(3)') == ['66.7', '100.0']
    fill = page.find_element(By.CSS_SELECTOR, '#classes .fill')
    assert fill.value_of_css_property('background-color') == 'rgba(0, 114, 178, 1)'


def test_evil_texts_are_texts(open_page):
    page = open_page('two')
    assert page.find_elements(By.CSS_SELECTOR, 'img, b') == []
    assert page.title.startswith('Report: </script>')
    assert EVIL in texts(page, '#classes tbody th')
    assert EVIL in texts(page, '#videos .row-label')
    assert BAD in texts(page, '#videos h4')
    assert EVIL in texts(page, '#summary-1 th')[-3]
    page.execute_script("document.querySelectorAll('details').forEach(part => part.open = true)")
    assert 'owned' in page.find_element(By.CSS_SELECTOR, '#config pre').text
    assert any(EVIL in text.replace("\\'", "'") for text in texts(page, '#config td'))


# Inserts an image whose error would run a script. Returns after the error, or when the policy has refused the script.
SLIP_IN = """
    const refused = new Promise((resolve) => document.addEventListener('securitypolicyviolation', (event) => {
      if (event.effectiveDirective.startsWith('script-src')) resolve();
    }));
    document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="document.title=1">');
    const failed = new Promise((resolve) => document.body.lastElementChild.addEventListener('error', resolve));
    Promise.all([refused, failed]).then(arguments[0]);
"""


def test_a_script_that_slips_in_does_not_run(browser, pages):  # noqa: F811
    browser.get((pages / 'one.html').as_uri())
    browser.execute_async_script(SLIP_IN)
    assert browser.title.startswith('Report')
    assert 'Content Security Policy' in browser.get_log('browser')[0]['message']


def test_bars_lie_at_their_seconds_and_tell_what_they_are(open_page):
    page = open_page('one')
    row = page.find_element(By.CSS_SELECTOR, '[data-video="good"] .row svg').rect
    bar = page.find_element(By.CSS_SELECTOR, '[data-video="good"] .detection').rect  # 0 to 10 of 60 seconds
    assert bar['width'] == pytest.approx(row['width'] / 6, abs=2)
    assert bar['x'] == pytest.approx(row['x'], abs=2)
    wanted = f'[data-video={json.dumps(BAD)}] .detection.false-positive[aria-label*="0.900"]'
    best = page.find_element(By.CSS_SELECTOR, wanted)
    point_at(best)
    assert tooltip(page).splitlines() == ['jump', 'score 0.900, 40.25–50.50 s', f'{EVIL}, false positive at tIoU 0.5']
    assert best.value_of_css_property('stroke') != 'none'
    right = page.find_element(By.CSS_SELECTOR, '[data-video="good"] .detection.true-positive')
    assert right.value_of_css_property('fill') == BLUE
    truth = page.find_element(By.CSS_SELECTOR, '[data-video="good"] .truth')
    point_at(truth)
    assert tooltip(page).splitlines() == ['ground truth: jump', '0.00–10.00 s']
    point = page.find_element(By.CSS_SELECTOR, '[data-video="good"] .point')
    assert point.get_attribute('aria-label') == 'point label: jump, 4.50 s'


def test_timelines_by_points(open_page):
    page = open_page('points')
    line = page.find_element(By.CSS_SELECTOR, '[data-video="good"] .point-line').rect
    row = page.find_element(By.CSS_SELECTOR, '[data-video="good"] .row svg').rect  # the row is 60 s long
    assert line['x'] == pytest.approx(row['x'] + row['width'] * 4.5 / 60, abs=2)
    assert line['height'] == pytest.approx(row['height'], abs=2)
    hit, miss = bars(page, 'good')
    assert ('true positive by points' in hit, 'false positive by points' in miss) == (True, True)
    assert '1 point' in page.find_element(By.CSS_SELECTOR, '[data-video="good"] .facts').text
    assert texts(page, '#classes tbody td')[0] == '1', 'points of the class'


def test_pictures_take_the_colours_of_the_page(open_page):
    page = open_page('one')
    label = page.find_element(By.CSS_SELECTOR, '#diagnosis svg text')
    colors = []
    for scheme in ('light', 'dark'):
        features = [{'name': 'prefers-color-scheme', 'value': scheme}]
        page.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': features})
        body = page.find_element(By.TAG_NAME, 'body')
        colors.append(label.value_of_css_property('fill'))
        assert colors[-1] == body.value_of_css_property('color').replace('rgba', 'rgb').replace(', 1)', ')')
    page.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': []})
    assert len(set(colors)) == 2


def test_filters_by_class_and_by_score(open_page):
    page = open_page('one')
    assert (len(bars(page, 'good')), len(bars(page, BAD))) == (2, 200)
    counts = '[data-video] .count'
    assert texts(page, counts) == ['2 of 2 detections shown', '200 of 200 detections shown (the best of 242)']
    Select(page.find_element(By.CSS_SELECTOR, '.class-filter')).select_by_visible_text(EVIL)
    assert texts(page, counts)[0] == '1 of 2 detections shown'
    assert bars(page, 'good')[0].startswith(EVIL)
    assert bars(page, BAD) == []
    assert 'nothing to show' in page.find_element(By.CSS_SELECTOR, f'[data-video={json.dumps(BAD)}]').text
    Select(page.find_element(By.CSS_SELECTOR, '.class-filter')).select_by_visible_text('all')
    score = page.find_element(By.CSS_SELECTOR, '.score-filter')
    score.send_keys(Keys.CONTROL, 'a')
    score.send_keys('0.75')
    assert [label.split(', ')[1] for label in bars(page, 'good')] == ['score 0.800']
    assert [label.split(', ')[1] for label in bars(page, BAD)] == ['score 0.900']
    assert texts(page, '[data-video="good"] .row-label') == ['jump', EVIL], 'ground-truth segments stay'


def test_keys_go_through_the_detections(open_page):
    page = open_page('one')
    page.execute_script('document.querySelector(\'[data-video=good] .detection[tabindex="0"]\').focus()')
    assert 'score 0.800' in tooltip(page)
    for key, shown in ((Keys.ARROW_RIGHT, '20.00–30.00 s'), (Keys.ARROW_UP, 'score 0.800'), (Keys.ESCAPE, None)):
        page.switch_to.active_element.send_keys(key)
        assert tooltip(page) is None if shown is None else shown in tooltip(page)


def test_zoom_widens_the_time_axis(open_page):
    page = open_page('one')
    video = page.find_element(By.CSS_SELECTOR, '[data-video="good"]')
    row = video.find_element(By.CSS_SELECTOR, '.row svg')
    before, ticks = row.rect['width'], len(video.find_elements(By.CSS_SELECTOR, '.axis text'))
    for _ in range(2):
        video.find_element(By.CSS_SELECTOR, '[aria-label="Zoom in"]').click()
    assert row.rect['width'] == pytest.approx(4 * before, rel=0.01)
    assert len(video.find_elements(By.CSS_SELECTOR, '.axis text')) > ticks
    video.find_element(By.CSS_SELECTOR, '[aria-label="Whole video"]').click()
    assert row.rect['width'] == before


def test_curves_of_losses_measures_and_pseudo_labels(open_page):
    page = open_page('two')
    titles = {kind: texts(page, f'[data-kind="{kind}"] figcaption') for kind in ('losses', 'measures', 'mining')}
    assert titles['losses'] == ['total loss', 'video-level loss']
    assert titles['measures'] == ['mAP at tIoU 0.1-0.7', 'mAP at tIoU 0.5'], 'of single tIoUs, one is enough'
    assert titles['mining'] == ['snippets with a mined label: action', 'mined labels: action precision']
    chart = page.find_element(By.CSS_SELECTOR, '[data-kind="losses"] svg')
    assert len(chart.find_elements(By.CSS_SELECTOR, '.curve')) == 2
    page.execute_script('arguments[0].focus()', chart)
    chart.send_keys(Keys.HOME)
    assert tooltip(page).splitlines()[:2] == ['total loss, epoch 1', f'{EVIL}: 3']
    chart.send_keys(Keys.END)
    assert tooltip(page).splitlines()[:2] == ['total loss, epoch 3', f'{EVIL}: no number']


def test_diagnosis_as_table_and_pictures(open_page):
    page = open_page('one')
    rows = '#diagnosis tbody tr'
    # Of the best G detections of 'jump' (G = 2), one is a true positive and one a background error; that of the other
    # class (G = 1) is a true positive.
    assert texts(page, f'{rows}:first-child td')[1:] == ['66.7', '0.0', '0.0', '0.0', '0.0', '33.3']
    assert len(page.find_elements(By.CSS_SELECTOR, '#diagnosis .picture svg')) == 3
    assert any('Length' in text for text in texts(page, '#diagnosis svg'))


def test_an_empty_folder_and_settings_that_differ(open_page):
    page = open_page('empty')
    assert len(page.find_elements(By.CSS_SELECTOR, '.missing li')) == 5
    assert len(texts(page, '#summary-1 td')) == 1, 'nothing was measured'
    page = open_page('two')
    differing, _, second = page.find_elements(By.CSS_SELECTOR, 'details summary')
    differing.click()
    assert texts(page, '#config tbody th') == ['note']
    second.click()
    assert "note = 'plain'" in texts(page, '#config pre')[1]


@pytest.mark.parametrize('width', [1280, 390])
def test_the_page_never_scrolls_sideways(width, open_page):
    page = open_page('two')
    metrics = {'width': width, 'height': 800, 'deviceScaleFactor': 1, 'mobile': False}
    page.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', metrics)
    try:
        WebDriverWait(page, 60).until(lambda _: page.execute_script('return innerWidth') == width)
        assert page.execute_script('return document.documentElement.scrollWidth') <= width
    finally:
        page.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})


def test_names_that_are_no_text_do_no_harm(pages, tmp_path):
    # The name of a folder need not be valid UTF-8; Python keeps its invalid bytes as lone surrogates.
    write_report(tmp_path / 'report.html', [read_run(pages / 'run', 'odd \udcff')])
    assert 'odd \\udcff' in (tmp_path / 'report.html').read_text(encoding='utf-8')


def test_the_file_names_no_address(pages):
    # Names of XML vocabularies, which are not fetched.
    text = Path(pages / 'two.html').read_text(encoding='utf-8').replace('http://www.w3.org/', '')
    assert 'http://' not in text
    assert 'https://' not in text
