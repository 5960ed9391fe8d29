import pytest
from browser import browser  # noqa: F401  (marks the test, and skips it where there is no Chromium)
from PIL import Image
from tool_modules import load_tool

PAGE = (
    '<!doctype html><h1>Report</h1><div id="timelines"><p class="controls" style="margin-top: 2000px">Filter</p></div>'
)


def test_pictures_of_browser_and_video(browser, tmp_path):  # noqa: F811
    (tmp_path / 'report.html').write_text(PAGE)
    load_tool('docs/screenshots').main([str(tmp_path / 'report.html'), '--out-dir', str(tmp_path / 'out')])
    pictures = {path.stem: Image.open(path) for path in (tmp_path / 'out').iterdir()}
    assert {name: image.mode for name, image in pictures.items()} == dict.fromkeys(
        ('report', 'report_timelines', 'annotated_video', 'annotator'), 'P'
    )
    for name in ('report', 'report_timelines'):  # the picture has white paper and dark text
        assert len(pictures[name].getcolors()) > 1, name
    for name in ('annotated_video', 'annotator'):  # the picture shows the square in the video
        colors = pictures[name].convert('RGB').getcolors(1 << 24)
        assert any(red > 200 and green > 160 and blue < 90 for _, (red, green, blue) in colors), name


def test_a_missing_report(tmp_path):
    with pytest.raises(SystemExit, match=r'report\.html'):
        load_tool('docs/screenshots').main([str(tmp_path / 'report.html')])
