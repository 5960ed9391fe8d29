"""Take the pictures of the annotator, the report and an annotated video for the guides.

Example (`make pictures` does all of it):
    python tools/docs/screenshots.py work_dirs/pictures/report.html --out-dir docs/images

The report is one of tools/analysis_tools/report.py. The video is generated: a square that rests, hops and slides. Its
"detections" are the actions that were drawn into it, one of them shifted. Chromium and chromedriver must be installed
(Debian: packages chromium and chromium-driver).
"""

import argparse
import contextlib
import io
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import av
import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from fsptal_mm.annotator import AnnotationServer, PageApi, Project, find_videos, read_class_keys
from fsptal_mm.datasets.videos.reader import open_video
from fsptal_mm.structures import Instances
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import atomic_write
from fsptal_mm.visualization import annotate_video

CLASSES = ('hop', 'slide')
ACTIONS = ((2.0, 5.5, 'hop'), (8.0, 12.0, 'slide'), (14.5, 17.0, 'hop'), (20.0, 23.5, 'slide'), (25.0, 28.0, 'hop'))
SECONDS, FPS, SIZE = 30, 25, (640, 360)
SHOWN_SEC = 9.5  # time of the frame in the pictures
_COLORS = 128  # in the palette of a picture, so that its file is small


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('report', type=Path, help='HTML file of report.py')
    parser.add_argument('--out-dir', type=Path, default='docs/images', help='default: %(default)s')
    return parser.parse_args(argv)


def scene(time_sec):
    """Frame of the video at a time, ``(H, W, 3)`` RGB."""
    width, height = SIZE
    frame = np.full((height, width, 3), (38, 50, 56), np.uint8)
    frame[height * 4 // 5 :] = (69, 90, 100)
    x, y, side = width // 2, height * 4 // 5, 60
    for start, end, label in ACTIONS:
        if start <= time_sec < end:
            swing = np.sin(2 * np.pi * (time_sec - start) / 1.5)
            x, y = (x, y - abs(swing) * 140) if label == 'hop' else (x + swing * 200, y)
    frame[int(y) - side : int(y), int(x) - side // 2 : int(x) + side // 2] = (255, 202, 40)
    return frame


def write_video(path):
    """Write the generated video."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('libx264', rate=FPS)
        stream.width, stream.height = SIZE
        stream.pix_fmt = 'yuv420p'
        for number in range(SECONDS * FPS):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(scene(number / FPS), format='rgb24')))
        container.mux(stream.encode())


def save(image, path):
    """Write a PNG with a palette, atomically."""
    with atomic_write(path, 'wb') as file:
        image.convert('RGB').quantize(_COLORS).save(file, format='PNG', optimize=True)
    print(f'{path}: {path.stat().st_size // 1024} kB')


def picture_of_video(video, folder):
    """Annotate the video, and return the frame at ``SHOWN_SEC``."""
    segments = np.array([action[:2] for action in ACTIONS])
    segments[1] += (0.4, 0.8)
    labels = [CLASSES.index(label) for *_, label in ACTIONS]
    copy = folder / 'annotated.mp4'
    annotate_video(open_video(video), copy, Instances.of_video(segments, labels, [0.95, 0.8, 0.9, 0.85, 0.7]), CLASSES)
    with av.open(str(copy)) as container:
        frame = next(frame for frame in container.decode(video=0) if frame.time >= SHOWN_SEC)
    return frame.to_image()


@contextlib.contextmanager
def open_annotator(video, folder):
    """Serve the annotator with points at some of the actions; yields its address."""
    class_file = folder / 'classes.txt'
    class_file.write_text('\n'.join(CLASSES))
    project = Project(folder / 'project.json', CLASSES, find_videos([video])[0])
    try:
        for number, (start, end, label) in enumerate(ACTIONS[:3]):
            edit = {'edit_id': f'point-{number:03}', 'action': 'add', 'time_sec': (start + end) / 2, 'label': label}
            project.edit(video.stem, edit, lambda time_sec: (round(time_sec * FPS), round(time_sec * FPS) / FPS))
        server = AnnotationServer(PageApi(project, read_class_keys(class_file), folder / 'export', class_file))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
    finally:
        project.close()


@contextlib.contextmanager
def open_browser():
    """Start headless Chromium.

    Raises:
        InputError: Chromium or chromedriver is not installed.
    """
    programs = [shutil.which(name) for name in ('chromium', 'chromedriver')]
    if None in programs:
        raise InputError(
            'chromium and chromedriver on the PATH (Debian: packages chromium and chromium-driver)', found=programs
        )
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for argument in ('--headless=new', '--no-sandbox', '--disable-dev-shm-usage', '--hide-scrollbars'):
        options.add_argument(argument)
    with webdriver.Chrome(options=options, service=Service(programs[1])) as browser:
        yield browser


def screenshot(browser, height, selector='body', width=1240):
    """Return a picture of the page in a window of this size, scrolled to an element."""
    metrics = {'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': False}
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', metrics)
    browser.execute_script(f"document.querySelector('{selector}').scrollIntoView()")
    # Wait for two frames, so that everything is drawn.
    browser.execute_async_script('requestAnimationFrame(() => requestAnimationFrame(arguments[0]))')
    return Image.open(io.BytesIO(browser.get_screenshot_as_png()))


def picture_of_annotator(browser, url):
    """Open the page and show the frame at ``SHOWN_SEC``."""
    browser.get(url)
    number, state = (browser.find_element(By.ID, name) for name in ('frame-number', 'paused'))
    WebDriverWait(browser, 60).until(lambda _: state.text == 'paused')  # until then, the page ignores seeks
    browser.execute_script(f"document.getElementById('video').currentTime = {SHOWN_SEC + 0.5 / FPS}")
    WebDriverWait(browser, 60).until(lambda _: number.text == f'frame {round(SHOWN_SEC * FPS)}')
    return screenshot(browser, 760)


def pictures_of_report(browser, report):
    """Yield the name and picture of two parts of the report: its top, and its timelines."""
    browser.get(report.resolve().as_uri())
    yield 'report', screenshot(browser, 760)
    yield 'report_timelines', screenshot(browser, 560, '#timelines .controls')


def main(argv=None):
    args = parse_args(argv)
    try:
        if not args.report.is_file():
            raise InputError('the HTML file of a report', file=args.report, found='no such file')
        args.out_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
            for name, image in pictures_of_report(browser, args.report):
                save(image, args.out_dir / f'{name}.png')
            video = Path(folder, 'square.mp4')
            write_video(video)
            save(picture_of_video(video, Path(folder)), args.out_dir / 'annotated_video.png')
            with open_annotator(video, Path(folder)) as url:
                save(picture_of_annotator(browser, url), args.out_dir / 'annotator.png')
    except InputError as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
