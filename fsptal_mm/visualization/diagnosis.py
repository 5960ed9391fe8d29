"""Figures of diagnoses, for several models side by side.

Each function takes a dict from the name of a model to its diagnosis, as :meth:`.Diagnosis.to_dict` returns it. It
returns a figure that is not in the global state of matplotlib; :func:`.save_figure` writes it.
"""

import itertools
import math

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from .palette import BLUE, GREEN, INK, ORANGE, PAPER, PURPLE, SKY_BLUE, VERMILION, YELLOW, text_color

_ERROR_COLORS = {
    'true_positive': GREEN,
    'double_detection': SKY_BLUE,
    'wrong_label': YELLOW,
    'localization': BLUE,
    'confusion': PURPLE,
    'background': VERMILION,
}
_MODEL_COLORS = (BLUE, ORANGE, GREEN, PURPLE, SKY_BLUE, VERMILION, YELLOW, INK)
_TITLES = {
    'length': 'Length of the instance',
    'coverage': 'Share of the video that it covers',
    'num_instances': 'Instances in the video',
}
_NORMALIZED = 'mAP$_N$'
_SMALL, _TINY = 8, 7  # sizes of text, in points
# Smallest part of a vertical bar, and of a horizontal bar, in which its number is written; in percent.
_MIN_LABELLED_PERCENT, _MIN_LABELLED_ACROSS = 8, 3
_MAX_NAME, _MAX_COLUMNS = 34, 4  # largest numbers of letters of a model's name, and of models side by side
_STYLE = dict.fromkeys(('text.color', 'axes.edgecolor', 'axes.labelcolor', 'xtick.color', 'ytick.color'), INK)
_HALO = withStroke(linewidth=2, foreground=PAPER)  # keeps numbers legible on lines


@rc_context(_STYLE)
def draw_error_profile(diagnoses: dict[str, dict]) -> Figure:
    """Draw the error types of the best detections, and the gain without each type.

    Each model has a column, up to four in a row. G is the number of ground-truth segments of a class. The upper axes
    have a bar for the best G detections of each class, a bar for the next G, and so on. The lower axes show how much
    mAP_N rises if all errors of one type are removed.

    Args:
        diagnoses (dict[str, dict]): Results of :meth:`.Diagnosis.to_dict` by the name of the model, one or more.

    Returns:
        matplotlib.figure.Figure: Two axes per model.
    """
    per_row = min(len(diagnoses), _MAX_COLUMNS)
    blocks = math.ceil(len(diagnoses) / per_row)
    size = max(5.5, 4 * per_row), 0.6 + 6 * blocks
    figure, axes = _figure(size, 2 * blocks, per_row, height_ratios=(3, 2) * blocks)
    # End of the axes of gains: behind the longest bar, there is room for its number.
    limit = 1.2 * max(1, *(gain for diagnosis in diagnoses.values() for gain in _gains(diagnosis)))
    tious = _describe_tious(diagnoses)
    for number, (name, diagnosis) in enumerate(diagnoses.items()):
        row, column = divmod(number, per_row)
        above, below = axes[2 * row, column], axes[2 * row + 1, column]
        _draw_profile(above, diagnosis)
        _draw_gains(below, diagnosis, limit)
        above.set_title(_name_with_map(name, diagnosis, tious), loc='left', fontsize=10, fontweight='bold')
        if column == 0:
            above.set_ylabel(f'detections at tIoU {diagnosis["tiou"]:.4g}, in %')
            below.set_title(f'gain of {_NORMALIZED}{tious} without errors of a type', loc='left', fontsize=10)
    for unused in axes[-2:, (len(diagnoses) - 1) % per_row + 1 :].flat:
        unused.remove()
    _add_type_legend(figure, 6 if per_row > 2 else 3)
    return figure


@rc_context(_STYLE)
def draw_best_detections(diagnoses: dict[str, dict]) -> Figure:
    """Draw the error types of the best G detections of each class, with a bar for each model.

    The bar of a model is the first of its bars in :func:`draw_error_profile`. This figure compares many models.

    Args:
        diagnoses (dict[str, dict]): Results of :meth:`.Diagnosis.to_dict` by the name of the model, one or more.

    Returns:
        matplotlib.figure.Figure: One axes, the first model on top.
    """
    figure, ((axes,),) = _figure((9, 1.2 + 0.4 * len(diagnoses)), 1, 1)
    _draw_shares(
        axes.barh, [diagnosis['profile'][0]['shares'] for diagnosis in diagnoses.values()], _MIN_LABELLED_ACROSS
    )
    tious = _describe_tious(diagnoses)
    names = [_name_with_map(name, diagnosis, tious) for name, diagnosis in diagnoses.items()]
    axes.set_yticks(range(len(names)), names)
    tiou = next(iter(diagnoses.values()))['tiou']
    axes.set(xlim=(0, 100), xlabel=f'best G detections of each class at tIoU {tiou:.4g}, in %')
    axes.set_ylim(len(names) - 0.5, -0.5)
    _add_type_legend(figure, 6)
    return figure


