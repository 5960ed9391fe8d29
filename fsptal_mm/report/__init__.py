from .page import Published, write_report
from .run import Run, read_run

__all__ = ['Published', 'Run', 'read_run', 'write_report']
