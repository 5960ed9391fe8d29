"""Time a training step and a test of every method on the embedded dataset, in multiples of LACP's times.

Every method has the trunk of its config, with 64 numbers per snippet. A training of a few steps has all stages of the
method, each from its first epoch on, so weights are nearly those at the start. Times are processor time of one thread,
which other programs on the machine hardly change: medians of the steps of a stage, and of tests of seven videos. Mining
and segment search of FS-PTAL cost more early in a training than late.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from fsptal_mm.utils.configs import read_config
from fsptal_mm.utils.wording import counted

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
# Name and config of each method, up to the name of the dataset.
METHODS = {
    'LACP': 'lacp/lacp',
    'MIL': 'mil/mil',
    'base model': 'base/base',
    'FS-PTAL tuned': 'fsptal_tuned/fsptal-tuned',
    'FS-PTAL refined': 'fsptal_refined/fsptal-refined',
    'SF-Net': 'sfnet/sfnet',
    'HR-Pro, stage 1': 'hrpro/hrpro',
    'HR-Pro, both stages': 'hrpro/hrpro-full',
    'BackTAL': 'backtal/backtal',
    'ASM-Loc, base model': 'asmloc/asmloc',
    'ASM-Loc': 'asmloc/asmloc-full',
    'DELU': 'delu/delu',
}
NUM_TEST_VIDEOS = 7


class StepTimes(Hook):
    """Hook that notes the processor time of every training step, epoch by epoch, in ``epochs``."""

    def __init__(self):
        self.epochs = []

    def before_train_epoch(self, runner):
        self.epochs.append([])

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self._started = time.process_time()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.epochs[-1].append(time.process_time() - self._started)


def shorten(config, epochs):
    """Let every stage of a training last the given number of epochs."""
    num_stages = 1
    for hook in config.get('custom_hooks', []):
        if hook.type in ('RefreshHook', 'StageHook'):
            hook.epochs = [epochs * (stage + 1) for stage in range(len(hook.epochs))]
            num_stages = len(hook.epochs) + 1
        elif hook.type == 'RefinementHook':
            hook.begin, num_stages = epochs, 2
        elif hook.type == 'PseudoLabelMiningHook':
            hook.end = epochs
    config.train_cfg.update(max_epochs=num_stages * epochs, val_interval=num_stages * epochs + 1)
    config.param_scheduler = None


def measure(config_file, work_dir, epochs):
    """Train for a few steps, then test.

    Returns:
        tuple: Millions of trained weights; seconds of a step of each stage; and seconds of a test of seven videos.
    """
    config = read_config(config_file)
    shorten(config, epochs)
    config.work_dir, config.log_level = str(work_dir), 'ERROR'
    runner, times = Runner.from_cfg(config), StepTimes()
    runner.register_hook(times, 'VERY_LOW')
    runner.train()
    stages = [np.concatenate(times.epochs[first : first + epochs]) for first in range(0, len(times.epochs), epochs)]
    batches = list(Runner.build_dataloader(config.test_dataloader))[:NUM_TEST_VIDEOS]
    model, tests = runner.model.eval(), []
    with torch.no_grad():
        for _ in range(4):
            started = time.process_time()
            for batch in batches:
                model.test_step(batch)
            tests.append(time.process_time() - started)
    weights = sum(part.numel() for part in model.parameters() if part.requires_grad) / 1e6
    return weights, [np.median(stage[1:]) for stage in stages], np.median(tests[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--epochs', type=int, default=2, metavar='N', help='epochs of each stage (default: 2)')
    parser.add_argument('--methods', nargs='+', choices=METHODS, default=list(METHODS), help='default: all')
    args = parser.parse_args()
    torch.set_num_threads(1)
    methods = ['LACP', *(name for name in args.methods if name != 'LACP')]
    print('| method | parameters | step of each stage | test |\n|---|---:|---:|---:|')
    with tempfile.TemporaryDirectory() as folder:
        os.environ['FSPTAL_DATA_ROOT'] = folder  # the embedded dataset is generated there
        for name in methods:
            weights, steps, test = measure(CONFIGS / f'{METHODS[name]}_synthetic.py', Path(folder, 'runs'), args.epochs)
            if name == 'LACP':
                reference = steps[0], test
            cells = [f'{step / reference[0]:.1f}' for step in steps]
            print(f'| {name} | {weights:.2f} M | {", ".join(cells)} | {test / reference[1]:.1f} |', flush=True)
    print(
        f'LACP: a step of 16 videos {reference[0]:.2f} s, a test of {counted(NUM_TEST_VIDEOS, "video")} '
        f'{reference[1]:.2f} s'
    )


if __name__ == '__main__':
    main()
