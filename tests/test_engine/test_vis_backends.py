"""Curves for TensorBoard and Weights & Biases, by base configs that add a backend."""

from pathlib import Path

import pytest
from mmaction.utils import register_all_modules
from mmengine.config import Config
from mmengine.registry import VISBACKENDS

BASE = Path(__file__).parents[2] / 'configs/_base_'


@pytest.mark.parametrize('name', ['tensorboard', 'wandb'])
def test_piece_adds_one_backend_to_the_default_runtime(name):
    plain, piece = (Config.fromfile(BASE / f'{file}.py') for file in ('default_runtime', f'runtime_{name}'))
    assert piece.default_hooks == plain.default_hooks
    assert piece.visualizer.vis_backends[:-1] == plain.visualizer.vis_backends
    register_all_modules()
    backend = VISBACKENDS.build(dict(piece.visualizer.vis_backends[-1], save_dir='unused'))
    assert type(backend).__name__.lower() == f'{name}visbackend'
    if name == 'wandb':
        assert backend._init_kwargs['mode'] == 'offline'  # nothing is sent before the user asks for it
