"""Configs of the package on a small generated dataset, and untrained models for them."""

from pathlib import Path

import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from fsptal_mm.utils.configs import merge_options

ROOT = Path(__file__).parents[2]


def small_config(folder, name, **options):
    """A config such as ``'base/base_synthetic'`` on 12 + 10 generated videos in ``folder / 'set'``, without workers."""
    config = Config.fromfile(ROOT / f'configs/{name}.py')
    merge_options(config, {'data_root': str(folder / 'set'), 'work_dir': str(folder / 'work'), **options})
    for part in ('train', 'val', 'test'):
        config[f'{part}_dataloader'].update(num_workers=0, persistent_workers=False)
        config[f'{part}_dataloader'].dataset.generator = dict(train_videos=12, test_videos=10)
    return config


def save_untrained(config, path, seed=0):
    """Save the weights that a model begins with; returns the path as a text."""
    init_default_scope('mmaction')
    torch.manual_seed(seed)
    torch.save(dict(state_dict=MODELS.build(config.model).state_dict()), path)
    return str(path)
