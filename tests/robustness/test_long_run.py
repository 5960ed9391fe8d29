"""A long training needs no more memory and no more open files than a short one."""

import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch._dynamo  # as optimizers do when they are built; here, so that not every forked process does it again
from mmaction.registry import HOOKS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from fsptal_mm.datasets.synthetic import ensure_synthetic

CONFIG = Path(__file__).parents[2] / 'configs/fsptal/fsptal_synthetic.py'

pytestmark = [
    pytest.mark.skipif(torch.cuda.is_available(), reason='forked processes, hence on the CPU only'),
    pytest.mark.skipif(not Path('/proc/self/smaps_rollup').exists(), reason='memory is read from Linux'),
]


@HOOKS.register_module()
class ResourceHook(Hook):
    """Notes after every epoch what the process and its workers use: MB of memory, open files, processes."""

    priority = 'LOWEST'

    def __init__(self, path):
        self.path, self.rows = path, []

    def after_train_epoch(self, runner):
        processes = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
        memory = [self.own_kilobytes(process) for process in processes]
        files = [len(os.listdir(f'/proc/{process}/fd')) for process in processes]
        self.rows.append((sum(memory) / 1024, sum(files), len(processes)))

    @staticmethod
    def own_kilobytes(process):
        """Memory in use, pages that several processes share counted once; no files, which other programs map, too."""
        lines = Path(f'/proc/{process}/smaps_rollup').read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith('Pss_Anon:'))

    def after_train(self, runner):
        Path(self.path).write_text(json.dumps(self.rows))


def train(root, work_dir, epochs, hooks):
    torch.set_num_threads(1)
    config = Config.fromfile(CONFIG)
    options = {'data_root': str(root), 'train_cfg.max_epochs': epochs, 'train_cfg.val_interval': 5}
    options |= {f'{part}_dataloader.dataset.type': 'PointTALDataset' for part in ('train', 'val', 'test')}
    options |= {'default_hooks.checkpoint.interval': 5, 'work_dir': str(work_dir), 'randomness.seed': 0}
    config.merge_from_dict(options)
    config.custom_hooks = hooks
    config.log_level = 'WARNING'
    Runner.from_cfg(config).train()


def test_memory_and_open_files_do_not_grow(tmp_path, full_count):
    # Until what oneDNN keeps for the shapes of tensors is full, the heap grows (compat.keep_few_compiled_convolutions).
    epochs, settled, growth_mb = (200, 40, 32) if full_count else (30, 12, 32)
    root = ensure_synthetic(tmp_path / 'set', **({} if full_count else dict(train_videos=10, test_videos=10)))
    hooks = [
        dict(type='ResourceHook', path=str(tmp_path / 'use.json')),
        dict(type='PseudoLabelMiningHook', interval=5, dump=True),  # starts workers for every pass
    ]
    process = multiprocessing.get_context('fork').Process(target=train, args=(root, tmp_path / 'work', epochs, hooks))
    process.start()
    process.join()
    assert process.exitcode == 0
    memory, files, processes = np.array(json.loads((tmp_path / 'use.json').read_text())).T
    at = np.arange(settled, epochs)
    slope = np.polyfit(at, memory[at], 1)[0]
    print(
        f'epochs {settled}-{epochs}: {memory[at].min():.0f} to {memory[at].max():.0f} MB, {1024 * slope:+.1f} KB per '
        f'epoch; {files[at].min():.0f} to {files[at].max():.0f} open files in {processes[-1]:.0f} processes'
    )
    assert processes[settled] == processes[-1] == 5  # two workers of training and two of validation stay
    assert files[at].max() == files[at].min()
    assert slope * (epochs - settled) < growth_mb
