"""Begin of every tool, before its imports: name a Python without the dependencies in one line, and say that it starts.

Needs the standard library only. Tools read it by its path, since they lie in several folders.
"""

import importlib.util
import os
import sys
from pathlib import Path

NEEDED = ('torch', 'mmengine', 'mmcv', 'mmaction', 'fsptal_mm', 'rich')


def start(tool: str) -> None:
    """Check this Python, and print a line on standard error: the imports take up to ten seconds.

    Args:
        tool: Path of the tool.
    """
    root = Path(__file__).resolve().parents[1]
    if (root / 'fsptal_mm').is_dir() and importlib.util.find_spec('fsptal_mm') is None:  # a clone, not installed
        sys.path.insert(0, str(root))
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        here = 'source .venv/bin/activate' if (root / '.venv').is_dir() else "pip install -e '.[lite]'"
        sys.exit(f'error: {sys.executable} has no {", ".join(missing)}; in {root}: {here}')
    if os.environ.get('LOCAL_RANK', '0') == '0':
        print(f'{Path(tool).name}: starting ...', file=sys.stderr, flush=True)
