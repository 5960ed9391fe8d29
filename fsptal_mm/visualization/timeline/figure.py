"""Figures of timelines: labels, scores and proposals of a video on one time axis."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, MultipleLocator

from fsptal_mm.structures import NO_CLASS, Instances
from fsptal_mm.utils.wording import counted

from ..figure_files import STYLE, save_figure
from ..palette import Look
from .data import Timeline
from .rows import (
    BACKGROUND,
    TRUTH_COLOR,
    Canvas,
    Row,
    background_row,
    frames_row,
    points_row,
    proposals_row,
    score_row,
    segments_row,
)

_DPI = 120
# The time axis has an inch for this many seconds, but its width in inches is at least the first and at most the second.
_SEC_PER_IN, _WIDTHS_IN = 80, (9.0, 22.0)
_LETTER_IN, _MAX_LABEL = 0.066, 24  # width of a letter of a row's label; largest number of letters of a class name
_GAP_IN, _BLOCK_GAP_IN = 0.05, 0.12  # space below a row; further space below the rows of the video or of a model
_RIGHT_IN, _AXIS_IN = 0.35, 0.45  # space to the right of the rows; space below them, for the time axis
_TITLE_IN, _LINE_IN = 0.32, 0.16  # heights of the title, and of a line of the legend
_Q_HAT = r'$\hat{q}$'
_MANY_SEC = 120  # videos that are longer have minutes and seconds on their axis, other videos only seconds
_TICK_SEC = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)


def draw_timeline(path: str | Path, timeline: Timeline, **kwargs: Any) -> str:
    """Draw a timeline into a file.

    Args:
        path: File to write, atomically; its suffix decides the format: ``.png``, ``.svg`` or ``.pdf``.
        timeline (Timeline): The timeline.
        **kwargs: As in :func:`timeline_figure`.

    Returns:
        str: ``path``.

    Raises:
        InputError: The suffix is none of the three.
    """
    return save_figure(timeline_figure(timeline, **kwargs), path, _DPI)


def timeline_image(timeline: Timeline, **kwargs: Any) -> np.ndarray:
    """Draw a timeline as an image ``(H, W, 3)`` uint8, RGB; arguments as in :func:`timeline_figure`."""
    canvas = FigureCanvasAgg(timeline_figure(timeline, **kwargs))
    with rc_context(STYLE):
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def timeline_figure(timeline: Timeline, max_classes: int | None = 20, max_proposals: int = 100) -> Figure:
    """Draw a timeline as a figure.

    The rows are, from top to bottom: frames, ground truth and points; then, for each model, extended labels, mined
    labels, best segments, q-hat of every relevant class, b, and the proposals of every relevant class, each at the
    height of its score. The ground-truth segments of a class are shaded behind its scores and proposals. Rows without
    content are left out.

    Args:
        timeline (Timeline): The timeline.
        max_classes: Largest number of classes, see :meth:`.Timeline.relevant_classes`; ``None`` for no limit.
        max_proposals: Largest number of proposals of each model; the best ones are shown.

    Returns:
        matplotlib.figure.Figure: A figure without a window. Every row is an axes; its y label is the name of the row.
    """
    classes = timeline.relevant_classes(limit=max_classes)
    looks = {int(label): Look.of_number(int(label)) for label in classes}
    width_in = axis_width_in(timeline.duration_sec)
    canvas = Canvas(looks, timeline.classes, timeline.duration_sec, width_in, _DPI)
    blocks = [_video_rows(timeline, canvas)]
    blocks += [_track_rows(track, timeline, canvas, max_proposals) for track in timeline.tracks]
    blocks = [rows for rows in blocks if rows] or [[Row('nothing to show', 0.2, lambda axes: None)]]
    handles = _legend_handles(timeline, canvas)
    return _lay_out(blocks, _title(timeline, canvas), handles, canvas)


def axis_width_in(duration_sec: float) -> float:
    """Width of the time axis in inches: the longer the video, the wider, within bounds."""
    return float(np.clip(duration_sec / _SEC_PER_IN, *_WIDTHS_IN))


def _video_rows(timeline, canvas):
    """Rows of the video: frames, ground truth and points, as far as they are known."""
    rows = []
    if timeline.frames is not None:
        rows.append(frames_row(timeline.frames, canvas.shown(_truth(timeline)), canvas))
    if timeline.truth is not None and len(timeline.truth):
        rows.append(
            segments_row('ground truth (analysis)' if timeline.is_training else 'ground truth', timeline.truth, canvas)
        )
    if timeline.points is not None and len(timeline.points):
        rows.append(points_row(timeline.points, canvas))
    return rows


def _track_rows(track, timeline, canvas, max_proposals):
    """Rows of a model: its name, labels, scores and proposals, as far as the track has them."""
    rows = [_heading(track.name)] if track.name else []
    for label in ('extended', 'mined', 'best_segments'):
        if getattr(track, label) is not None:
            text = label.replace('_', ' ') + (' labels' if label != 'best_segments' else '')
            rows.append(segments_row(text, getattr(track, label), canvas))
    truth = _truth(timeline)
    truth_of = {label: truth.segments[truth.labels == label] for label in canvas.looks}
    if track.curves is not None:
        edges_sec = track.curves.edges_sec
        for label, look in canvas.looks.items():
            name, values = f'{_Q_HAT} {_short(canvas.names[label])}', track.curves.scores[:, label]
            rows.append(score_row(name, edges_sec, values, canvas, truth_of[label], look))
        rows.append(background_row('b', edges_sec, track.curves.background, canvas, truth.segments))
    if track.proposals is not None:
        best = track.proposals[np.argsort(-track.proposals.scores, kind='stable')[:max_proposals]]
        top = best.scores.max(initial=0)
        for label, look in canvas.looks.items():
            name, own = f'proposals {_short(canvas.names[label])}', best[best.labels == label]
            rows.append(proposals_row(name, own, top if top > 0 else 1.0, canvas, truth_of[label], look))
    return rows


def _truth(timeline):
    return Instances.of_video([]) if timeline.truth is None else timeline.truth


def _heading(name):
    def draw(axes):
        axes.set_axis_off()
        axes.text(0, 0.3, name, transform=axes.transAxes, fontsize=9, fontweight='bold', va='center', parse_math=False)

    return Row('', 0.2, draw)


def _short(name):
    name = name if len(name) <= _MAX_LABEL else name[: _MAX_LABEL - 1] + '…'
    return _plain(name)


def _plain(name):
    """Escape the dollar signs of a name, between which matplotlib would read formulas."""
    return name.replace('$', r'\$')


def _title(timeline, canvas):
    text = timeline.video_id + (', training video' if timeline.is_training else '')
    found = any(track.proposals is not None and len(track.proposals) for track in timeline.tracks)
    if any(track.proposals is not None for track in timeline.tracks) and not found:
        text += ': no detection'
    left_out = len(timeline.relevant_classes(limit=None)) - len(canvas.looks)
    return text + (f' ({counted(left_out, "further class")} not shown)' if left_out else '')


def _legend_handles(timeline, canvas):
    """Legend of colours and markers."""
    handles = [
        Patch(facecolor=look.color, hatch=look.hatch, edgecolor='white', label=_short(canvas.names[label]))
        for label, look in canvas.looks.items()
    ]
    if timeline.points is not None and len(timeline.points):
        style = dict(marker='v', color='white', markeredgecolor='black', linestyle='none', markersize=6)
        handles.append(Line2D([], [], **style, label='point'))
        if (timeline.points.labels == NO_CLASS).any():
            style = dict(marker='x', color=BACKGROUND.color, linestyle='none')
            handles.append(Line2D([], [], **style, label='background point'))
    if any(track.mined is not None for track in timeline.tracks):
        handles.append(Patch(facecolor=BACKGROUND.color, label='background labels'))
    if len(_truth(timeline)) and any(track.curves or track.proposals is not None for track in timeline.tracks):
        label = 'ground truth (analysis)' if timeline.is_training else 'ground truth'
        handles.append(Patch(facecolor=TRUTH_COLOR, label=label))
    return handles


def _lay_out(blocks, title, handles, canvas):
    """Arrange the rows below each other, with the legend on top and the time axis at the bottom."""
    rows = [row for block in blocks for row in block]
    left_in = 0.25 + _LETTER_IN * max(8, *(len(row.label.replace(_Q_HAT, 'q')) for row in rows))
    longest = max((len(handle.get_label()) for handle in handles), default=1)
    columns = max(1, int(canvas.width_in / (0.45 + 0.8 * _LETTER_IN * longest)))
    top_in = _TITLE_IN + _LINE_IN * math.ceil(len(handles) / columns)
    gaps_in = _GAP_IN * (len(rows) - 1) + _BLOCK_GAP_IN * (len(blocks) - 1)
    height_in = top_in + sum(row.height_in for row in rows) + gaps_in + _AXIS_IN
    total_in = left_in + canvas.width_in + _RIGHT_IN
    figure = Figure(figsize=(total_in, height_in), dpi=_DPI)
    # matplotlib places axes by shares of the figure. y_in: lower end of the last row, from the bottom of the figure.
    left, width, y_in = left_in / total_in, canvas.width_in / total_in, height_in - top_in
    for block in blocks:
        for row in block:
            y_in -= row.height_in
            axes = figure.add_axes((left, y_in / height_in, width, row.height_in / height_in))
            _fill(axes, row, canvas)
            y_in -= _GAP_IN
        y_in -= _BLOCK_GAP_IN
    _draw_time_axis(axes, canvas)
    figure.text(left, 1 - 0.06 / height_in, title, fontsize=10, fontweight='bold', va='top', parse_math=False)
    if handles:
        place = dict(loc='upper left', bbox_to_anchor=(left, 1 - (_TITLE_IN - 0.03) / height_in))
        look = dict(fontsize=7, frameon=False, handlelength=1.6, columnspacing=1.2, labelspacing=0.35)
        figure.legend(handles=handles, ncols=min(columns, len(handles)), borderpad=0, borderaxespad=0, **place, **look)
    return figure


def _fill(axes, row, canvas):
    """Draw a row into its axes, with its label on the left and a swatch of its class beside the label."""
    axes.set_yticks([])
    with rc_context(STYLE):  # matplotlib reads the line width of hatches when they are created
        row.draw(axes)
    axes.set_xlim(0, canvas.duration_sec)
    axes.set_xticks([])
    axes.yaxis.set_label_position('left')  # the scales of the scores are on the right
    axes.set_ylabel(row.label, rotation=0, ha='right', va='center', fontsize=7.5, labelpad=14 if row.look else 6)
    for side in axes.spines.values():
        side.set(linewidth=0.4, color='0.6')
    if row.look:
        place = dict(transform=axes.transAxes, clip_on=False, facecolor=row.look.color, edgecolor='white')
        width = 0.09 / canvas.width_in
        axes.add_patch(Rectangle((-0.13 / canvas.width_in, 0), width, 1, hatch=row.look.hatch, linewidth=0, **place))


def _draw_time_axis(axes, canvas):
    """Draw ticks in seconds, or in minutes and seconds, at round times below the last row."""
    most = max(4, int(canvas.width_in * 1.3))
    step = next((step for step in _TICK_SEC if canvas.duration_sec / step <= most), _TICK_SEC[-1])
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.tick_params(axis='x', labelsize=7, length=3)
    if canvas.duration_sec > _MANY_SEC:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda sec, _: f'{int(sec) // 60}:{int(sec) % 60:02d}'))
        axes.set_xlabel('minutes:seconds', fontsize=7.5)
    else:
        axes.set_xlabel('seconds', fontsize=7.5)
