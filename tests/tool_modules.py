"""The commands in ``tools/`` as modules; they are files outside of every package."""

import importlib.util
from pathlib import Path

_TOOLS = Path(__file__).parents[1] / 'tools'


def load_tool(name):
    """The module of a command, such as ``'data/make_points'``."""
    spec = importlib.util.spec_from_file_location(Path(name).name, _TOOLS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