@rc_context(_STYLE)
def draw_sensitivity(diagnoses: dict[str, dict]) -> Figure:
    """Draw mAP_N by the length, the coverage and the number of ground-truth segments.

    Dashed lines are the mAP_N on all segments. The axes on the right show, for each of the three characteristics, the
    range from the worst to the best bucket: the longer it is, the more sensitive the model is to the characteristic.

    Args:
        diagnoses (dict[str, dict]): Results of :meth:`.Diagnosis.to_dict` by the name of the model, for the same videos
            and the same bounds of the buckets.

    Returns:
        matplotlib.figure.Figure: Four axes: length, coverage, number, and the ranges.
    """
    figure, (axes,) = _figure((14, 4.2), 1, 4, width_ratios=(5, 5, 4, 3))
    _draw_buckets(axes[:3], diagnoses, 'mAP_N')
    axes[0].set_ylabel(f'{_NORMALIZED}{_describe_tious(diagnoses)}, in %')
    _draw_ranges(axes[3], diagnoses)
    _add_model_legend(figure, diagnoses, 'all instances')
    return figure


@rc_context(_STYLE)
def draw_false_negatives(diagnoses: dict[str, dict]) -> Figure:
    """Draw the share of ground-truth segments that is missed, by their length, coverage and number.

    Args:
        diagnoses (dict[str, dict]): Results of :meth:`.Diagnosis.to_dict` by the name of the model, for the same videos
            and the same bounds of the buckets.

    Returns:
        matplotlib.figure.Figure: Three axes; dashed lines are the shares among all segments.
    """
    figure, (axes,) = _figure((12, 4.2), 1, 3, width_ratios=(5, 5, 4))
    _draw_buckets(axes, diagnoses, 'missed_share')
    first = next(iter(diagnoses.values()))
    axes[0].set_ylabel(f'instances missed at tIoU {first["tiou"]:.4g}, in %')
    _add_model_legend(figure, diagnoses, 'all instances')
    return figure


def _figure(size, rows, columns, **ratios):
    """Empty figure of a size in inches, and its axes ``(rows, columns)``."""
    figure = Figure(figsize=size, layout='constrained')  # no pyplot: no global state
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, sharey='row', squeeze=False, gridspec_kw=ratios)
    for part in axes.flat:
        part.spines[['top', 'right']].set_visible(False)
        part.tick_params(length=0, labelsize=_SMALL)
        part.set_axisbelow(True)
    return figure, axes


def _draw_profile(axes, diagnosis):
    _draw_shares(axes.bar, [entry['shares'] for entry in diagnosis['profile']], _MIN_LABELLED_PERCENT)
    axes.set_xticks(range(len(diagnosis['profile'])), [entry['rank'] for entry in diagnosis['profile']])
    axes.set(ylim=(0, 100), xlabel='best G, next G, ... of each class')
    axes.margins(x=0.01)


def _draw_shares(draw, shares, min_labelled_percent):
    """Draw a stack of the shares of the error types for each entry, with ``axes.bar`` or ``axes.barh``."""
    starts = np.zeros(len(shares))
    for kind, color in _ERROR_COLORS.items():
        percent = np.array([100 * (entry[kind] or 0) for entry in shares])
        bars = draw(range(len(shares)), percent, 0.9, starts, color=color, edgecolor=PAPER, linewidth=0.5)
        labels = [f'{value:.0f}' if value >= min_labelled_percent else '' for value in percent]
        look = {'fontsize': _TINY, 'color': text_color(color)}
        bars[0].axes.bar_label(bars, labels, label_type='center', **look)
        starts += percent


def _draw_gains(axes, diagnosis, limit):
    kinds = [kind.replace('_', ' ') for kind in diagnosis['gains']]
    gains = _gains(diagnosis)
    bars = axes.barh(range(len(kinds)), gains, 0.75, color=[_ERROR_COLORS[kind] for kind in diagnosis['gains']])
    axes.bar_label(bars, [f'+{gain:.1f}' for gain in gains], padding=3, fontsize=_SMALL)
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set(ylim=(len(kinds) - 0.5, -0.5), xlim=(0, limit), xlabel='percentage points')


