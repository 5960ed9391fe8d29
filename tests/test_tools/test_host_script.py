"""``tools/train.py`` and ``tools/test.py``: mmaction2's scripts, with errors of input in one line."""

import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from small_sets import ROOT
from tool_modules import load_tool

from fsptal_mm.utils.errors import InputError

CONFIG = ROOT / 'configs/base/base_synthetic.py'
BUILT = SimpleNamespace(train=lambda: None, test=lambda: None)  # a runner
UNKNOWN_TYPE = KeyError('PointTALL is not in the mmaction::model registry. Please check ...')


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a script of the host in this process; returns the config that its runner got."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'x.pth').touch()
    for name in ('LOCAL_RANK', 'ONEDNN_PRIMITIVE_CACHE_CAPACITY'):
        monkeypatch.setenv(name, '0')  # so that the variable is restored after the test
        monkeypatch.delenv(name)
    configs = []

    def run(name, *arguments, error=None):
        def build(config):
            if error is not None:
                raise error
            return configs.append(config) or BUILT

        monkeypatch.setattr(Runner, 'from_cfg', build)
        monkeypatch.setattr('sys.argv', [name, *map(str, arguments)])
        load_tool('host_script').run(name)
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


def test_quiet_keeps_long_messages_from_the_terminal_and_not_from_the_log(run, monkeypatch, tmp_path, capsys):
    logs = []

    def train():
        logger = MMLogger(f'quiet_{len(logs)}', log_file=str(tmp_path / f'{len(logs)}.log'))
        logs.append(tmp_path / f'{len(logs)}.log')
        logger.info('Config:\nmodel = 1\n' * 2)
        logger.info('\n----\nSystem environment:\n    sys.platform: linux')
        logger.info('Hooks will be executed in the following order:\nbefore_run:')
        logger.warning('a warning')
        logger.info('Epoch(train) [1][4/4]')

    monkeypatch.setattr(BUILT, 'train', train)
    for options in (['--quiet'], []):
        run('train.py', CONFIG, *options)
        lines = capsys.readouterr().out.splitlines()
        assert ['a warning' in lines[-2], 'Epoch(train)' in lines[-1]] == [True, True]
        told = [word in ''.join(lines) for word in ('Config', 'sys.platform', 'before_run')]
        assert told == [not options] * 3
        assert 'sys.platform' in logs[-1].read_text()


def test_runs_of_configs_from_before_the_checks_are_checked(run):
    config = run('train.py', ROOT / 'tests/data/configs/lacp_synthetic.py')
    assert config.default_hooks.run_checks.type == 'RunChecksHook'
    assert config.default_hooks.checkpoint.type == 'CheckpointHook'  # other hooks are not changed


def test_what_the_user_set_for_onednn_stays(run, monkeypatch):
    monkeypatch.setenv('ONEDNN_PRIMITIVE_CACHE_CAPACITY', '7')
    run('train.py', CONFIG)
    assert os.environ['ONEDNN_PRIMITIVE_CACHE_CAPACITY'] == '7'


@pytest.mark.parametrize(
    'arguments, content, error, expected',
    [
        (['train.py', 'config.py'], 'a = 1\nb = (\n', None, r'config\.py:2: '),
        (['test.py', 'config.py', 'x.pth'], 'a = 1\nb = (\n', None, r'config\.py:2: '),
        (['train.py', 'config.py'], '', InputError('a number', file='ann.json', found='x'), 'ann.json: '),
        (['train.py', 'config.py'], 'a = 1\nmodel = dict(type="PointTALL")\n', UNKNOWN_TYPE, r'config\.py:2: type: '),
    ],
)
def test_an_error_of_input_is_one_line(arguments, content, error, expected, run):
    Path('config.py').write_text(content)
    with pytest.raises(SystemExit) as end:
        run(*arguments, error=error)
    assert re.fullmatch(f'error: {expected}.*', end.value.code)


@pytest.mark.parametrize('error', [ValueError('expected 3, got 2'), AssertionError('x'), KeyError('head')])
def test_a_bug_keeps_its_traceback(error, run):
    with pytest.raises(type(error)) as caught:
        run('train.py', CONFIG, error=error)
    assert caught.value is error


def test_what_is_no_option_is_one_line(run):
    with pytest.raises(SystemExit, match=r'^error: --cfg-options: .*nothing'):
        run('train.py', CONFIG, '--cfg-options', 'a=1', 'nothing')


def test_options_may_be_given_in_several_places(run):
    config = run('train.py', CONFIG, '--cfg-options', 'a=1', '--cfg-options', 'b=2')
    assert (config.a, config.b) == (1, 2)


@pytest.mark.parametrize('option', [['--show'], ['--show-dir', 'pictures']])
def test_pictures_of_mmaction2_are_refused_with_the_tool_that_draws(run, option):
    with pytest.raises(SystemExit, match=r'plot_timeline\.py'):
        run('test.py', CONFIG, 'x.pth', *option)


def test_spaces_of_option_values_reach_the_runner(run):
    config = run('train.py', CONFIG, '--cfg-options', 'data_root=/x/my data', "work_dir='/x/a, b'")
    assert config.train_dataloader.dataset.data_root == '/x/my data'
    assert config.work_dir == '/x/a, b'


@pytest.mark.parametrize('name, more, hint', [('train.py', (), '--resume'), ('test.py', ('x.pth',), '')])
def test_an_interrupted_script_says_how_to_go_on(name, more, hint, run):
    with pytest.raises(SystemExit, match=f'interrupted.*{hint}') as end:
        run(name, CONFIG, *more, error=KeyboardInterrupt())
    assert ('--resume' in str(end.value)) == (name == 'train.py')
