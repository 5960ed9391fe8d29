"""First lines of every tool: check that this Python has the dependencies, and print that the tool starts.

This file needs the standard library only. Tools run it by its path, since they lie in several folders.
"""

import importlib.util
import os
import sys
import warnings
from pathlib import Path

NEEDED = ('torch', 'mmengine', 'mmcv', 'mmaction', 'fsptal_mm', 'rich')


def start(tool: str) -> None:
    """Check that this Python has the dependencies, then print that the tool starts.

    The line goes to standard error. It is there because the imports of a tool take up to ten seconds.

    Args:
        tool: Path of the tool.

    Raises:
        SystemExit: A dependency is missing; the message names it, and the command that helps.
    """
    root = Path(__file__).resolve().parents[1]
    if (root / 'fsptal_mm').is_dir() and importlib.util.find_spec('fsptal_mm') is None:  # a clone, not installed
        sys.path.insert(0, str(root))
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        here = 'source .venv/bin/activate' if (root / '.venv').is_dir() else "pip install -e '.[lite]'"
        sys.exit(f'error: {sys.executable} has no {", ".join(missing)}; run this in {root}: {here}')
    # mmcv-lite advises its users to install the other build, which nothing here needs.
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')
    if os.environ.get('LOCAL_RANK', '0') == '0':  # one line, however many processes torchrun starts
        print(f'{Path(tool).name}: starting ...', file=sys.stderr, flush=True)
