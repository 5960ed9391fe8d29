import numpy as np
import pytest
from refusals import refused

from fsptal_mm.datasets import CropToWindow, PackLocalizerInputs
from fsptal_mm.datasets.windows import Windows
from fsptal_mm.structures import SnippetGrid, segments_inside


def video(duration_sec):
    return dict(video_id='v', duration_sec=duration_sec, grid=SnippetGrid(0.5))


def test_windows_cover_a_video_and_share_it():
    windows = Windows(8, 4).cut(video(7.2))  # 14.4 snippets give 15 rows of features
    assert [window['window'] for window in windows] == [(0, 8), (4, 12), (7, 15)]
    # The middles of the windows are at snippets 4, 8 and 11, so the shares end half-way, at snippets 6 and 9.5.
    assert [window['window_share_sec'] for window in windows] == [(-np.inf, 3), (3, 4.75), (4.75, np.inf)]
    for duration_sec in (2.0, 4.0):
        assert [window['window'] for window in Windows(8, 4).cut(video(duration_sec))] == [(0, 8)]


@pytest.mark.parametrize('fields', [(0, 1), (8, 9), (8, 0), (8.0, 4)])
def test_bad_windows(fields):
    with refused('windows.'):
        Windows(*fields)


def test_inputs_of_a_window_that_the_video_ends_in():
    results = video(5.0) | dict(
        features=np.arange(10, dtype=np.float32)[:, None],
        window=(6, 14),
        gt_segments_sec=np.array([[1.0, 3.5], [3.5, 5.0], [2.5, 4.0]]),
        gt_segment_labels=np.zeros(3, dtype=int),
        ambiguous_sec=np.zeros((0, 2)),
    )
    packed = PackLocalizerInputs()(CropToWindow()(results))
    assert packed['inputs'].tolist() == [[6, 7, 8, 9, 0, 0, 0, 0]]
    sample = packed['data_samples']
    # The window is [3, 7] s. A fifth of the first segment and two thirds of the third one lie inside.
    assert sample.gt_instances.gt_bbox.tolist() == [[0.125, 0.5], [0, 0.25]]
    assert (sample.offset_sec, sample.duration_second, sample.duration_frame) == (3, 4, 8)
    # A segment without length is in no window.
    assert segments_inside(np.array([[2.0, 2.0], [9.0, 12.0]]), 0, 10).tolist() == []
    with refused('windows'):
        CropToWindow()(video(5.0) | dict(features=np.zeros((10, 1))))
