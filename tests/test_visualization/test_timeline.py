from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread
from refusals import refused

from fsptal_mm.structures import Instances
from fsptal_mm.visualization import (
    FrameStrip,
    ModelTrack,
    SnippetCurves,
    Timeline,
    axis_width_in,
    draw_timeline,
    timeline_figure,
)
from fsptal_mm.visualization.timeline.rows import assign_lanes, condense

CLASSES = ('jump', 'throw', 'run')
ORANGE, SKY = '#e69f00', '#56b4e9'


def curves(duration_sec=20, snippets=10):
    """jump scores 0.9 in snippet 2, throw .2 everywhere, run 0; b is 0.1 in snippet 2 and .8 elsewhere."""
    scores = np.zeros((snippets, 3))
    scores[2, 0], scores[:, 1] = 0.9, 0.2
    background = np.full(snippets, 0.8)
    background[2] = 0.1
    return SnippetCurves(np.linspace(0, duration_sec, snippets + 1), scores, background)


def training_video():
    track = ModelTrack(
        'A',
        curves(),
        extended=Instances.of_video([[4.5, 5.5]], [0]),
        mined=Instances.of_video([[5.5, 6], [10, 18]], [0, -1]),
        best_segments=Instances.of_video([[4, 6.5]], [0]),
        proposals=Instances.of_video([[4, 6], [3, 9]], [0, 0], [0.8, 0.2]),
    )
    truth = Instances.of_video([[4, 7], [12, 13]], [0, 1])
    points = Instances.of_points(np.array([5.0, 12.5]), np.array([0, 1]), np.array([15.0]))
    return Timeline('v', 20.0, CLASSES, truth, points, (track,), is_training=True)


def rows_of(figure):
    """The axes of a figure by the labels on their left."""
    return {axes.get_ylabel(): axes for axes in figure.axes}


def bars(axes):
    """``(start, end, colour)`` of the bars in an axes, in the order of their start, without the shaded ground truth."""
    found = [
        (path.vertices[:, 0].min(), path.vertices[:, 0].max(), to_hex(part.get_facecolor()[0]))
        for part in axes.collections
        for path in part.get_paths()
        if part.get_zorder() > 0
    ]
    return sorted(found)


def test_rows_stand_in_order_with_names():
    figure, q_hat = timeline_figure(training_video()), r'$\hat{q}$'
    assert [axes.get_ylabel() for axes in figure.axes] == [
        'ground truth (analysis)',
        'points',
        '',  # the model's name
        *('extended labels', 'mined labels', 'best segments'),
        *(f'{q_hat} jump', f'{q_hat} throw', 'b'),  # no row for run, which neither occurs nor has a high score
        *('proposals jump', 'proposals throw'),
    ]
    assert figure.axes[2].texts[0].get_text() == 'A'
    assert figure.texts[0].get_text() == 'v, training video'
    places = [axes.get_position() for axes in figure.axes]
    assert all(upper.y0 > lower.y1 for upper, lower in pairwise(places))  # rows do not overlap
    legend = figure.legends[0]
    entries = dict(zip([text.get_text() for text in legend.texts], legend.legend_handles))
    signs = ['point', 'background point', 'background labels', 'ground truth (analysis)']
    assert list(entries) == ['jump', 'throw', *signs]
    assert to_hex(entries['throw'].get_facecolor()) == SKY


def test_rows_of_nothing():
    empty, track = Instances.of_video([]), training_video().tracks[0]
    video = Timeline('v', 20.0, CLASSES, empty, empty, (ModelTrack(curves=track.curves, mined=empty),))
    rows = rows_of(timeline_figure(video))
    assert list(rows) == ['mined labels', r'$\hat{q}$ jump', 'b']  # an empty ground truth has no row
    assert rows['mined labels'].texts[0].get_text() == 'none'
    assert [axes.get_ylabel() for axes in timeline_figure(Timeline('v', 20.0, CLASSES)).axes] == ['nothing to show']


