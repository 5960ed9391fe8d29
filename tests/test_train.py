"""The host's own train.py and test.py, unmodified, and ours, on the embedded dataset."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import mmaction
import pytest
import torch

ROOT = Path(__file__).parents[1]
HOST_TOOLS = Path(mmaction.__file__).parent / '.mim/tools'
CONFIG = ROOT / 'configs/base/base_synthetic.py'
SHORT = ('train_cfg.max_epochs=2', 'train_cfg.val_interval=2')
pytestmark = [pytest.mark.processes, pytest.mark.slow]
MAP = re.compile(r'mAP@0\.1-0\.7: ([\d.]+)')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('train')


def run(script, *arguments, folder, launcher=(), fails=False):
    """Run a script in a folder that is not the repository; return what it printed. It works, or ``fails``."""
    environment = os.environ | dict(
        PYTHONPATH=str(ROOT), FSPTAL_DATA_ROOT=str(folder / 'data'), OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES=''
    )
    command = [sys.executable, *launcher, str(script), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert (done.returncode != 0) == fails, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope='module')
def trained(folder):
    """Two epochs with the host's train.py."""
    log = run(HOST_TOOLS / 'train.py', CONFIG, '--work-dir', folder / 'work', '--cfg-options', *SHORT, folder=folder)
    return folder / 'work', log


def test_training_learns_and_reports(trained):
    work_dir, log = trained
    losses = [float(value) for value in re.findall(r'  loss: ([\d.]+)', log)]
    assert losses[-1] < losses[0]
    assert MAP.search(log)
    assert (work_dir / 'epoch_2.pth').is_file()


def test_weights_of_another_model_are_not_judged(trained, folder):
    """Nor those of a smaller trunk: the host would load what fits and judge random weights."""
    checkpoint = trained[0] / 'epoch_2.pth'
    command = [HOST_TOOLS / 'test.py', CONFIG, checkpoint, '--work-dir', folder / 'other', '--cfg-options']
    output = run(*command, 'model.embedding.kernel_size=5', folder=folder, fails=True)
    assert re.search('InputError: checkpoint: .*embedding.conv.weight', output)
    assert not MAP.search(output)
    command = [*command[:3], '--work-dir', folder / 'resumed', '--cfg-options', 'resume=True']
    assert MAP.search(run(*command, folder=folder))  # a resume checks what it loads, too


def test_resuming_continues(trained, folder):
    log = run(
        HOST_TOOLS / 'train.py',
        CONFIG,
        '--work-dir',
        trained[0],
        '--resume',
        '--cfg-options',
        'train_cfg.max_epochs=3',
        'train_cfg.val_interval=3',
        folder=folder,
    )
    assert 'resumed epoch: 2' in log
    assert 'Epoch(train) [3]' in log
    assert 'Epoch(train) [1]' not in log
    assert torch.load(trained[0] / 'epoch_3.pth', weights_only=False)['meta']['epoch'] == 3


def test_testing_writes_results_and_equals_the_validation(trained, folder):
    work_dir, train_log = trained
    arguments = (CONFIG, work_dir / 'epoch_2.pth', '--work-dir', work_dir)
    log = run(HOST_TOOLS / 'test.py', *arguments, folder=folder)
    assert MAP.findall(log)[-1] == MAP.findall(train_log)[-1]
    results = json.loads((work_dir / 'results.json').read_text())
    assert len(results['results']) == 30
    for detections in results['results'].values():
        for detection in detections:
            assert 0 <= detection['segment'][0] < detection['segment'][1]

    port = free_port()
    launcher = ('-m', 'torch.distributed.run', '--nproc_per_node=2', f'--master_port={port}')
    log_of_two = run(HOST_TOOLS / 'test.py', *arguments, '--launcher', 'pytorch', folder=folder, launcher=launcher)
    assert MAP.findall(log_of_two)[-1] == MAP.findall(log)[-1]


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def test_two_processes_train(folder, trained):
    launcher = ('-m', 'torch.distributed.run', '--nproc_per_node=2', f'--master_port={free_port()}')
    work_dir = folder / 'two'
    log = run(
        ROOT / 'tools/train.py',
        CONFIG,
        '--work-dir',
        work_dir,
        '--launcher',
        'pytorch',
        '--cfg-options',
        *SHORT,
        folder=folder,
        launcher=launcher,
    )
    assert 'GPU number: 2' in log or 'Distributed training: True' in log
    assert MAP.search(log)
    assert (work_dir / 'epoch_2.pth').is_file()


def test_bfloat16_training_on_the_cpu(folder, trained):
    log = run(
        HOST_TOOLS / 'train.py',
        CONFIG,
        '--work-dir',
        folder / 'amp',
        '--amp',
        '--cfg-options',
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
        folder=folder,
    )
    assert MAP.search(log)


def test_data_root_option_moves_all_data(folder, trained):
    log = run(
        ROOT / 'tools/train.py',
        CONFIG,
        '--work-dir',
        folder / 'moved',
        '--cfg-options',
        f'data_root={folder / "elsewhere"}',
        'train_cfg.max_epochs=1',
        'train_cfg.val_interval=1',
        folder=folder,
    )
    assert MAP.search(log)
    assert (folder / 'elsewhere/features/train').is_dir()
