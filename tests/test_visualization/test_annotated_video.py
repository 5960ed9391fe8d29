import av
import numpy as np
import pytest
from browser import browser  # noqa: F401  (a fixture)
from video_writing import write_frames

from fsptal_mm.datasets.videos.reader import open_video
from fsptal_mm.structures import Instances
from fsptal_mm.visualization import annotate_video
from fsptal_mm.visualization.annotated_video import fitting_font
from fsptal_mm.visualization.palette import Look, to_rgb

GREY = 200


def annotated(folder, detections, classes, size=(160, 120), num_frames=30, **kwargs):
    """Frames of the annotated copy of a grey video, ``(N, H, W, 3)`` int, and its reader."""
    images = [np.full((size[1], size[0], 3), GREY, np.uint8)] * num_frames
    source = open_video(write_frames(folder / 'in.mkv', images, 'ffv1', 10, **kwargs))
    video = open_video(annotate_video(source, folder / 'new/out.mp4', detections, classes))
    return np.stack(video.frames(range(len(video)))).astype(int), video


def is_close(pixels, color):
    return np.abs(pixels - np.array(color)).max(-1) < 70  # the codec halves the resolution of colours


def test_labels_stand_on_the_frames_of_their_time(tmp_path):
    # The second score is below half of the best one.
    detections = Instances.of_video([[1, 2], [0, 3]], [0, 1], [0.9, 0.2])
    frames, _ = annotated(tmp_path, detections, ('x', 'weak'))
    assert len(frames) == 30
    assert frames.shape[1] > 120  # the strip lies below the picture
    assert [frame[:12, :30].mean() < 150 for frame in frames] == [10 <= number < 20 for number in range(30)]
    lane = is_close(frames[0][128], to_rgb(Look.of_number(0).color))
    assert lane[70:95].all()
    assert not lane[20:55].any()
    assert not lane[125:].any()


def test_every_class_that_is_found_has_a_lane_of_its_own_in_its_own_colour(tmp_path):
    labels = [6, 2, 3]
    detections = Instances.of_video([[0, 3]] * 3, labels, [0.9] * 3)
    frames, _ = annotated(tmp_path, detections, tuple(f'class {number}' for number in range(10)))
    column = frames[0][120:, 130]  # two lanes, though both actions happen at the same time
    places = [np.flatnonzero(is_close(column, to_rgb(Look.of_number(label).color))) for label in sorted(labels)]
    assert all(len(rows) >= 5 for rows in places)
    assert places[0].max() < places[1].min() <= places[1].max() < places[2].min()  # lanes of the classes 2, 3 and 6


@pytest.mark.parametrize('size', [(90, 321), (641, 90), (320, 240)])
def test_text_is_never_cut_and_follows_the_shorter_side(tmp_path, size):
    name = 'Öffnen einer sehr langen Schachtel mit beiden Händen'
    frames, _ = annotated(tmp_path, Instances.of_video([[0, 3]], [0], [1.0]), (name,), size, 3)
    picture = frames[0][: size[1]]
    changed = (np.abs(picture - GREY) > 30).any(-1)
    assert changed.any()
    assert not changed[:, -2:].any()  # the text ends before the picture does
    assert changed.any(1).sum() <= max(24, 0.2 * min(size))
    assert frames.shape[1] % 2 == frames.shape[2] % 2 == 0


def test_a_font_fits():
    for text, width in (('short', 300), ('a long name of a class, indeed', 60)):
        font = fitting_font(text, 20, width)
        assert font.getlength(text) <= width
    assert fitting_font('short', 20, 300).size == 20


def test_browsers_play_it_and_frames_keep_their_times(tmp_path):
    times_sec = [0, 0.1, 0.2, 1.0, 1.1, 1.5]
    frames, video = annotated(tmp_path, Instances.of_video([], [], []), (), num_frames=6, times_sec=times_sec)
    assert len(frames) == 6
    assert video.start_sec == pytest.approx(times_sec, abs=2e-3)
    with av.open(video.path) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ('h264', 'yuv420p')
    content = (tmp_path / 'new/out.mp4').read_bytes()
    assert content.index(b'moov') < content.index(b'mdat')  # a browser need not load all of it first


@pytest.mark.browser
def test_chromium_plays_it(tmp_path, browser):  # noqa: F811
    annotated(tmp_path, Instances.of_video([[1, 2]], [0], [1.0]), ('x',))
    (tmp_path / 'page.html').write_text('<video src="new/out.mp4" preload="auto"></video>')
    browser.get((tmp_path / 'page.html').as_uri())
    script = """
        const [video, done] = [document.querySelector('video'), arguments[0]];
        video.onerror = () => done('error');
        video.onseeked = () => done([video.videoWidth, video.videoHeight > 120, video.duration]);
        const seek = () => { video.currentTime = 1.5; };
        video.readyState >= 2 ? seek() : video.onloadeddata = seek;
    """
    assert browser.execute_async_script(script) == [160, True, pytest.approx(3.0, abs=0.01)]
