"""The figures of ``plot_modules.py``, one per module of FS-PTAL."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from mmaction.registry import TRANSFORMS
from mmaction.structures import ActionDataSample

from fsptal_mm.models import SnippetScores
from fsptal_mm.models.losses import outer_inner_contrast
from fsptal_mm.structures import PointTargets, SegmentLabels, outer_length
from fsptal_mm.visualization.palette import BLUE, GREEN, ORANGE, SKY_BLUE, VERMILION

_ACTION, _BACKGROUND, _NEIGHBOUR, _TRUTH, _MINED = VERMILION, BLUE, ORANGE, GREEN, SKY_BLUE
_PLAIN = '#DDDDDD'
_WINDOW_SNIPPETS = 26  # of the picture of label extension: single snippets are to be seen
_MAX_GAP_SNIPPETS = 12


@dataclass(frozen=True)
class ModuleStates:
    """Results of the modules on one training video of T snippets. Batches hold this video alone.

    Attributes:
        classes: Names of the C classes.
        sample: The video, with its points and, for comparison, its ground truth.
        scores: Snippet scores, computed without dropout.
        given: Point labels.
        mined: Given and mined labels.
        segments: Best segments of every class, from module C.
        embedding: ``(T, D_e)``, E of module D.
    """

    classes: tuple
    sample: ActionDataSample
    scores: SnippetScores
    given: PointTargets
    mined: PointTargets
    segments: SegmentLabels
    embedding: torch.Tensor

    @property
    def grid(self):
        """Grid of the video, which converts snippets into seconds."""
        return self.sample.grid

    @property
    def centres_sec(self):
        """Centres of the snippets in seconds, ``(T,)``."""
        return self.grid.to_sec(np.arange(self.sample.num_snippets) + 0.5)


def _figure(height_in, ratios=(1,), columns=1, **kwargs):
    """Make a figure with a grid of axes; ``ratios`` are the relative heights of its rows."""
    figure = Figure(figsize=(9, height_in), layout='constrained')
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(ratios), columns, squeeze=False, gridspec_kw=dict(height_ratios=ratios), **kwargs)
    for axes in grid.flat:
        axes.spines[['top', 'right']].set_visible(False)
    return figure, grid


def draw_extension(states, extension):
    """Draw module A: bars for the sampling weights of the original snippets, and above them the extended snippets.

    A line leads from the place at which an extended snippet is sampled to its place in the extended video.

    Args:
        states (ModuleStates): Results on the video.
        extension (dict): Config of ``ExtendPointLabels``.
    """
    labelled = states.given.labels[0].any(-1).numpy()
    transform = TRANSFORMS.build(dict(extension))
    weight, positions = np.ones(len(labelled)), transform.sampling_positions(labelled)
    for offset in (-1, 1):
        weight[(np.flatnonzero(labelled) + offset).clip(0, len(labelled) - 1)] = transform.neighbour_weight
    weight[labelled] = transform.label_weight
    colors = np.where(labelled, _ACTION, np.where(weight > 1, _NEIGHBOUR, _PLAIN))
    first = _interesting_start(labelled)
    shown = slice(first, first + _WINDOW_SNIPPETS)
    figure, ((axes,),) = _figure(3.2)
    # Below, the original snippets of the window; above, the extended snippets that are sampled in this window.
    axes.bar(np.arange(len(labelled))[shown], weight[shown], 0.9, color=colors[shown])
    inside = (positions >= first) & (positions <= first + _WINDOW_SNIPPETS - 1)
    sources = np.rint(positions).astype(int)[inside]  # the original snippets that extended ones are sampled in
    places = np.linspace(first, first + _WINDOW_SNIPPETS - 1, inside.sum())
    for place, position, source in zip(places, positions[inside], sources):
        axes.plot([position, place], [2.7, 4.2], color=colors[source], lw=0.9)
    axes.bar(places, 0.5, 0.9 * (places[1] - places[0]), bottom=4.25, color=colors[sources])
    axes.set_yticks([0, 1, transform.neighbour_weight, transform.label_weight, 4.5])
    axes.set_yticklabels(['0', '1', f'{transform.neighbour_weight:g}', f'{transform.label_weight:g}', 'extended'])
    axes.set(xlabel='original snippet', ylabel='sampling weight')
    axes.legend(
        handles=[Patch(color=_ACTION, label='labelled'), Patch(color=_NEIGHBOUR, label='beside it, no label'),
                 Patch(color=_PLAIN, label='other')],
        loc='center left', bbox_to_anchor=(1, 0.5), frameon=False,
    )  # fmt: skip
    counts = int(labelled[shown].sum()), int(labelled[sources].sum())
    axes.set_title(
        f'{_WINDOW_SNIPPETS} snippets become {inside.sum()}, {counts[0]} labelled ones become {counts[1]}', fontsize=10
    )
    return figure


def _interesting_start(labelled):
    """Find a window with two labels near each other; return its first snippet, which lies shortly before them."""
    at = np.flatnonzero(labelled)
    near = np.flatnonzero(np.diff(at) <= _MAX_GAP_SNIPPETS)
    return int(max(at[near[0] if len(near) else 0] - 5, 0))


def draw_mining(states, miner):
    """Draw module B: scores with the thresholds, and the labels that each rule gives.

    Args:
        states (ModuleStates): Results on the video, of a checkpoint of early training.
        miner (dict): Config of ``PseudoLabelMiner``.
    """
    given, mined = states.given.labels[0], states.mined.labels[0]
    background_score = states.scores.background_scores[0].numpy()
    time_sec = states.centres_sec
    figure, ((curves,), (strips,)) = _figure(4.4, (3, 2), sharex=True)
    curves.plot(time_sec, background_score, color=_BACKGROUND, label='b, background')
    curves.plot(time_sec, states.scores.final[0].max(-1).values, color=_ACTION, label='largest q̂ of a class')
    for threshold, name in ((miner.background_threshold, 'γ$_{bkg}$'), (miner.action_threshold, 'γ$_{act}$')):
        curves.axhline(threshold, color='black', lw=0.7, ls='--')
        curves.annotate(name, (time_sec[-1], threshold), xytext=(3, 2), textcoords='offset points', fontsize=9)
    curves.set(ylim=(0, 1.02), ylabel='score')
    curves.legend(loc='lower left', bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    sure = (background_score > miner.background_threshold) & ~given.any(-1).numpy()
    rows = {
        'ground truth': _truth_marks(states),
        'points': given.any(-1).numpy(),
        'rule 1: b above γ$_{bkg}$': sure,
        'rules 1-3: background': states.mined.background_labels[0].numpy(),
        'rule 4: mined actions': (mined & ~given).any(-1).numpy(),
    }
    colors = (_TRUTH, 'black', _BACKGROUND, _BACKGROUND, _ACTION)
    for row, (marks, color) in enumerate(zip(rows.values(), colors)):
        _draw_strip(strips, row, time_sec, marks, states.grid.snippet_sec, color)
    strips.set_yticks(range(len(rows)), rows)
    strips.set(ylim=(len(rows) - 0.5, -0.5), xlabel='seconds', xlim=(0, states.sample.duration_sec))
    return figure


def _truth_marks(states):
    """Mark the snippets whose centre lies in a ground-truth segment, ``(T,)`` bool."""
    segments = np.asarray(states.sample.gt_segments_sec)
    time_sec = states.centres_sec[:, None]
    return ((segments[:, 0] <= time_sec) & (time_sec < segments[:, 1])).any(1)


def _draw_strip(axes, row, time_sec, marks, width_sec, color):
    """Draw the marked snippets as a strip in a row."""
    axes.broken_barh([(sec - width_sec / 2, width_sec) for sec in time_sec[marks]], (row - 0.35, 0.7), color=color)


def draw_contrast(states, outer_ratio):
    """Draw module C: scores and seeds of the class with the most segments, and three candidates with their contrasts.

    Args:
        states (ModuleStates): Results on the video, of a checkpoint of early training.
        outer_ratio: delta of Eq. 8.
    """
    actions = ~states.segments.is_background
    counts = torch.bincount(states.segments.group[actions], minlength=len(states.segments.video))
    group = int(counts.argmax())
    label = int(states.segments.label[group])
    chosen = actions & (states.segments.group == group)
    best = np.stack([states.segments.start[chosen].numpy(), states.segments.stop[chosen].numpy()], 1)
    seeds = states.mined.labels[0, :, label].numpy()
    others = (states.mined.background_labels[0] | states.mined.labels[0].any(-1)).numpy() & ~seeds
    smallest, widest = _extreme_segments(best, seeds, others)
    figure, ((curves,), (strips,)) = _figure(4.6, (3, 2), sharex=True)
    time_sec, width_sec = states.centres_sec, states.grid.snippet_sec
    curves.plot(time_sec, states.scores.final[0, :, label], color='black', label=f'q̂ of {states.classes[label]}')
    for marks, color, name in ((seeds, _ACTION, 'seed, action'), (others, _BACKGROUND, 'seed, background')):
        curves.plot(time_sec[marks], np.zeros(marks.sum()) - 0.04, '|', color=color, ms=8, label=name)
    curves.set(ylabel='score', ylim=(-0.1, 1.02))
    curves.legend(loc='lower left', bbox_to_anchor=(0, 1), ncols=3, frameon=False)
    rows = {'smallest': smallest, 'widest': widest, 'best, SL': best}
    names = ['ground truth']
    _draw_strip(strips, 0, time_sec, _truth_marks_of(states, label), width_sec, _TRUTH)
    for row, (name, segments) in enumerate(rows.items(), start=1):
        outer = _outer_ranges(segments, outer_ratio, len(seeds))
        contrast = _contrast(states, label, segments, outer)
        names.append(f'{name}: R = {contrast:.2f}')
        for (start, stop), (outer_start, outer_stop) in zip(segments, outer):
            parts = ((outer_start, start, _NEIGHBOUR), (start, stop, _ACTION), (stop, outer_stop, _NEIGHBOUR))
            for *ends, color in parts:
                start_sec, end_sec = states.grid.to_sec(ends)
                strips.broken_barh([(start_sec, end_sec - start_sec)], (row - 0.35, 0.7), color=color)
    strips.set_yticks(range(len(names)), names)
    strips.set(ylim=(len(names) - 0.5, -0.5), xlabel='seconds', xlim=(0, states.sample.duration_sec))
    strips.legend(
        handles=[Patch(color=_ACTION, label='inner'), Patch(color=_NEIGHBOUR, label='outer range')],
        loc='upper center', bbox_to_anchor=(0.5, -0.3), ncols=2, frameon=False,
    )  # fmt: skip
    return figure


def _truth_marks_of(states, label):
    """Mark the snippets in ground-truth segments of one class."""
    of_class = np.asarray(states.sample.gt_segment_labels) == label
    sample = ActionDataSample(metainfo=dict(states.sample.metainfo))
    sample.set_metainfo(dict(gt_segments_sec=np.asarray(states.sample.gt_segments_sec)[of_class]))
    return _truth_marks(replace(states, sample=sample))


def _extreme_segments(best, seeds, others):
    """Make two more candidates: segments that hug the action seeds, and segments that reach to the background seeds."""
    smallest, widest = [], []
    actions, background = np.flatnonzero(seeds), np.concatenate([[-1], np.flatnonzero(others), [len(seeds)]])
    for index, (start, stop) in enumerate(best):
        own = actions[(actions >= start) & (actions < stop)]
        smallest.append((own[0], own[-1] + 1))
        reach = background[background < own[0]].max() + 1, background[background > own[-1]].min()
        if index and best[index - 1, 1] == start:  # two instances without background in between share this boundary
            reach = start, reach[1]
        widest.append(reach)
    return np.array(smallest), np.array(widest)


def _outer_ranges(segments, outer_ratio, num_snippets):
    """Find where the left outer range of each segment starts and where its right one stops, ``(N, 2)``."""
    start, stop = segments.T
    length = outer_length(stop - start, outer_ratio)
    before, after = np.append(0, stop[:-1]), np.append(start[1:], num_snippets)
    return np.stack([np.maximum(start - length, before), np.minimum(stop + length, after)], 1)


def _contrast(states, label, segments, outer):
    """Compute the outer-inner contrast R of a candidate: segments of one class, with their outer ranges."""
    parts = [torch.as_tensor(part) for part in (*segments.T, *outer.T)]
    zeros = torch.zeros(len(segments), dtype=torch.int64)
    candidate = SegmentLabels(zeros[:1], zeros[:1] + label, zeros, *parts, zeros.bool())
    return float(outer_inner_contrast(states.scores.final, candidate))


def draw_separation(early, late, titles, loss):
    """Draw module D: cosines between the snippets of the video in E, early and late in training.

    Args:
        early (ModuleStates): Results on the video, of a checkpoint of early training.
        late (ModuleStates): The same, of a checkpoint of the end.
        titles (Sequence[str]): Titles of both pictures.
        loss (dict): Config of ``FeatureSeparationLoss``.
    """
    figure, (axes,) = _figure(4.9, columns=2)
    figure.get_layout_engine().set(rect=(0, 0.05, 1, 0.88))  # room for what lies outside the axes
    truth = _truth_marks(early)
    for panel, states, title in zip(axes, (early, late), titles):
        direction = torch.nn.functional.normalize(states.embedding, dim=-1)
        end_sec = float(states.grid.to_sec(len(direction)))
        extent = (0, end_sec, end_sec, 0)
        image = panel.imshow(direction @ direction.t(), vmin=-1, vmax=1, cmap='PuOr_r', extent=extent)
        for marks, color in ((truth, _TRUTH), (states.mined.background_labels[0].numpy(), _BACKGROUND)):
            offset = 0.02 if color == _TRUTH else 0.05
            width_sec = states.grid.snippet_sec
            bars = [(sec - width_sec / 2, width_sec) for sec in states.centres_sec[marks]]
            panel.broken_barh(bars, (-offset * end_sec, 0.025 * end_sec), color=color, clip_on=False)
        panel.set_title(title, fontsize=10, pad=22)
        panel.set(xlabel='seconds', xlim=(0, end_sec), ylim=(end_sec, 0))
    bar = figure.colorbar(image, ax=list(axes), shrink=0.8, label='cosine of two snippets of E')
    psi = {'ψ$_{same}$': loss.get('psi_same', 0.95), 'ψ$_{diff}$': loss.get('psi_diff', 0.1)}
    for name, value in psi.items():
        bar.ax.axhline(value, color='black', lw=1)
        bar.ax.annotate(name, (0, value), xytext=(-26, -3), textcoords='offset points', fontsize=9)
    figure.legend(
        handles=[Line2D([], [], color=_TRUTH, lw=5, label='ground truth'),
                 Line2D([], [], color=_BACKGROUND, lw=5, label='mined background')],
        loc='outside lower center', ncols=2, frameon=False,
    )  # fmt: skip
    return figure
