"""Mistakes in configs are named with file and line, by the package and by its tools."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.dist import init_dist
from mmengine.registry import OPTIMIZERS, DefaultScope
from mmengine.runner import Runner, set_random_seed
from mmengine.utils import mkdir_or_exist

from fsptal_mm.apis.model_loading import find_config
from fsptal_mm.config_errors import config_errors
from fsptal_mm.utils.errors import InputError

ROOT = Path(__file__).parents[1]
GOOD = ROOT / 'configs/fsptal_tuned/fsptal-tuned_synthetic.py'


def read(path):
    with config_errors():
        return Config.fromfile(path)


@pytest.mark.parametrize(
    'text, message',
    [
        pytest.param('a = 1\nb = (2\n', r'config\.py:2: found .*was never closed.*expected Python', id='syntax'),
        pytest.param('a = 1\n\nb = a + c\n', r"config\.py:3: found .NameError: name 'c' is not defined", id='name'),
        pytest.param('a = dict(b=1)\nc = a["x"]\n', r"config\.py:2: found .KeyError: 'x'", id='key'),
        pytest.param('a = 1\n_base_ = ["gone.py"]\n', r'config\.py:2: _base_: found .*gone\.py', id='base'),
        pytest.param('_base_ = [gone]\n', r"config\.py:1: found .NameError: name 'gone'", id='name of a base'),
        pytest.param('_base_ = ["half.py"]\n', r'/half\.py:3: found .*expected Python', id='syntax of a base'),
        pytest.param('_base_ = ["fails.py"]\n', r'/fails\.py:2: found .ZeroDivisionError: ', id='error of a base'),
        pytest.param('_base_ = ["one.py", "two.py"]\n', r'config\.py: found .*Duplicate keys', id='same keys'),
        pytest.param('_base_ = "nobody::x/y.py"\n', r'config\.py:1: _base_: found .*nobody', id='base of no package'),
        pytest.param('_base_ = "config.py"\n', r'config\.py', id='its own base'),
        pytest.param(
            'a = 1\ncustom_imports = dict(imports=["gone"])\n',
            r'config\.py:2: custom_imports: found .No module named .gone',
            id='imports',
        ),
        pytest.param('filename = "x"\n', r'config\.py: found .KeyError: .filename is reserved', id='reserved'),
        pytest.param('a = "\0"\n', r'config\.py: found .*null bytes', id='null bytes'),
    ],
)
def test_mistakes_are_found_where_they_are(text, message, tmp_path):
    (tmp_path / 'half.py').write_text('a = 1\n\nb = dict(\n')
    (tmp_path / 'fails.py').write_text('a = 0\nb = 1 / a\n')
    for name in ('one.py', 'two.py'):
        (tmp_path / name).write_text('a = 1\n')
    (tmp_path / 'config.py').write_text(text)
    for of in (read, find_config):
        with pytest.raises(InputError, match=rf'^{tmp_path}.*{message}'):
            of(tmp_path / 'config.py')


def test_files_that_are_no_configs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('bytes.py').write_bytes(b'\xff\xfe')
    Path('config.txt').touch()
    Path('folder.py').mkdir()
    Path('config.yml').write_text('a: [1')
    Path('config.json').write_text('{')
    for name, message in {
        'gone.py': 'found .no such file',
        'folder.py': 'found .a folder',
        'gone.yml': 'found .no such file',
        'bytes.py': 'found .UnicodeDecodeError',
        'config.txt': 'found .*Only py/yml/yaml/json',
        'config.yml': 'found .ParserError',
        'config.json': 'found .JSONDecodeError',
    }.items():
        with pytest.raises(InputError, match=f'(^|/){name}: {message}'):
            read(name)


def test_errors_of_an_imported_module_keep_their_traceback(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'broken_plugin.py').write_text('1 / 0\n')
    (tmp_path / 'config.py').write_text('custom_imports = dict(imports=["broken_plugin"])\n')
    with pytest.raises(ZeroDivisionError):
        read(tmp_path / 'config.py')


def build(config, part='model', registry=MODELS):
    with config_errors(), DefaultScope.overwrite_default_scope('mmaction'):
        return registry.build(config[part])


@pytest.mark.parametrize(
    'line, message',
    [
        (
            "model = dict(type='PointTALL')",
            r"config\.py:2: type: found 'PointTALL', .* registry 'model', such as",
        ),
        ("model = dict(head=dict(type='Xyzzy'))", r"config\.py:2: type: found 'Xyzzy', .*custom_imports\?$"),
        (
            'model = dict(head=dict(dropuot=0.5))',
            r'config\.py:2: dropuot: found .*unexpected keyword',
        ),
        ('model = dict(head=dict(miner=dict(treshold=1)))', r'config\.py:2: treshold: found .*unexpected'),
        ('model = dict(embedding=dict(_delete_=True, in_channels=2))', r'config\.py: found .KeyError: .*type'),
        (
            "model = dict(embedding=dict(_delete_=True, type='SnippetEmbedding'))",
            r'config\.py: in_channels: found .*missing',
        ),
    ],
)
def test_parts_that_cannot_be_built(line, message, tmp_path):
    (tmp_path / 'config.py').write_text(f'_base_ = {str(GOOD)!r}\n{line}\n')
    config = read(tmp_path / 'config.py')
    with pytest.raises(InputError, match=rf'^{tmp_path}/{message}'):
        build(config)


def test_values_that_a_constructor_refuses(tmp_path):
    (tmp_path / 'config.py').write_text("optimizer = dict(type='Adam', lr=-1)\nloader = dict(batch_size=0)\n")
    config = read(tmp_path / 'config.py')
    sampler = dict(type='DefaultSampler', shuffle=False)
    message = "found 'batch_size should be a positive .*, expected values that BatchSampler takes"
    with pytest.raises(InputError, match=message), config_errors():
        Runner.build_dataloader(config.loader | dict(dataset=[1], sampler=sampler))
    parameters = [torch.nn.Parameter(torch.zeros(1))]
    message = "found 'Invalid learning rate: -1', expected values that Adam takes"
    with pytest.raises(InputError, match=message), config_errors():
        OPTIMIZERS.build(config.optimizer | dict(params=parameters))


@pytest.mark.parametrize(
    'taker, expected',
    [
        (
            lambda folder: mkdir_or_exist(folder / 'file'),
            'FileExistsError.*, expected a folder that can be made',
        ),
        (lambda folder: set_random_seed(-1), 'ValueError: Seed must .*, expected a seed from 0 to 4294967295'),
        (lambda folder: init_dist('slurm'), 'SLURM_PROCID.*, expected the variables that this launcher sets'),
    ],
    ids=['work directory', 'seed', 'launcher'],
)
def test_values_that_the_host_takes_as_they_are(taker, expected, tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    monkeypatch.delenv('SLURM_PROCID', raising=False)
    monkeypatch.setattr('torch.multiprocessing.set_start_method', lambda *args, **kwargs: None)  # of this whole process
    with pytest.raises(InputError, match=expected), config_errors():
        taker(tmp_path)


def test_arguments_that_are_handed_on_to_a_base_class(tmp_path):
    (tmp_path / 'config.py').write_text("data = dict(type='PointTALDataset', ann_file='x', fish=1)\n")
    with pytest.raises(InputError, match=r'config\.py:1: fish: found .*unexpected keyword'):
        build(Config.fromfile(tmp_path / 'config.py'), 'data', DATASETS)


def test_missing_fields_and_other_errors(tmp_path):
    (tmp_path / 'config.py').write_text('a = dict(b=1)\n')
    config = read(tmp_path / 'config.py')
    with pytest.raises(InputError, match=r"config\.py: found .AttributeError: .*no attribute 'model'"), config_errors():
        config.model.get('head')
    with pytest.raises(InputError, match=r'config\.py: found .*KeyError: .model.'):
        build(config)
    for error in (KeyError('x'), TypeError("f() got an unexpected keyword argument 'x'"), InputError('more')):
        with pytest.raises(type(error)) as caught, config_errors():
            raise error
        assert caught.value is error


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a tool on a config with a mistake in its second line; returns what it says at its end."""
    monkeypatch.chdir(tmp_path)
    Path('config.py').write_text('a = 1\nb = (\n')
    Path('x.mp4').touch()

    def run(name, arguments):
        path = ROOT / f'tools/{name}.py'
        monkeypatch.syspath_prepend(path.parent)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        tool = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(tool)
        with pytest.raises(SystemExit) as end:
            tool.main(arguments.split())
        return end.value.code

    return run


