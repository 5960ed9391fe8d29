"""Rows of a timeline, which lie one below the other on one time axis."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from fsptal_mm.structures import NO_CLASS, Instances

from ..palette import Look
from .data import FrameStrip

BACKGROUND = Look('#808080', '', 'white')
TRUTH_COLOR = '0.87'
_BAR_IN, _LANE_IN, _CURVE_IN = 0.2, 0.11, 0.32  # heights of a row of bars, of a further lane in it, of a row of scores
_LETTER_IN = 0.058  # width of a letter of a class name on a bar
_MIN_BAR_PX = 3  # width at which the shortest segments are drawn
_STROKE_PT = 2.2  # thickness of a proposal


@dataclass(frozen=True)
class Row:
    """Row of a timeline, which becomes an axes of the figure.

    Attributes:
        label: Text to the left of the row.
        height_in: Height in inches.
        draw: Function that draws into the given axes.
        look (Look, optional): Look of the class of the row, drawn as a swatch beside the label.
    """

    label: str
    height_in: float
    draw: Callable
    look: Look | None = None


@dataclass(frozen=True)
class Canvas:
    """Settings that all rows of a timeline share.

    Attributes:
        looks (dict[int, Look]): Looks by class index, for the classes that are drawn.
        names (Sequence[str]): Class names in the order of the indices.
        duration_sec: Duration that the axis shows.
        width_in: Width of the axis, in inches.
        dpi: Pixels per inch.
    """

    looks: dict
    names: tuple
    duration_sec: float
    width_in: float
    dpi: int

    def look(self, label: int) -> Look:
        """Look of a class index, or of background (``NO_CLASS``)."""
        return BACKGROUND if label == NO_CLASS else self.looks[label]

    def shown(self, instances: Instances) -> Instances:
        """Select the instances of background and of the classes that are drawn."""
        return instances[np.isin(instances.labels, [NO_CLASS, *self.looks])]

    def visible(self, segments_sec: np.ndarray) -> np.ndarray:
        """Widen segments ``(N, 2)`` about their middles where they are too short to be visible."""
        middle, half = segments_sec.mean(1), np.diff(segments_sec)[:, 0] / 2
        half = np.maximum(half, _MIN_BAR_PX / 2 * self.duration_sec / (self.width_in * self.dpi))
        return np.stack([middle - half, middle + half], 1)

    @property
    def width_px(self) -> int:
        """Width of the axis in pixels."""
        return int(self.width_in * self.dpi)

    def length_in(self, length_sec: float) -> float:
        """Length of a time span on the axis, in inches."""
        return length_sec / self.duration_sec * self.width_in


def segments_row(label: str, instances: Instances, canvas: Canvas) -> Row:
    """Row of labelled segments as bars, in lanes one below the other where they overlap in time.

    Args:
        label: Label of the row.
        instances (Instances): Segments of any classes and of background.
        canvas (Canvas): Settings of the timeline.
    """
    instances = canvas.shown(instances)
    instances = instances[np.argsort(instances.segments[:, 0], kind='stable')]
    lanes = assign_lanes(instances.segments)
    num_lanes = max(lanes, default=0) + 1

    def draw(axes):
        axes.set_ylim(num_lanes, 0)
        bars, lane_of = canvas.visible(instances.segments), np.array(lanes)
        for class_index in np.unique(instances.labels):
            look = canvas.look(class_index)
            for lane in np.unique(lane_of[instances.labels == class_index]):
                start, end = bars[(instances.labels == class_index) & (lane_of == lane)].T
                axes.broken_barh(
                    np.stack([start, end - start], 1),
                    (lane + 0.06, 0.88),
                    facecolor=look.color,
                    hatch=look.hatch,
                    edgecolor='white',
                    linewidth=0.3,
                )
        for segment, lane, class_index in zip(instances.segments, lanes, instances.labels):
            if class_index != NO_CLASS and num_lanes == 1:
                _write_name(axes, segment, lane, class_index, canvas)
        if not len(instances):
            axes.text(0.003, 0.5, 'none', transform=axes.transAxes, va='center', fontsize=6.5, color='0.5')

    return Row(label, _BAR_IN + (num_lanes - 1) * _LANE_IN, draw)


def assign_lanes(segments_sec: np.ndarray) -> list[int]:
    """Assign each segment to the first lane that is free at its start.

    Args:
        segments_sec: ``(N, 2)``, with ascending starts.

    Returns:
        list[int]: Lane of each segment, from 0.
    """
    free_from, lanes = [], []  # free_from: end of the last segment of each lane
    for start, end in segments_sec:
        lane = next((lane for lane, free_sec in enumerate(free_from) if free_sec <= start + 1e-9), len(free_from))
        free_from[lane : lane + 1] = [end]  # a slice, since the lane may be a new one
        lanes.append(lane)
    return lanes


def _write_name(axes, segment, lane, class_index, canvas):
    """Write the name of the class onto its bar, if there is room."""
    name, look = canvas.names[class_index], canvas.look(class_index)
    if len(name) * _LETTER_IN < canvas.length_in(segment[1] - segment[0]):
        effects = [withStroke(linewidth=2, foreground=look.color)] if look.hatch else None
        style = dict(ha='center', va='center_baseline', fontsize=6.5, color=look.text_color, path_effects=effects)
        axes.text(segment.mean(), lane + 0.5, name, **style, clip_on=True, parse_math=False)


def points_row(points: Instances, canvas: Canvas) -> Row:
    """Row of point labels and background clicks: filled markers for actions, crosses for background."""
    points = canvas.shown(points)

    def draw(axes):
        axes.set_ylim(0, 1)
        for class_index in np.unique(points.labels):
            times_sec = points.segments[points.labels == class_index, 0]
            look, is_action = canvas.look(class_index), class_index != NO_CLASS
            style = dict(marker='v', markeredgecolor='black', markeredgewidth=0.5) if is_action else dict(marker='x')
            heights = np.full(len(times_sec), 0.5)
            axes.plot(times_sec, heights, linestyle='none', markersize=6, color=look.color, **style)

    return Row('points', _BAR_IN, draw)


def score_row(
    label: str, edges_sec: np.ndarray, scores: np.ndarray, canvas: Canvas, truth_sec: np.ndarray, look: Look
) -> Row:
    """Row of the final scores q-hat of a class as steps, with its ground-truth segments shaded.

    Args:
        label: Label of the row.
        edges_sec: ``(T + 1,)`` edges of the snippets.
        scores: ``(T,)`` scores.
        canvas (Canvas): Settings of the timeline.
        truth_sec: ``(N, 2)`` ground-truth segments to shade.
        look (Look): Look of the class.
    """
    # Where several snippets share a pixel, the highest score is drawn.
    edges_sec, scores = condense(edges_sec, scores, canvas.width_px, np.maximum)

    def draw(axes):
        _shade(axes, truth_sec, canvas)
        axes.stairs(scores, edges_sec, fill=True, color=look.color, alpha=0.55)
        axes.stairs(scores, edges_sec, color=_darker(look.color), linewidth=0.6)
        _scale(axes, 0, 1)

    return Row(label, _CURVE_IN, draw, look)


def background_row(label: str, edges_sec: np.ndarray, scores: np.ndarray, canvas: Canvas, truth_sec: np.ndarray) -> Row:
    """Row of the background scores b as a line, all ground-truth segments shaded; arguments as in :func:`score_row`."""
    # Where several snippets share a pixel, the lowest score is drawn, since b is low during actions.
    edges_sec, scores = condense(edges_sec, scores, canvas.width_px, np.minimum)

    def draw(axes):
        _shade(axes, truth_sec, canvas)
        axes.stairs(scores, edges_sec, color='0.2', linewidth=0.8, baseline=None)
        _scale(axes, 0, 1)

    return Row(label, _CURVE_IN, draw)


def condense(
    edges_sec: np.ndarray, values: np.ndarray, num_bins: int, reduce: np.ufunc
) -> tuple[np.ndarray, np.ndarray]:
    """Join neighbouring snippets until at most ``num_bins`` are left.

    Args:
        edges_sec: ``(T + 1,)`` edges of the snippets.
        values: ``(T,)``.
        num_bins: Largest number of snippets.
        reduce: Function that joins values, such as ``np.maximum``.

    Returns:
        tuple: ``(K + 1,)`` edges in seconds and ``(K,)`` values.
    """
    step = math.ceil(len(values) / num_bins)
    starts = np.arange(0, len(values), step)
    return np.append(edges_sec[starts], edges_sec[-1]), reduce.reduceat(values, starts)


def proposals_row(
    label: str, proposals: Instances, top_score: float, canvas: Canvas, truth_sec: np.ndarray, look: Look
) -> Row:
    """Row of proposals of one class, each at the height of its score, with the ground-truth segments shaded.

    Args:
        label: Label of the row.
        proposals (Instances): Proposals of the class.
        top_score: Upper end of the scale, the same for all classes of a model.
        canvas, truth_sec, look: As in :func:`score_row`.
    """
    proposals = proposals[np.argsort(proposals.scores, kind='stable')]  # the best one is drawn last, on top

    def draw(axes):
        _shade(axes, truth_sec, canvas)
        bars = canvas.visible(proposals.segments)
        lines = [[(start, score), (end, score)] for (start, end), score in zip(bars, proposals.scores)]
        colors = [(*_darker(look.color), 0.25 + 0.75 * max(0, score / top_score)) for score in proposals.scores]
        axes.add_collection(LineCollection(lines, colors=colors, linewidths=_STROKE_PT, capstyle='butt'))
        _scale(axes, min(0, proposals.scores.min(initial=0)), top_score)

    return Row(label, _CURVE_IN, draw, look)


def frames_row(frames: FrameStrip, truth: Instances, canvas: Canvas) -> Row:
    """Row of frames of the video; a frame during a ground-truth segment has a border in the colour of its class."""
    height, width = frames.images[0].shape[:2]
    part_sec, part_in = canvas.duration_sec / len(frames.images), canvas.width_in / len(frames.images)

    def draw(axes):
        for number, (time_sec, image) in enumerate(zip(frames.times_sec, frames.images)):
            start = number * part_sec
            axes.imshow(image, extent=(start, start + part_sec, 0, 1), aspect='auto', interpolation='antialiased')
            now = truth.labels[(truth.segments[:, 0] <= time_sec) & (time_sec < truth.segments[:, 1])]
            if len(now):
                edge = dict(fill=False, edgecolor=canvas.look(now[0]).color, linewidth=3)
                axes.add_patch(Rectangle((start + 0.02 * part_sec, 0.02), 0.96 * part_sec, 0.96, **edge))
        axes.set(xlim=(0, canvas.duration_sec), ylim=(0, 1))

    return Row('frames', part_in * height / width, draw)


def _shade(axes, truth_sec, canvas):
    """Shade ground-truth segments over the whole height of a row, whatever its scale."""
    start, end = canvas.visible(truth_sec).T
    axes.broken_barh(np.stack([start, end - start], 1), (-10, 20), facecolor=TRUTH_COLOR, zorder=0)


def _scale(axes, bottom, top):
    """Set the range of the scores, and write two small numbers on the right: 0 and the upper end of the range."""
    margin = 0.08 * (top - bottom)  # a line at the end of the range stays visible
    axes.set_ylim(bottom - (margin if bottom < 0 else margin / 2), top + margin)
    axes.yaxis.tick_right()
    axes.set_yticks([0, top], ['0', f'{top:.2g}'], fontsize=5, color='0.4')
    axes.tick_params(axis='y', length=1.5, pad=1, color='0.6')


def _darker(color):
    """Darker shade of a colour ``'#rrggbb'``, as red, green and blue from 0 to 1."""
    return tuple(0.7 * int(color[start : start + 2], 16) / 255 for start in (1, 3, 5))
