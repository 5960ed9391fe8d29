"""Figure of the quality of pseudo labels over a training."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from .palette import Look

# For each axes: its title, and the style of line of each measure.
_PANELS = (
    ('mined action labels', {'action_precision': '-', 'action_recall': '--'}),
    ('mined background labels', {'background_precision': '-', 'background_recall': '--'}),
    ('best segments: mean tIoU', {'segment_tiou': '-'}),
)
_LINES = {'precision, tIoU': '-', 'recall': '--'}
_MARKERS = 'osD^vP*'


def label_quality_figure(runs: dict[str, dict[int, dict[str, float]]]) -> Figure:
    """Draw precision and recall of mined labels, and tIoU of the best segments, over the epochs.

    Args:
        runs (dict[str, dict[int, dict[str, float]]]): From the name of a run to its measures (fractions) by the number
            of epochs done, as ``quality_over_training`` returns them. A missing measure leaves a gap.

    Returns:
        matplotlib.figure.Figure: Three axes: actions, background, segments.
    """
    figure = Figure(figsize=(11, 3.6 + 0.16 * len(runs)), layout='constrained')
    for axes, (title, styles) in zip(figure.subplots(1, len(_PANELS), sharey=True), _PANELS):
        for number, (name, figures) in enumerate(runs.items()):
            look, marker = Look.of_number(number), _MARKERS[number % len(_MARKERS)]
            for measure, style in styles.items():
                values = [figures[epoch].get(measure, float('nan')) for epoch in figures]  # NaN is drawn as a gap
                label = f'{name}: {measure}'
                axes.plot([*figures], values, style, color=look.color, marker=marker, markersize=4, label=label)
        axes.set(title=title, xlabel='epochs done', ylim=(-0.02, 1.02))
        axes.title.set_fontsize(10)
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    handles = [
        Line2D([], [], color=Look.of_number(number).color, marker=_MARKERS[number % len(_MARKERS)], label=name)
        for number, name in enumerate(runs)
    ]
    handles += [Line2D([], [], color='black', linestyle=style, label=name) for name, style in _LINES.items()]
    figure.legend(handles=handles, loc='outside lower center', ncols=4, fontsize=8, frameon=False)
    return figure