SAID = r"""^error: (/.*/)?config\.py:2: found "'\(' was never closed", expected Python$"""


@pytest.mark.parametrize(
    'tool, arguments',
    [
        ('demo', 'config.py x.pth x.npy'),
        ('analysis_tools/compare', '--configs config.py'),
        ('analysis_tools/rank_checkpoints', 'config.py x.pth'),
        ('analysis_tools/plot_timeline', 'config.py x.pth'),
        ('data/extract_features', 'config.py x.pth out x.mp4'),
    ],
)
def test_tools_end_with_one_line(tool, arguments, run):
    assert re.search(SAID, run(tool, arguments))


def test_the_check_of_a_data_set_ends_with_one_line(run, capsys):
    assert run('data/check_dataset', 'config.py') == 1
    assert re.search(SAID, capsys.readouterr().out.strip())


def test_what_the_script_of_the_host_asserts_is_one_line(tmp_path):
    environment = os.environ | dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    command = [sys.executable, ROOT / 'tools/test.py', GOOD, 'x.pth', '--dump', 'x.txt']
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == 'error: The dump file must be a pkl file.'
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize(
    'command',
    ['train.py config.py', 'test.py config.py x.pth', 'data/export_pseudo_segments.py config.py x.pth x.json'],
)
def test_programs_end_with_one_line(command, tmp_path):
    (tmp_path / 'config.py').write_text('a = 1\nb = (\n')
    script, *arguments = command.split()
    environment = os.environ | dict(PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1')
    done = subprocess.run(
        [sys.executable, ROOT / 'tools' / script, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert re.search(SAID, done.stderr.strip().splitlines()[-1])
    assert 'Traceback' not in done.stderr