def _gains(diagnosis):
    return [100 * gain['mAP_N'] for gain in diagnosis['gains'].values()]


def _draw_buckets(axes, diagnoses, key):
    """Draw axes for each characteristic, with a group of bars for each bucket and a bar in it for each model."""
    width = 0.8 / len(diagnoses)
    for part, characteristic in zip(axes, _TITLES):
        buckets = next(iter(diagnoses.values()))['characteristics'][characteristic]['buckets']
        for number, (color, diagnosis) in enumerate(zip(itertools.cycle(_MODEL_COLORS), diagnoses.values())):
            values = [bucket[key] for bucket in diagnosis['characteristics'][characteristic]['buckets']]
            x = np.arange(len(values)) + (number - (len(diagnoses) - 1) / 2) * width
            bars = part.bar(x, [100 * (value or 0) for value in values], 0.9 * width, color=color)
            part.axhline(100 * diagnosis[key], color=color, linestyle='--', linewidth=1, zorder=0)
            labels = ['' if value is None else f'{100 * value:.0f}' for value in values]  # None: an empty bucket
            part.bar_label(bars, labels, padding=1, fontsize=_TINY, path_effects=[_HALO])
        part.set_xticks(range(len(buckets)), [_bucket_label(bucket, characteristic) for bucket in buckets])
        part.set(ylim=(0, 105), title=_TITLES[characteristic])


def _bucket_label(bucket, characteristic):
    scale, unit = {'length': (1, ' s'), 'coverage': (100, ' %'), 'num_instances': (1, '')}[characteristic]
    is_last = bucket['up_to'] is None
    bound = scale * (bucket['above'] if is_last else bucket['up_to'])
    values = f'{"> " if is_last else "≤ "}{bound:g}{unit}'
    return f'{bucket["bucket"]}\n{values}\nn = {bucket["num_instances"]}'


def _draw_ranges(axes, diagnoses):
    """Draw a line from the worst bucket to the best one, for each characteristic and model."""
    for number, (color, diagnosis) in enumerate(zip(itertools.cycle(_MODEL_COLORS), diagnoses.values())):
        for x, characteristic in enumerate(_TITLES):
            buckets = diagnosis['characteristics'][characteristic]['buckets']
            values = [100 * bucket['mAP_N'] for bucket in buckets if bucket['mAP_N'] is not None]
            if values:
                x += (number - (len(diagnoses) - 1) / 2) * 0.8 / len(diagnoses)
                axes.plot([x, x], [min(values), max(values)], color=color, linewidth=3, marker='_', markersize=9)
                text = f'{max(values) - min(values):.0f}'
                place = {'ha': 'center', 'va': 'bottom', 'fontsize': _TINY, 'textcoords': 'offset points'}
                axes.annotate(text, (x, max(values)), xytext=(0, 4), path_effects=[_HALO], **place)
        axes.axhline(100 * diagnosis['mAP_N'], color=color, linestyle='--', linewidth=1, zorder=0)
    axes.set_xticks(range(len(_TITLES)), ['length', 'coverage', 'instances'])
    axes.set(xlim=(-0.6, len(_TITLES) - 0.4), title='Sensitivity: best − worst')


def _add_type_legend(figure, columns):
    handles = [Patch(color=color, label=kind.replace('_', ' ')) for kind, color in _ERROR_COLORS.items()]
    figure.legend(handles=handles, loc='outside upper center', ncols=columns, frameon=False)


def _add_model_legend(figure, diagnoses, overall):
    handles = [
        Patch(color=_MODEL_COLORS[number % len(_MODEL_COLORS)], label=_short(name))
        for number, name in enumerate(diagnoses)
    ]
    handles.append(Line2D([], [], color=INK, linestyle='--', linewidth=1, label=overall))
    figure.legend(handles=handles, loc='outside upper center', ncols=len(handles), frameon=False)


def _name_with_map(name, diagnosis, tious):
    return f'{_short(name)}: {100 * diagnosis["mAP"]:.1f} % mAP{tious}'


def _short(name):
    name = name if len(name) <= _MAX_NAME else f'...{name[3 - _MAX_NAME :]}'
    return name.replace('$', r'\$')  # matplotlib would read a formula


def _describe_tious(diagnoses):
    tious = next(iter(diagnoses.values()))['tiou_thresholds']
    return f'@{tious[0]:.4g}' + (f'-{tious[-1]:.4g}' if len(tious) > 1 else '')
