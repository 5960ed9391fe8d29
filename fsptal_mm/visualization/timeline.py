"""Detections of a video over time, as a picture."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from fsptal_mm.fileio import atomic_write

_COLORS = 'cividis_r'  # made for colour-blind readers; also even in grey
_BAR_HEIGHT = 0.8


def draw_timeline(path, detections, duration_sec, title='', max_detections=100):
    """Draw detections as bars over seconds, a row for each class, coloured by their scores.

    Args:
        path: PNG file, written atomically.
        detections (Sequence[Detection]): Of one video, in any order; the best are drawn last, hence on top.
        duration_sec: Of the video.
        title: Headline.
        max_detections: Only so many are drawn, the best ones.

    Returns:
        str: ``path``.
    """
    shown = sorted(detections, key=lambda found: found.score)[-max_detections:]
    rows = {label: row for row, label in enumerate(sorted({found.label for found in shown}))}
    norm = Normalize(shown[0].score, shown[-1].score) if shown else Normalize()
    colors = ScalarMappable(norm, _COLORS)
    figure = Figure(figsize=(10, 1.6 + 0.35 * max(1, len(rows))), layout='constrained')  # no pyplot: no global state
    axes = figure.add_subplot()
    for found in shown:
        width, color = found.end_sec - found.start_sec, colors.to_rgba(found.score)
        axes.barh(rows[found.label], width, _BAR_HEIGHT, found.start_sec, color=color, edgecolor='white', linewidth=0.3)
    axes.set(xlim=(0, duration_sec), ylim=(max(1, len(rows)) - 0.5, -0.5), xlabel='seconds')
    axes.set_title(title if shown else f'{title}: no detection', loc='left')
    axes.set_yticks(range(len(rows)), rows)
    if shown:
        figure.colorbar(colors, ax=axes, label='score')
    FigureCanvasAgg(figure)
    with atomic_write(Path(path), 'wb') as file:
        figure.savefig(file, format='png', dpi=120)
    return str(path)
