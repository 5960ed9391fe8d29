import csv
import json

import numpy as np
import pytest
from mmaction.structures import ActionDataSample

from fsptal_mm.structures import SnippetGrid, snippet_edges_sec
from fsptal_mm.utils.errors import InputError


@pytest.mark.parametrize(
    'config, expected, reason',
    [
        (dict(fps=25, snippet_frames=16), (0.64, 0), '16 frames at 25 per second, one behind the other'),
        # Snippets of 16 frames, every 4 frames, at 10 fps: snippet 0 sees [0, 1.6) s, and its cell of the grid is 0.4 s
        # around its centre 0.8 s.
        (dict(fps=10, snippet_frames=16, stride_frames=4), (0.4, 0.6), 'the middle of overlapping snippets'),
        (dict(fps='native', snippet_frames=16), (0.5, 0), 'the 32 frames per second of the video'),
        (dict(snippet_sec=0.5), (0.5, 0), 'in seconds'),
    ],
)
def test_grids_by_hand(config, expected, reason):
    grid = SnippetGrid.from_config(config, native_fps=32)
    assert (grid.snippet_sec, grid.offset_sec) == pytest.approx(expected), reason


@pytest.mark.parametrize(
    'config, field',
    [
        (dict(fps=25), 'grid'),  # frames per snippet missing
        (dict(snippet_sec=0.5, fps=25), 'grid'),  # the length of a snippet is stated twice
        (dict(snippet_sec=0), r'grid\.snippet_sec'),
        (dict(snippet_sec=float('nan')), r'grid\.snippet_sec'),
        (dict(fps='25', snippet_frames=16), r'grid\.fps'),
        (dict(fps='native', snippet_frames=16), r'video v1: fps'),
        (dict(fps=25, snippet_frames=True), r'grid\.snippet_frames'),
    ],
)
def test_wrong_grid_is_named(config, field):
    with pytest.raises(InputError, match=field):
        SnippetGrid.from_config(config, video='v1')


def test_a_time_that_is_a_start_of_a_snippet_falls_into_it_in_spite_of_rounding():
    grid = SnippetGrid(0.64)
    starts = np.arange(5000)
    assert (grid.to_snippet(starts * 0.64) == starts).all()
    assert (grid.to_snippet(grid.to_sec(starts + 0.999)) == starts).all()


def test_thumos_points_fall_into_the_snippets_of_the_published_formula(data_root):
    fps = json.loads((data_root / 'thumos14/fps_dict.json').read_text())
    grid = SnippetGrid.from_config(dict(fps=25, snippet_frames=16))
    with open(data_root / 'thumos14/point_gaussian/point_labels.csv') as file:
        rows = [(int(row['point']), fps[row['video_id']]) for row in csv.DictReader(file)]
    frames, rates = np.array(rows, dtype=float).T
    expected = [int(frame * 25 / (rate * 16)) for frame, rate in rows]
    assert len(rows) > 3000
    assert grid.to_snippet(frames / rates).tolist() == expected


def test_positions_and_edges_by_hand():
    grid = SnippetGrid(0.5, 0.1)
    assert grid.to_sec([0, 1.5]) == pytest.approx([0.1, 0.85])
    assert grid.to_position([[0.1, 0.85]]) == pytest.approx(np.array([[0, 1.5]]))
    assert grid.edges_sec(np.arange(3)) == pytest.approx([0.1, 0.6, 1.1, 1.6])  # not resampled: t to t + 1
    # The centres of the positions 0.02, 1, 1.5 and 2.99 are 0.5 later; inner edges are half-way between them. The outer
    # edges are those of the video of four snippets.
    assert grid.edges_sec([0.02, 1, 1.5, 2.99]) == pytest.approx(np.array([0, 1.01, 1.75, 2.745, 4]) * 0.5 + 0.1)


def test_edges_of_a_sample_lie_in_its_video():
    seen = dict(num_snippets=4, grid=SnippetGrid(0.5, 0.1), duration_sec=2.0)
    sample = ActionDataSample(metainfo=seen)
    assert snippet_edges_sec(sample) == pytest.approx([0.1, 0.6, 1.1, 1.6, 2.0])  # the last snippet would end at 2.1
    sample.set_metainfo(dict(snippet_positions=np.array([0.02, 1, 1.5, 2.99])))
    assert snippet_edges_sec(sample) == pytest.approx([0.1, 0.605, 0.975, 1.4725, 2.0])