def test_bars_and_points_stand_at_their_seconds_in_the_colour_of_their_class():
    rows = rows_of(timeline_figure(training_video()))
    assert bars(rows['ground truth (analysis)']) == [(4, 7, ORANGE), (12, 13, SKY)]
    assert bars(rows['extended labels']) == [(4.5, 5.5, ORANGE)]
    assert bars(rows['mined labels']) == [(5.5, 6, ORANGE), (10, 18, '#808080')]
    assert bars(rows['best segments']) == [(4, 6.5, ORANGE)]
    assert {axes.get_xlim() for axes in rows.values()} == {(0, 20)}
    found = {(line.get_marker(), line.get_color()): line.get_xdata().tolist() for line in rows['points'].lines}
    assert found == {('v', ORANGE): [5], ('v', SKY): [12.5], ('x', '#808080'): [15]}  # 'x' is a background click


def test_scores_are_steps_above_the_ground_truth_of_their_class():
    rows = rows_of(timeline_figure(training_video()))
    axes = rows[r'$\hat{q}$ jump']
    values, edges, _ = axes.patches[0].get_data()
    assert values.tolist() == [0, 0, 0.9, 0, 0, 0, 0, 0, 0, 0]
    assert edges.tolist() == list(range(0, 21, 2))
    shade = [path.vertices[:, 0] for part in axes.collections for path in part.get_paths()]
    assert [(vertices.min(), vertices.max()) for vertices in shade] == [(4, 7)]
    values, _, _ = rows['b'].patches[0].get_data()
    assert values.tolist() == [0.8, 0.8, 0.1, *[0.8] * 7]
    assert len(rows['b'].collections[0].get_paths()) == 2  # the segments of all classes are shaded
    assert all(axes.get_ylim()[0] <= 0 < 1 < axes.get_ylim()[1] for axes in (axes, rows['b']))


def test_proposals_stand_at_the_height_of_their_scores():
    rows = rows_of(timeline_figure(training_video()))
    (lines,) = [part for part in rows['proposals jump'].collections if part.get_zorder() > 0]
    assert [segment.tolist() for segment in lines.get_segments()] == [[[3, 0.2], [9, 0.2]], [[4, 0.8], [6, 0.8]]]
    weak, best = lines.get_colors()[:, 3]
    assert (weak, best) == (pytest.approx(0.25 + 0.75 / 4), 1)
    assert not [path for part in rows['proposals throw'].collections[1:] for path in part.get_paths()]


def test_only_the_best_proposals_are_drawn_and_negative_scores_have_room():
    found = Instances.of_video([[0, 1], [1, 2], [2, 3]], [0, 0, 0], [-0.3, 0.5, 0.1])
    video = Timeline('v', 10.0, CLASSES, tracks=(ModelTrack(proposals=found),))
    axes = rows_of(timeline_figure(video))['proposals jump']
    assert axes.get_ylim()[0] < -0.3
    axes = rows_of(timeline_figure(video, max_proposals=1))['proposals jump']
    assert [segment.tolist() for segment in axes.collections[-1].get_segments()] == [[[1, 0.5], [2, 0.5]]]


def test_a_long_video_has_minutes_a_wider_picture_and_bars_that_can_be_seen():
    video = replace(training_video(), duration_sec=1800.0)
    figure, short = timeline_figure(video), timeline_figure(training_video())
    assert figure.axes[-1].get_xlabel() == 'minutes:seconds'
    assert short.axes[-1].get_xlabel() == 'seconds'
    ticks = dict(zip(figure.axes[-1].get_xticks(), [text.get_text() for text in figure.axes[-1].get_xticklabels()]))
    assert ticks[600] == '10:00'
    assert 2 * short.get_figwidth() < figure.get_figwidth() < 30
    assert axis_width_in(1800) == axis_width_in(5 * 3600)  # the width is bounded
    (start, end, _), *_ = bars(rows_of(figure)['extended labels'])
    pixels = (end - start) / 1800 * axis_width_in(1800) * figure.dpi
    assert pixels == pytest.approx(3)
    assert (start + end) / 2 == pytest.approx(5)


def test_snippets_that_share_a_pixel_are_joined_by_their_peak():
    edges, values = condense(np.arange(8.0), np.array([0, 3, 1, 5, 2, 2, 4]), 3, np.maximum)
    assert edges.tolist() == [0, 3, 6, 7]
    assert values.tolist() == [3, 5, 4]
    video = Timeline('v', 3600.0, CLASSES, tracks=(ModelTrack('A', curves(3600, 100_000)),))
    values, edges, _ = rows_of(timeline_figure(video))[r'$\hat{q}$ jump'].patches[0].get_data()
    assert len(values) <= axis_width_in(3600) * 120
    assert (values.max(), edges[-1]) == (0.9, 3600)


