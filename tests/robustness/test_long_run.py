"""A long training needs no more memory and no more open files than a short one."""

import ctypes
import json
import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from mmaction.registry import HOOKS
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

from fsptal_mm.datasets.synthetic.generator import ensure_synthetic
from fsptal_mm.utils.configs import merge_options

CONFIG = Path(__file__).parents[2] / 'configs/fsptal_tuned/fsptal-tuned_synthetic.py'

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path('/proc/self/smaps_rollup').exists() or not hasattr(ctypes.CDLL(None), 'malloc_trim'),
        reason='memory is read from Linux, and given back by glibc',
    ),
]


@HOOKS.register_module()
class ResourceHook(Hook):
    """Hook that notes, after every epoch, the MB of memory, the open files and the number of the processes of a run.

    After the epochs ``trimmed``, the main process first gives its free memory back to the system.
    """

    priority = 'LOWEST'

    def __init__(self, path, trimmed):
        self.path, self.trimmed, self.rows = path, trimmed, []

    def after_train_epoch(self, runner):
        if len(self.rows) in self.trimmed:
            ctypes.CDLL(None).malloc_trim(0)
        processes = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
        memory = [self.own_kilobytes(process) for process in processes]
        files = [len(os.listdir(f'/proc/{process}/fd')) for process in processes]
        self.rows.append((sum(memory) / 1024, sum(files), len(processes)))

    @staticmethod
    def own_kilobytes(process):
        """Memory in use, without files that are memory-mapped. A page that n processes share counts as 1/n in each."""
        lines = Path(f'/proc/{process}/smaps_rollup').read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith('Pss_Anon:'))

    def after_train(self, runner):
        Path(self.path).write_text(json.dumps(self.rows))


def train(root, work_dir, epochs, hooks):
    os.environ['ONEDNN_PRIMITIVE_CACHE_CAPACITY'] = '32'  # as tools/train.py sets it
    config = Config.fromfile(CONFIG)
    options = {'data_root': str(root), 'train_cfg.max_epochs': epochs, 'train_cfg.val_interval': 5}
    options |= {f'{part}_dataloader.dataset.type': 'PointTALDataset' for part in ('train', 'val', 'test')}
    options |= {f'{part}_dataloader.num_workers': 2 for part in ('train', 'val')}
    options |= {f'{part}_dataloader.persistent_workers': True for part in ('train', 'val')}
    options |= {'default_hooks.checkpoint.interval': 5, 'work_dir': str(work_dir), 'randomness.seed': 0}
    merge_options(config, options)
    config.custom_hooks = hooks
    config.log_level = 'WARNING'
    Runner.from_cfg(config).train()


def test_memory_and_open_files_do_not_grow(tmp_path, full_count):
    # The heap grows since free memory is left between blocks that are kept: fast until oneDNN's cache is full, and
    # slowly after that. The memory that a training keeps is measured after free memory was given back.
    epochs, settled = (200, 40) if full_count else (30, 12)
    root = ensure_synthetic(tmp_path / 'set', **({} if full_count else dict(train_videos=10, test_videos=10)))
    hooks = [
        dict(type='ResourceHook', path=str(tmp_path / 'use.json'), trimmed=(settled, epochs - 1)),
        dict(type='PseudoLabelMiningHook', interval=5, dump=True),  # starts workers for every pass
    ]
    # In a new process, since oneDNN reads the size of its cache only once, at the first convolution.
    process = multiprocessing.get_context('spawn').Process(target=train, args=(root, tmp_path / 'work', epochs, hooks))
    process.start()
    process.join()
    assert process.exitcode == 0
    memory, files, processes = np.array(json.loads((tmp_path / 'use.json').read_text())).T
    kept, heap = memory[[settled, -1]], memory[settled + 3 : -1]
    print(
        f'epochs {settled}-{epochs}: kept {kept[0]:.0f} and {kept[1]:.0f} MB, heap {heap[:5].mean():.0f} and '
        f'{heap[-5:].mean():.0f} MB; {files[-1]:.0f} open files in {processes[-1]:.0f} processes'
    )
    assert processes[settled] == processes[-1] == 5  # two workers of training and two of validation stay
    assert files[settled:].max() == files[settled:].min()
    assert kept[1] - kept[0] < 32  # MB; the workers do not give back free memory
    assert heap[-5:].mean() < 1.4 * heap[:5].mean()
