import numpy as np
import pytest
from tiny_videos import SIZE, brightness_to_sec, write_variable_rate, write_video

from fsptal_mm.datasets.videos.reader import open_video
from fsptal_mm.utils.errors import InputError

DECODERS = pytest.mark.parametrize('decoder', ['decord', 'opencv'])


@DECODERS
@pytest.mark.parametrize('suffix', ['.mp4', '.avi'])
def test_frames_and_their_times(tmp_path, decoder, suffix):
    video = open_video(write_video(tmp_path / f'a{suffix}', 2.0, fps=25), decoder)
    assert len(video) == 50
    assert video.duration_sec == pytest.approx(2.0, abs=1e-3)
    np.testing.assert_allclose(video.start_sec, np.arange(50) / 25, atol=1e-3)
    frames = video.frames([0, 7, 49])
    assert [(frame.shape, frame.dtype) for frame in frames] == [((SIZE[1], SIZE[0], 3), np.uint8)] * 3
    assert [brightness_to_sec(frame) for frame in frames] == pytest.approx([0, 7 / 25, 49 / 25], abs=0.25)
    assert brightness_to_sec(video.frames([3])[0]) == pytest.approx(3 / 25, abs=0.25)  # back again


def test_colours_are_rgb(tmp_path):
    import cv2

    writer = cv2.VideoWriter(str(tmp_path / 'a.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 10, (32, 32))
    for _ in range(3):
        writer.write(np.full((32, 32, 3), (0, 0, 255), np.uint8))  # OpenCV writes BGR: red
    writer.release()
    for decoder in ('decord', 'opencv'):
        red, _, blue = open_video(tmp_path / 'a.avi', decoder).frames([1])[0].reshape(-1, 3).mean(0)
        assert red > 200 > 50 > blue


@DECODERS
def test_the_frame_shown_at_a_time(tmp_path, decoder):
    video = open_video(write_video(tmp_path / 'a.mp4', 2.0, fps=30), decoder)
    # The times of frames are rounded in the container: 1 / 3 s is frame 10, not the one before.
    assert video.index_at([0, 1 / 30, 0.05, 1 / 3, 1.99]).tolist() == [0, 1, 1, 10, 59]
    assert video.index_at([-3, 5]).tolist() == [0, 59]  # beyond the ends


@DECODERS
def test_a_variable_frame_rate_is_taken_from_the_timestamps(tmp_path, decoder):
    video = open_video(write_variable_rate(tmp_path / 'a.mkv'), decoder)
    assert video.duration_sec == pytest.approx(4.0, abs=0.1)
    assert video.index_at([0.5, 1.0, 1.05, 1.1, 3.0]).tolist() == [15, 30, 30, 31, 50]
    times = [0.5, 1.5, 2.5, 3.5]  # at an average rate of 15 frames per second these would be other scenes
    assert [brightness_to_sec(video.frames([video.index_at(time)])[0]) for time in times] == pytest.approx(
        times, abs=0.25
    )


def broken_files(folder):
    whole = write_video(folder / 'whole.mp4', 4.0).read_bytes()
    middle = len(whole) // 3
    contents = dict(
        empty=b'',
        text=b'this is no video',
        cut_off=whole[: len(whole) // 2],
        damaged=whole[:middle] + b'\xff' * 600 + whole[middle + 600 :],
    )
    for name, content in contents.items():
        (folder / f'{name}.mp4').write_bytes(content)
    write_video(folder / 'no_frame.mp4', 0.0)
    return [*contents, 'no_frame', 'missing']


def read_all(path, decoder):
    video = open_video(path, decoder)
    return video.frames(range(len(video)))


@DECODERS
def test_broken_videos(tmp_path, decoder):
    for name in broken_files(tmp_path):
        with pytest.raises(InputError, match=f'{name}.mp4: '):
            read_all(tmp_path / f'{name}.mp4', decoder)


def test_an_unknown_decoder(tmp_path):
    with pytest.raises(InputError, match=r"decoder: found 'magic'.*decord.*opencv"):
        open_video(write_video(tmp_path / 'a.mp4', 0.2), 'magic')
