"""Checks of every tool before its imports, also in a Python without the dependencies."""

import runpy
import shlex
import subprocess
import sys

import pytest
from small_sets import ROOT
from tool_modules import load_tool

from fsptal_mm.datasets.point_sampling import POINT_STYLES
from fsptal_mm.evaluation.diagnosis import BUCKET_PRESETS
from fsptal_mm.evaluation.functional import PRESETS
from fsptal_mm.utils.errors import InputError

TOOLS = sorted(
    path.relative_to(ROOT / 'tools')
    for folder in ('.', 'data', 'analysis_tools', 'experiments')
    for path in (ROOT / 'tools' / folder).glob('*.py')
    if '__main__' in path.read_text()
)
CONFIG = ROOT / 'configs/base/base_synthetic.py'


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
    """mmcv-lite would warn at the first model, and advise users to install a build that has to be compiled."""
    begin = f'import runpy; runpy.run_path({str(ROOT / "tools/starting.py")!r})["start"]("tool.py"); '
    command = [sys.executable, '-c', begin + 'import mmcv.cnn.bricks.transformer']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line.partition(': ')[0] for line in done.stderr.splitlines()] == ['tool.py', 'tool.py']


@pytest.mark.parametrize('tool', TOOLS, ids=str)
def test_help_needs_no_imports(tool):
    command = [sys.executable, '-X', 'importtime', str(ROOT / 'tools' / tool), '--help']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith('usage: ')
    imported = {line.rpartition('|')[2].strip() for line in done.stderr.splitlines()}
    assert 'argparse' in imported
    assert not imported & {'torch', 'numpy', 'mmengine', 'mmaction', 'fsptal_mm'}


def test_choices_that_parsers_repeat_are_those_of_the_package():
    for preset in PRESETS:
        assert load_tool('analysis_tools/eval_tal').parse_args(['x', 'y', '--preset', preset]).preset == preset
    for preset in BUCKET_PRESETS:
        arguments = ['x', 'y', '-o', 'z', '--preset', preset]
        assert load_tool('analysis_tools/diagnose').parse_args(arguments).preset == preset
    for style in POINT_STYLES:
        assert load_tool('data/make_points').parse_args(['x', 'y', '--style', style]).style == style


# The tool, its arguments, and the missing file. {config} is that of a localizer, {file} any file, {dir} any folder.
MISSING = [
    ('demo', 'no.py no.pth {dir}', 'no.py'),
    ('demo', '{config} no.pth {dir}', 'no.pth'),
    ('demo', '--from-results no.json {dir} --timeline', 'no.json'),
    ('data/extract_features', 'no.py {file} out {dir}', 'no.py'),
    ('annotate', '{dir} --classes no.txt', 'no.txt'),
    ('data/check_dataset', 'no.py', 'no.py'),
    ('analysis_tools/choose_threshold', 'no.py {file}', 'no.py'),
    ('analysis_tools/choose_threshold', '{config} no.pth', 'no.pth'),
    ('analysis_tools/rank_checkpoints', 'no.py {file}', 'no.py'),
    ('analysis_tools/plot_timeline', 'no.py {file}', 'no.py'),
    ('analysis_tools/plot_timeline', '--results no.json', 'no.json'),
    ('analysis_tools/eval_tal', '{file} no.json', 'no.json'),
    ('analysis_tools/diagnose', '{file} no.json -o out', 'no.json'),
    ('data/convert_features', 'out no.pt', 'no.pt'),
    ('data/convert_annotations', 'out.json --point-file no.csv', 'no.csv'),
    ('data/make_points', 'no.json out.json', 'no.json'),
    ('data/export_detections', 'no.json out', 'no.json'),
    ('data/export_pseudo_segments', 'no.py {file} out.json', 'no.py'),
]


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    """Arguments of the table as a list; the working directory is a new one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'file').touch()
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'folder/a.mp4').touch()
    return lambda text: shlex.split(text.format(config=CONFIG, file='file', dir='folder'))


def call(tool, arguments, monkeypatch):
    """Run a tool as a command in this process; returns what it ends with."""
    script = ROOT / f'tools/{tool}.py'
    monkeypatch.setattr('sys.argv', [str(script), *arguments])
    monkeypatch.syspath_prepend(script.parent)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(script), run_name='__main__')
    return end.value.code


@pytest.mark.parametrize('tool, text, missing', MISSING)
def test_a_missing_file_ends_a_tool_before_its_imports(tool, text, missing, arguments, monkeypatch, capsys):
    line = call(tool, arguments(text), monkeypatch)
    assert line.startswith(f'error: {missing}: ')
    assert not capsys.readouterr().err  # no line about imports
    monkeypatch.syspath_prepend(ROOT / 'tools' / tool.rpartition('/')[0])
    with pytest.raises((SystemExit, InputError)) as later:
        load_tool(tool).main(arguments(text))
    # The tool's own check gives the same message, as an error or, where other files are converted, in a list of errors.
    assert line.removeprefix('error: ') in str(later.value) + capsys.readouterr().out


@pytest.mark.parametrize(
    'tool, text, missing',
    [
        ('demo', '{config} {file} {dir} no.mp4', 'no.mp4'),
        ('demo', '{config} {file} {dir} --extractor {file} no.pth', 'no.pth'),
        ('data/extract_features', '{config} {file} out {dir} nowhere', 'nowhere'),
        ('annotate', 'nowhere --classes {file}', 'nowhere'),
        ('data/extract_features', '{config} {file} out no.txt', 'no.txt'),
        ('suggest', 'no.json {file} {dir}', 'no.json'),
        ('suggest', '{file} {file} nowhere', 'nowhere'),
        ('analysis_tools/plot_timeline', '{config} {file} {config} no.pth', 'no.pth'),
        ('analysis_tools/report', '{dir} nowhere', 'nowhere'),
        ('experiments/compare', '--configs {config} no.py', 'no.py'),
        ('train', 'no.py', 'no.py'),
        ('test', '{config} no.pth', 'no.pth'),
    ],
)
def test_files_and_folders_are_looked_up_first(tool, text, missing, arguments, monkeypatch, capsys):
    monkeypatch.setenv('ONEDNN_PRIMITIVE_CACHE_CAPACITY', '32')  # restored later; train.py and test.py set both
    monkeypatch.setenv('LOCAL_RANK', '0')
    assert call(tool, arguments(text), monkeypatch).startswith(f'error: {missing}: ')
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    'present',
    [
        pytest.param('fsptal-tuned_synthetic', id='name of a config'),
        pytest.param('https://host/x.py', id='address'),
        pytest.param('v_file', id='prefix of ActivityNet'),
    ],
)
def test_what_is_looked_up_later(present, arguments, monkeypatch):
    start = runpy.run_path(str(ROOT / 'tools/starting.py'))['_check_files']
    arguments('')
    start([present], 'a config file')
    with pytest.raises(SystemExit, match=r'gone\.py'):
        start([present, 'gone.py'], 'a config file')
