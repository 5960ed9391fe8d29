"""Start of every tool: wrong arguments end the tool before the slow imports, and lines say what is being loaded.

This file imports the standard library only, so that it is quick. Tools run it by its path, since they lie in several
folders.
"""

import argparse
import importlib.util
import itertools
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

NEEDED = ('torch', 'mmengine', 'mmcv', 'mmaction', 'fsptal_mm', 'rich')


def start(
    tool: str,
    parse_args: Callable[[Sequence[str]], argparse.Namespace] | None = None,
    **files: str | tuple[str, ...],
) -> argparse.Namespace | None:
    """Check the installed packages, the arguments and the files that they name; then import PyTorch.

    Lines on standard error say what is being loaded, since the imports take five to ten seconds, and longer on a busy
    machine.

    Args:
        tool: Path of the tool.
        parse_args: Function that parses the arguments without slow imports. It ends the tool after ``--help`` or a
            wrong option. Default: the tool parses its arguments later.
        **files: For each argument that names files, the kind of file that is expected, for the error. A tuple gives the
            kinds of several files of one argument, in their order.

    Returns:
        argparse.Namespace | None: The arguments; ``None`` without ``parse_args``.

    Raises:
        SystemExit: A package is missing: the message names it and the command that helps. Or a file is missing: the
            message has the form of an ``InputError``.
    """
    root = Path(__file__).resolve().parents[1]
    if (root / 'fsptal_mm').is_dir() and importlib.util.find_spec('fsptal_mm') is None:  # a clone, not installed
        sys.path.insert(0, str(root))
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        here = 'source .venv/bin/activate' if (root / '.venv').is_dir() else "pip install -e '.[lite]'"
        sys.exit(f'error: {sys.executable} has no {", ".join(missing)}; run this in {root}: {here}')
    args = None if parse_args is None else parse_args(sys.argv[1:])
    for name, expected in files.items():
        _check_files(getattr(args, name, None), expected)
    # mmcv-lite warns that users should install the full mmcv, which this project does not need.
    warnings.filterwarnings('ignore', message='Fail to import ``MultiScaleDeformableAttention``')
    _say(f'{Path(tool).name}: starting, loading PyTorch ...')
    import torch  # noqa: F401

    _say(f'{Path(tool).name}: loading mmaction2 ...')
    return args


def _check_files(paths, expected):
    """End the tool if a file or a folder is missing. URLs and names of the package's configs are checked later."""
    paths = [] if paths is None else [paths] if isinstance(paths, (str, Path)) else paths
    kinds = itertools.cycle([expected] if isinstance(expected, str) else expected)
    for path, kind in zip(paths, kinds):
        is_name = kind == 'a config file' and Path(path).suffix != '.py' and len(Path(path).parts) == 1
        if not (_exists(path) or is_name or '://' in str(path)):
            sys.exit(f"error: {path}: found 'no such file', expected {kind}")


def _exists(path):
    """Tell whether a file or folder exists; its name may have ActivityNet's prefix ``v_`` or lack it."""
    folder, name = os.path.split(path)
    return any(os.path.exists(os.path.join(folder, near)) for near in (name, name.removeprefix('v_'), f'v_{name}'))


def _say(line):
    """Print a line to standard error; if torchrun started several processes, only the first one prints."""
    if os.environ.get('LOCAL_RANK', '0') == '0':
        print(line, file=sys.stderr, flush=True)
