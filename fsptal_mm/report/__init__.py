from .page import write_report
from .published import Published, published_figures
from .run import Run
from .run_reader import read_run

__all__ = ['Published', 'Run', 'published_figures', 'read_run', 'write_report']