def test_overlapping_segments_lie_beneath_each_other():
    assert assign_lanes(np.array([[0, 4], [1, 2], [2, 3], [4, 5]])) == [0, 1, 1, 0]
    flat = Timeline('v', 9.0, CLASSES, truth=Instances.of_video([[0, 4], [4, 5]], [0, 1]))
    # Two classes at the same time, as Diving and CliffDiving.
    both = replace(flat, truth=Instances.of_video([[0, 4], [0, 4]], [0, 1]))
    one, two = (rows_of(timeline_figure(video))['ground truth'] for video in (flat, both))
    middles = sorted(path.vertices[:, 1].mean() for part in two.collections for path in part.get_paths())
    assert middles[0] < 1 < middles[1]
    heights = [axes.get_position().height * axes.figure.get_figheight() for axes in (one, two)]
    assert heights[1] > heights[0] + 0.1
    wide = rows_of(timeline_figure(replace(training_video(), duration_sec=60.0)))['ground truth (analysis)']
    assert [text.get_text() for text in wide.texts] == ['jump']  # bars of 3 s have room for the name


def test_classes_that_matter():
    video = training_video()
    assert video.relevant_classes().tolist() == [0, 1]
    loud = replace(video.tracks[0], curves=replace(curves(), scores=np.full((10, 3), 0.6)))
    assert replace(video, tracks=(loud,)).relevant_classes().tolist() == [0, 1, 2]
    found = ModelTrack(proposals=Instances.of_video([[0, 1]] * 3, [2, 1, 0], [2.0, 1.2, 0.9]))
    alone = Timeline('v', 20.0, CLASSES, tracks=(found,))
    assert alone.relevant_classes().tolist() == [2, 1]  # 0.9 is less than half of the best
    assert replace(alone, truth=Instances.of_video([[0, 1]], [0])).relevant_classes(limit=2).tolist() == [0, 2]
    assert '1 further' in timeline_figure(alone, max_classes=1).texts[0].get_text()


def test_frames_are_framed_while_an_action_goes_on():
    images = [np.full((20, 30, 3), 10 * number, np.uint8) for number in range(4)]
    strip = FrameStrip(np.array([2.5, 7.5, 12.5, 17.5]), images)
    axes = rows_of(timeline_figure(replace(training_video(), frames=strip)))['frames']
    assert [image.get_extent()[:2] for image in axes.images] == [[0, 5], [5, 10], [10, 15], [15, 20]]
    assert [int(image.get_array().max()) for image in axes.images] == [0, 10, 20, 30]
    framed = {round(patch.get_x()): to_hex(patch.get_edgecolor()) for patch in axes.patches}
    assert framed == {10: SKY}  # of the four instants only 12.5 s lies in a ground-truth segment
    shape = axes.get_window_extent()
    assert shape.width / 4 / shape.height == pytest.approx(30 / 20, rel=0.01)


def test_detections_alone_are_a_timeline(tmp_path):
    found = Instances.of_video([[5, 10], [0, 5]], [1, 0], [0.8, 0.9])
    video = Timeline('clip', 10.0, ('x', 'y'), tracks=(ModelTrack(proposals=found),))
    assert list(rows_of(timeline_figure(video))) == ['proposals x', 'proposals y']
    assert imread(draw_timeline(tmp_path / 'new/a.png', video)).shape[1] > 1000
    nothing = timeline_figure(replace(video, tracks=(ModelTrack(proposals=found[:0]),)))
    assert nothing.texts[0].get_text() == 'clip: no detection'


def test_names_of_any_letters_in_every_format(tmp_path):
    found = Instances.of_video([[0, 5], [0, 5]], [0, 1], [0.9, 0.8])
    video = Timeline('$v_1$', 10.0, ('win $1 or $2', '_x'), tracks=(ModelTrack(proposals=found),))
    draw_timeline(tmp_path / 'a.svg', video)
    text = (tmp_path / 'a.svg').read_text(encoding='utf-8')
    assert 'win $1 or $2' in text
    assert '$v_1$' in text
    draw_timeline(tmp_path / 'a.PDF', video)
    assert (tmp_path / 'a.PDF').read_bytes().startswith(b'%PDF')
    with refused("a.jpg: suffix: found '.jpg'"):
        draw_timeline(tmp_path / 'a.jpg', video)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['a.PDF', 'a.svg']
