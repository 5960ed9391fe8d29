"""Loading of the commands in ``tools/`` as modules, since they are files outside of every package."""

import importlib.util
import os
import runpy
import sys
from pathlib import Path
from unittest import mock

import pytest

_TOOLS = Path(__file__).parents[1] / 'tools'


def load_tool(name):
    """The module of a command, such as ``'data/make_points'``; it imports files beside it, as when it is called."""
    spec = importlib.util.spec_from_file_location(Path(name).name, _TOOLS / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    with mock.patch.object(sys, 'path', [str(_TOOLS / Path(name).parent), *sys.path]):
        spec.loader.exec_module(module)
    return module


def run_script(script, *arguments):
    """Run a script in this process as if it had been called; its exit status must be 0."""
    with pytest.MonkeyPatch.context() as patch, mock.patch.dict(os.environ):
        patch.setattr(sys, 'argv', [str(script), *map(str, arguments)])
        patch.syspath_prepend(Path(script).parent)
        try:
            runpy.run_path(str(script), run_name='__main__')
        except SystemExit as end:
            if end.code:
                raise AssertionError(end.code) from end
