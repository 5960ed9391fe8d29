"""The first line of every tool, also in a Python without the dependencies."""

import subprocess
import sys

import pytest
from small_sets import ROOT

TOOLS = sorted(
    path.relative_to(ROOT / 'tools')
    for folder in ('.', 'data', 'analysis_tools', 'experiments')
    for path in (ROOT / 'tools' / folder).glob('*.py')
    if '__main__' in path.read_text()
)


@pytest.mark.parametrize('tool', TOOLS, ids=str)
def test_a_python_without_the_dependencies_is_named_in_one_line(tool):
    """``-S`` hides installed packages, ``-E`` and ``-s`` those of the environment and of the user."""
    command = [sys.executable, '-E', '-s', '-S', str(ROOT / 'tools' / tool)]
    done = subprocess.run(command, capture_output=True, text=True)
    [line] = done.stderr.splitlines()
    assert done.returncode == 1
    assert line.startswith('error: ')
    assert sys.executable in line
    assert 'torch' in line


def test_mmcv_lite_does_not_advise_another_build():
    """Its warning comes with the first model, and sends new users to a build that has to be compiled."""
    begin = f'import runpy; runpy.run_path({str(ROOT / "tools/starting.py")!r})["start"]("tool.py"); '
    command = [sys.executable, '-c', begin + 'import mmcv.cnn.bricks.transformer']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == 'tool.py: starting ...\n'
