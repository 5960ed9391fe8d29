"""``tools/train.py`` and ``tools/test.py``: mmaction2's scripts, with errors of input in one line."""

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.runner import Runner
from tool_modules import load_tool

import fsptal_mm
from fsptal_mm.utils.errors import InputError

ROOT = Path(fsptal_mm.__file__).parents[1]
CONFIG = ROOT / 'configs/base/base_synthetic.py'


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a script of the host in this process; returns the config that its runner got."""
    monkeypatch.chdir(tmp_path)
    for name in ('LOCAL_RANK', 'ONEDNN_PRIMITIVE_CACHE_CAPACITY'):
        monkeypatch.setenv(name, '0')  # to be as before afterwards
        monkeypatch.delenv(name)
    configs = []
    built = SimpleNamespace(train=lambda: None, test=lambda: None)
    monkeypatch.setattr(Runner, 'from_cfg', lambda config: configs.append(config) or built)
    tool = load_tool('host_script')

    def run(name, *arguments):
        monkeypatch.setattr('sys.argv', [name, *map(str, arguments)])
        tool.run(name)
        return configs.pop()

    return run


@pytest.mark.parametrize('name, more', [('train.py', ()), ('test.py', ('x.pth',))])
def test_options_reach_the_runner_and_data_root_every_path(name, more, run):
    options = ['data_root=/new', 'val_dataloader.dataset.ann_file=mine.json']
    config = run(name, CONFIG, *more, '--cfg-options', *options)
    assert config.train_dataloader.dataset.data_root == config.test_dataloader.dataset.data_root == '/new'
    assert config.val_dataloader.dataset.ann_file == 'mine.json'
    assert config.work_dir == './work_dirs/base_synthetic'
    assert os.environ['ONEDNN_PRIMITIVE_CACHE_CAPACITY'] == '32'


def test_what_the_user_set_for_onednn_stays(run, monkeypatch):
    monkeypatch.setenv('ONEDNN_PRIMITIVE_CACHE_CAPACITY', '7')
    run('train.py', CONFIG)
    assert os.environ['ONEDNN_PRIMITIVE_CACHE_CAPACITY'] == '7'


def said(run, *arguments):
    with pytest.raises(SystemExit) as end:
        run(*arguments)
    return end.value.code


@pytest.mark.parametrize('name, more', [('train.py', ()), ('test.py', ('x.pth',))])
def test_a_mistake_in_a_config_is_one_line(name, more, run):
    Path('config.py').write_text('a = 1\nb = (\n')
    assert re.fullmatch(r'error: config\.py:2: .*', said(run, name, 'config.py', *more))


def raising(error):
    def build(config):
        raise error

    return staticmethod(build)


def test_an_error_of_input_is_one_line(run, monkeypatch):
    monkeypatch.setattr(Runner, 'from_cfg', raising(InputError('a number', file='ann.json', found='x')))
    assert re.fullmatch('error: ann.json: .*', said(run, 'train.py', CONFIG))


def test_an_unknown_type_is_one_line(run, monkeypatch):
    Path('config.py').write_text('_base_ = []\nmodel = dict(type="PointTALL")\n')
    error = KeyError('PointTALL is not in the mmaction::model registry. Please check ...')
    monkeypatch.setattr(Runner, 'from_cfg', raising(error))
    assert re.fullmatch(r'error: config\.py:2: type: .*PointTALL.*PointTAL\b.*', said(run, 'train.py', 'config.py'))


@pytest.mark.parametrize(
    'error', [ValueError('not enough values to unpack (expected 3, got 2)'), AssertionError('x'), KeyError('head')]
)
def test_a_bug_keeps_its_traceback(error, run, monkeypatch):
    monkeypatch.setattr(Runner, 'from_cfg', raising(error))
    with pytest.raises(type(error)) as caught:
        run('train.py', CONFIG)
    assert caught.value is error


def test_what_is_no_option_is_an_error_of_the_command_line(run, capsys):
    assert said(run, 'train.py', CONFIG, '--cfg-options', 'nothing') == 2
    assert re.search('--cfg-options: .*nothing$', capsys.readouterr().err.strip())


@pytest.mark.parametrize('option', [['--show'], ['--show-dir', 'pictures']])
def test_pictures_of_mmaction2_are_refused_with_the_tool_that_draws(run, option):
    assert 'plot_timeline.py' in said(run, 'test.py', CONFIG, 'x.pth', *option)


def test_spaces_of_option_values_reach_the_runner(run):
    config = run('train.py', CONFIG, '--cfg-options', 'data_root=/x/my data', "work_dir='/x/a, b'")
    assert config.train_dataloader.dataset.data_root == '/x/my data'
    assert config.work_dir == '/x/a, b'
