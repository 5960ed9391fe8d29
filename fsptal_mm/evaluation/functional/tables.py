"""Tables of results as text, in Markdown."""

from collections.abc import Sequence

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from .protocol import Protocol


def summary_table(rows: dict[str, dict[str, float]], title: str) -> str:
    """Tabulate results in percent, with one line for each result and one column for each measure.

    Args:
        rows (dict[str, dict[str, float]]): Measures of each named result, all with the same keys.
        title: Heading of the first column.

    Returns:
        str: The table.
    """
    table = Table(title, box=box.MARKDOWN)
    for key in next(iter(rows.values())):
        table.add_column(key, justify='right', no_wrap=True)
    for name, measures in rows.items():
        table.add_row(name, *map(_percent, measures.values()))
    return render_markdown(table)


def class_table(ap: np.ndarray, num_gt: np.ndarray, classes: Sequence[str], protocol: Protocol) -> str:
    """Tabulate the average precision of every class, in percent.

    Args:
        ap (np.ndarray): ``(K, C)``; NaN (shown as ``-``) for classes without a ground-truth segment.
        num_gt (np.ndarray): ``(C,)`` number of ground-truth segments.
        classes (Sequence[str]): ``(C,)`` names.
        protocol (Protocol): Protocol with the K thresholds.

    Returns:
        str: The table.
    """
    table = Table('class', box=box.MARKDOWN)
    for heading in ('segments', *(key.replace('mAP', 'AP') for key in protocol.threshold_keys), 'mean'):
        table.add_column(heading, justify='right', no_wrap=True)
    for name, count, values in zip(classes, num_gt, ap.T):
        table.add_row(name, str(count), *map(_percent, [*values, values.mean()]))
    return render_markdown(table)


def _percent(fraction):
    return '-' if np.isnan(fraction) else f'{100 * fraction:.2f}'


def render_markdown(table: Table) -> str:
    """Render a ``rich`` table as Markdown, each row on one line however wide it is."""
    # A width for any table: a log file has no width of its own, and rich would then wrap lines at 80 characters.
    console = Console(width=1000, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return '\n'.join(line.rstrip() for line in capture.get().splitlines() if line.strip())
