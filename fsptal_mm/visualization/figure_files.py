"""Writing of figures to files."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import atomic_write

SUFFIXES = ('.png', '.svg', '.pdf')
# Settings while a figure is drawn and written: matplotlib reads the line width of hatches only then. The text of an SVG
# stays text, which can be searched.
STYLE = {'hatch.linewidth': 0.6, 'svg.fonttype': 'none'}


def save_figure(figure: Figure, path: str | Path, dpi: int = 150) -> str:
    """Write a figure, atomically.

    Args:
        figure (matplotlib.figure.Figure): The figure.
        path: File to write; its suffix decides the format: ``.png``, ``.svg`` or ``.pdf``.
        dpi: Pixels per inch of a PNG.

    Returns:
        str: ``path``.

    Raises:
        InputError: The suffix is none of the three.
        WriteError: The file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f'one of {", ".join(SUFFIXES)}', file=path, field='suffix', found=suffix)
    with atomic_write(path, 'wb') as file, rc_context(STYLE):
        figure.savefig(file, format=suffix[1:], dpi=dpi)
    return str(path)
