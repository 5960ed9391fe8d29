"""Reading of videos by index: colours, times, and files that are broken."""

import numpy as np
import pytest
from numbered_videos import read_number
from refusals import refused
from tiny_videos import SIZE, brightness_to_sec, write_variable_rate, write_video
from video_variants import NUM_FRAMES, encode
from video_writing import write_frames

from fsptal_mm.datasets.videos.reader import find_video_file, open_video
from fsptal_mm.utils.errors import InputError


@pytest.mark.parametrize('suffix', ['.mp4', '.avi'])
def test_frames_and_their_times(tmp_path, suffix):
    video = open_video(write_video(tmp_path / f'a{suffix}', 2.0, fps=25))
    assert len(video) == 50
    assert video.duration_sec == pytest.approx(2.0, abs=1e-3)
    np.testing.assert_allclose(video.start_sec, np.arange(50) / 25, atol=1e-3)
    frames = video.frames([0, 7, 49])
    assert [(frame.shape, frame.dtype) for frame in frames] == [((SIZE[1], SIZE[0], 3), np.uint8)] * 3
    assert [brightness_to_sec(frame) for frame in frames] == pytest.approx([0, 7 / 25, 49 / 25], abs=0.25)
    assert brightness_to_sec(video.frames([3])[0]) == pytest.approx(3 / 25, abs=0.25)  # a seek back to an earlier frame


def test_colours_are_rgb(tmp_path):
    red = np.full((32, 32, 3), (255, 0, 0), np.uint8)
    (image,) = open_video(write_frames(tmp_path / 'a.avi', [red] * 3)).frames([1])
    red, _, blue = image.reshape(-1, 3).mean(0)
    assert red > 200 > 50 > blue


def test_the_frame_shown_at_a_time(tmp_path):
    video = open_video(write_video(tmp_path / 'a.mp4', 2.0, fps=30))
    # The container rounds the times of frames. Nevertheless, frame 10 is shown at 1 / 3 s, and not frame 9.
    assert video.index_at([0, 1 / 30, 0.05, 1 / 3, 1.99]).tolist() == [0, 1, 1, 10, 59]
    assert video.index_at([-3, 5]).tolist() == [0, 59]  # beyond the ends


def test_a_variable_frame_rate_is_taken_from_the_timestamps(tmp_path):
    video = open_video(write_variable_rate(tmp_path / 'a.mkv'))
    assert video.duration_sec == pytest.approx(4.0, abs=0.1)
    assert video.index_at([0.5, 1.0, 1.05, 1.1, 3.0]).tolist() == [15, 30, 30, 31, 50]
    times = [0.5, 1.5, 2.5, 3.5]  # a constant rate of 15 frames per second would give other scenes
    assert [brightness_to_sec(video.frames([video.index_at(time)])[0]) for time in times] == pytest.approx(
        times, abs=0.25
    )


def read_all(path):
    video = open_video(path)
    return video.frames(range(len(video)))


def test_files_that_are_no_video(tmp_path):
    (tmp_path / 'empty.mp4').write_bytes(b'')
    (tmp_path / 'text.mp4').write_bytes(b'this is no video')
    header_lost = write_video(tmp_path / 'header_lost.mp4').read_bytes()
    # The header is at the end of the file.
    (tmp_path / 'header_lost.mp4').write_bytes(header_lost[: len(header_lost) // 2])
    write_frames(tmp_path / 'no_frame.avi', [])
    for name in ('empty.mp4', 'text.mp4', 'header_lost.mp4', 'no_frame.avi', 'missing.mp4'):
        for allow_damaged in (False, True):
            with pytest.raises(InputError, match=f'{name}: '):
                open_video(tmp_path / name, allow_damaged)
    (tmp_path / 'folder.mp4').mkdir()
    with pytest.raises(InputError, match=r'folder.mp4: .*a folder'):
        open_video(tmp_path / 'folder.mp4')


@pytest.mark.parametrize(
    'name, codec, options',
    [
        ('a.mp4', 'libx264', dict(muxer=dict(movflags='faststart'))),
        ('a.mkv', 'libx264', {}),
        ('a.webm', 'libvpx-vp9', dict(deadline='realtime')),
        ('a.avi', 'mpeg4', {}),
        ('a.flv', 'flv', {}),
        ('a.mxf', 'mpeg2video', {}),
    ],
)
def test_a_truncated_file_is_named_and_its_readable_part_is_used_by_choice(tmp_path, name, codec, options):
    path = encode(tmp_path / name, codec, g=12, **options)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 6 // 10])
    with pytest.raises(InputError, match=rf'{name}: .*allow_damaged'):
        read_all(path)
    part = open_video(path, allow_damaged=True)
    numbers = [read_number(image) for image in part.frames(range(len(part) - 1))]  # the last frame may be damaged
    assert numbers == list(range(len(numbers)))
    assert NUM_FRAMES // 8 < len(part) < NUM_FRAMES
    assert part.duration_sec == pytest.approx(len(part) / 25, abs=0.1)


@pytest.mark.parametrize('codec', ['libx264', 'mpeg4', 'libsvtav1'])
def test_a_hole_in_a_file_is_an_error_or_by_choice_costs_the_frames_within(tmp_path, codec):
    path = encode(tmp_path / 'a.mp4', codec, g=12)
    content = bytearray(path.read_bytes())
    start = len(content) // 3
    content[start : start + 600] = b'\xff' * 600
    path.write_bytes(content)
    with pytest.raises(InputError, match=r'a\.mp4: .* at .* s.*allow_damaged'):
        read_all(path)
    video = open_video(path, allow_damaged=True)
    images = video.frames(range(NUM_FRAMES))
    assert [read_number(images[number]) for number in (0, 1, 58, 59)] == [0, 1, 58, 59]


def test_a_video_file_is_found_by_its_id(tmp_path):
    (tmp_path / 'v_a.mkv').touch()
    (tmp_path / 'c.d.MP4').touch()
    assert find_video_file(tmp_path, 'a') == tmp_path / 'v_a.mkv'
    assert find_video_file(tmp_path, 'c.d') == tmp_path / 'c.d.MP4'
    assert find_video_file(tmp_path, 'b') is None
    with refused('nowhere'):
        find_video_file(tmp_path / 'nowhere', 'a')
