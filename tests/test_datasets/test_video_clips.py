import numpy as np
import pytest
import torch
from tiny_recognizers import config_of
from tiny_videos import brightness_to_sec, write_video

from fsptal_mm.datasets.videos.clips import ClipGrid, ClipPipeline, iterate_clips
from fsptal_mm.datasets.videos.reader import FileReader, open_video
from fsptal_mm.utils.errors import InputError


def test_consecutive_frames_of_clips_that_do_not_overlap():
    grid = ClipGrid(fps=10, snippet_frames=4, stride_frames=4)
    assert grid.times_sec([0, 2]) == pytest.approx(np.array([[0, 0.1, 0.2, 0.3], [0.8, 0.9, 1.0, 1.1]]))
    assert (grid.snippet_grid.snippet_sec, grid.snippet_grid.offset_sec) == (0.4, 0)


def test_a_clip_lies_around_its_snippet():
    # A clip has 8 frames for a stride of 4: 2 frames more on each side. That of snippet 0 begins before the video.
    grid = ClipGrid(fps=10, snippet_frames=8, stride_frames=4)
    assert grid.times_sec([0, 1])[:, [0, -1]] == pytest.approx(np.array([[-0.2, 0.5], [0.2, 0.9]]))


def test_frames_are_spread_over_the_clip():
    assert ClipGrid(10, 16, 16, clip_len=1).times_sec([0]) == pytest.approx(0.8)  # the middle frame
    assert ClipGrid(10, 16, 16, clip_len=4).times_sec([0])[0] == pytest.approx([0.2, 0.6, 1.0, 1.4])


@pytest.mark.parametrize(
    'duration_sec, expected',
    # A snippet counts if its centre is in the video; there is at least one.
    [(4.0, 10), (4.19, 10), (4.21, 11), (0.1, 1)],
)
def test_number_of_snippets(duration_sec, expected):
    assert ClipGrid(10, 4, 4).num_snippets(duration_sec) == expected


@pytest.mark.parametrize('changed', [dict(fps=0), dict(stride_frames=-1), dict(snippet_frames=1.5), dict(clip_len='4')])
def test_wrong_numbers(changed):
    with pytest.raises(InputError, match=next(iter(changed))):
        ClipGrid(**dict(fps=10, snippet_frames=4, stride_frames=4) | changed)


@pytest.mark.parametrize(
    'name, shape', [('i3d', (2, 1, 3, 8, 32, 32)), ('tsm', (2, 8, 3, 32, 32)), ('tsn', (2, 1, 3, 32, 32))]
)
def test_clips_have_the_form_of_the_model_and_show_their_time(tmp_path, name, shape):
    video = open_video(write_video(tmp_path / 'a.mp4', 4.2))
    grid = ClipGrid(10, 16, 16, clip_len=1 if name == 'tsn' else 8)
    clips = list(iterate_clips(video, grid, ClipPipeline(config_of(name).test_pipeline), chunk_size=2))
    # 4.2 s / 1.6 s = 2.6 snippets, rounded to 3.
    assert [tuple(part.shape) for part in clips] == [shape, (1, *shape[1:])]
    assert clips[0].dtype == torch.uint8
    first = clips[0][1, 0, :, 0] if name == 'i3d' else clips[0][1, 0]
    assert brightness_to_sec(first) == pytest.approx(grid.times_sec([1])[0, 0], abs=0.25)


def test_every_frame_is_decoded_once_and_chunks_do_not_matter(tmp_path, monkeypatch):
    decoded, frames = [], FileReader.frames
    monkeypatch.setattr(FileReader, 'frames', lambda self, part: decoded.extend(part) or frames(self, part))
    path = write_video(tmp_path / 'a.mp4', 3.0)
    grid, pipeline = ClipGrid(15, 16, 4), ClipPipeline(config_of('i3d').test_pipeline)
    parts = torch.cat(list(iterate_clips(open_video(path), grid, pipeline, chunk_size=2)))
    assert len(decoded) == len(set(decoded)) > 40
    whole = torch.cat(list(iterate_clips(open_video(path), grid, pipeline, chunk_size=100)))
    assert torch.equal(parts, whole)
    assert torch.equal(
        torch.cat(list(iterate_clips(open_video(path), grid, pipeline, 9, snippets=[3, 7]))), whole[[3, 7]]
    )


def test_the_ends_of_a_short_video_are_repeated(tmp_path):
    video = open_video(write_video(tmp_path / 'a.mp4', 0.2, fps=10))
    (clips,) = iterate_clips(video, ClipGrid(10, 8, 8), ClipPipeline(config_of('i3d').test_pipeline), 4)
    assert clips.shape[0] == 1
    frames = clips[0, 0].transpose(0, 1)
    assert all(torch.equal(frame, frames[1]) for frame in frames[2:])
    assert not torch.equal(frames[0], frames[1])


def test_the_part_of_a_pipeline_that_is_needed_gives_the_same_clips(tmp_path):
    video, whole = open_video(write_video(tmp_path / 'a.mp4', 2.0)), config_of('i3d').test_pipeline
    part = [step for step in whole if step['type'] in ('Resize', 'ThreeCrop', 'FormatShape')]
    grid = ClipGrid(10, 8, 8)
    clips = [torch.cat(list(iterate_clips(video, grid, ClipPipeline(steps), 4))) for steps in (whole, part)]
    assert torch.equal(*clips)


def test_a_pipeline_that_makes_no_clips():
    pipeline = config_of('i3d').test_pipeline
    for missing in ('DecordDecode', 'FormatShape'):
        with pytest.raises(InputError, match='test_pipeline'):
            ClipPipeline([step for step in pipeline if step['type'] != missing])
