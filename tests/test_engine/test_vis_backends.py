"""Curves for TensorBoard and Weights & Biases, by the config pieces."""

from pathlib import Path

import pytest
from mmaction.utils import register_all_modules
from mmengine.config import Config
from mmengine.registry import VISBACKENDS
from tiny_run import make_runner, write_data

BASE = Path(__file__).parents[2] / 'configs/_base_'


def visualizer(name):
    return Config.fromfile(BASE / f'runtime_{name}.py').visualizer


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


def test_event_files_hold_losses_and_map(tmp_path):
    pytest.importorskip('tensorboard', reason='tensorboard, of the extra of that name, is not installed')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    write_data(tmp_path)
    plain = make_runner(tmp_path, name='plain')
    loader = dict(plain._train_dataloader, sampler=dict(type='DefaultSampler', shuffle=False), batch_size=1)
    loader['dataset'] = dict(loader['dataset'], test_mode=True)
    runner = make_runner(
        tmp_path,
        epochs=2,
        visualizer=visualizer('tensorboard'),
        val_dataloader=loader,
        val_evaluator=dict(type='TALMetric'),
        val_cfg=dict(type='ValLoop'),
        default_hooks=dict(checkpoint=None, logger=dict(type='LoggerHook', interval=1)),
    )
    runner.train()
    runner.visualizer.close()
    (events,) = (tmp_path / 'run').rglob('events.out.tfevents.*')
    written = EventAccumulator(str(events))
    written.Reload()
    tags = written.Tags()['scalars']
    assert len(written.Scalars('loss')) == 6  # three steps in each of two epochs
    recorded = runner.message_hub.get_scalar('train/loss').data[0]
    assert written.Scalars('loss')[0].value == pytest.approx(recorded[0])
    (of_map, *_) = [tag for tag in tags if 'mAP' in tag]
    assert len(written.Scalars(of_map)) == 2
