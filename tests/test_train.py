"""The host's own train.py and test.py, unmodified, and ours, on the embedded dataset."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import mmaction
import pytest
import torch
from refusals import refused
from tool_modules import run_script

ROOT = Path(__file__).parents[1]
HOST_TOOLS = Path(mmaction.__file__).parent / '.mim/tools'
CONFIG = ROOT / 'configs/base/base_synthetic.py'
SHORT = ('--cfg-options', 'train_cfg.max_epochs=2', 'train_cfg.val_interval=2')
pytestmark = [pytest.mark.processes, pytest.mark.slow]
MAP = re.compile(r'mAP@0\.1-0\.7: ([\d.]+)')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('train')


def run(script, *arguments, folder, processes=1):
    """Run a script in processes of its own, in a folder that is not the repository; return what it printed."""
    own = dict(
        PYTHONPATH=str(ROOT), FSPTAL_DATA_ROOT=str(folder / 'data'), OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES=''
    )
    launcher = []
    if processes > 1:
        launcher = ['-m', 'torch.distributed.run', '--standalone', '--local-addr=127.0.0.1']
        launcher += [f'--nproc_per_node={processes}']
        arguments = [*arguments, '--launcher', 'pytorch']
    command = [sys.executable, *launcher, str(script), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=os.environ | own, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture
def here(folder, monkeypatch):
    """Run a script of the host in this process, which has all imports, on the same data; give what it logged."""
    monkeypatch.setenv('FSPTAL_DATA_ROOT', str(folder / 'data'))
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')

    def here(name, *arguments, work_dir, options=()):
        # Runs of one name that begin in the same second would share the log of the first one.
        options = [*options, f'experiment_name={work_dir.name}']
        run_script(HOST_TOOLS / name, *arguments, '--work-dir', work_dir, '--cfg-options', *options)
        return max(work_dir.glob('*/*.log')).read_text()  # the newest log, since their names begin with the time

    return here


@pytest.fixture(scope='module')
def trained(folder):
    """Two epochs with the host's train.py."""
    log = run(HOST_TOOLS / 'train.py', CONFIG, '--work-dir', folder / 'work', *SHORT, folder=folder)
    return folder / 'work', log


def test_training_learns_and_reports(trained):
    work_dir, log = trained
    losses = [float(value) for value in re.findall(r'  loss: ([\d.]+)', log)]
    assert losses[-1] < losses[0]
    assert MAP.search(log)
    assert (work_dir / 'epoch_2.pth').is_file()


def test_weights_of_another_model_are_not_judged(trained, folder, here):
    """The checkpoint has a smaller trunk. mmengine alone would load the weights that fit, and test random ones."""
    arguments = ('test.py', CONFIG, trained[0] / 'epoch_2.pth')
    with refused('embedding.conv.weight'):
        here(*arguments, work_dir=folder / 'other', options=['model.embedding.kernel_size=5'])
    # A resume checks what it loads, too.
    assert MAP.search(here(*arguments, work_dir=folder / 'resumed', options=['resume=True']))


def test_resuming_continues(trained, here):
    options = ['train_cfg.max_epochs=3', 'train_cfg.val_interval=3']
    log = here('train.py', CONFIG, '--resume', work_dir=trained[0], options=options)
    assert 'resumed epoch: 2' in log
    assert 'Epoch(train) [3]' in log
    assert 'Epoch(train) [1]' not in log
    assert torch.load(trained[0] / 'epoch_3.pth', weights_only=False)['meta']['epoch'] == 3


def test_testing_writes_results_and_equals_the_validation(trained, folder, here):
    work_dir, train_log = trained
    arguments = (CONFIG, work_dir / 'epoch_2.pth')
    log = here('test.py', *arguments, work_dir=work_dir)
    assert MAP.findall(log)[-1] == MAP.findall(train_log)[-1]
    results = json.loads((work_dir / 'results.json').read_text())
    assert len(results['results']) == 30
    for detections in results['results'].values():
        for detection in detections:
            assert 0 <= detection['segment'][0] < detection['segment'][1]

    log_of_two = run(
        HOST_TOOLS / 'test.py', *arguments, '--work-dir', folder / 'test_of_two', folder=folder, processes=2
    )
    assert MAP.findall(log_of_two)[-1] == MAP.findall(log)[-1]


def test_two_processes_train(folder, trained):
    arguments = (CONFIG, '--work-dir', folder / 'two', *SHORT)
    log = run(ROOT / 'tools/train.py', *arguments, folder=folder, processes=2)
    assert 'GPU number: 2' in log or 'Distributed training: True' in log
    assert MAP.search(log)
    assert (folder / 'two/epoch_2.pth').is_file()


def test_bfloat16_on_the_cpu_and_data_that_an_option_moves(folder, here):
    options = [f'data_root={folder / "elsewhere"}', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
    assert MAP.search(here(ROOT / 'tools/train.py', CONFIG, '--amp', work_dir=folder / 'amp', options=options))
    assert (folder / 'elsewhere/features/train').is_dir()
