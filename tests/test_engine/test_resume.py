"""A run that is resumed ends with the weights of one that never stopped, bit for bit."""

import os
import random
import signal

import numpy as np
import pytest
import torch
from forks import run_forked
from mmaction.registry import HOOKS, TRANSFORMS
from mmcv.transforms import BaseTransform
from mmengine.hooks import Hook
from tiny_run import make_runner, same_weights, write_data

EPOCHS, KILLED_IN_EPOCH = 3, 2


@TRANSFORMS.register_module()
class Jitter(BaseTransform):
    """Transform that adds random numbers of each of the three generators to the features."""

    def transform(self, results):
        noise = torch.rand(1).item() + np.random.rand() + random.random()  # noqa: NPY002
        results['features'] = results['features'] + np.float32(noise)
        return results


@HOOKS.register_module()
class KillHook(Hook):
    """Hook that kills the process in the middle of an epoch, after the checkpoint of the epoch before."""

    priority = 'LOWEST'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if (runner.epoch, batch_idx) == (KILLED_IN_EPOCH, 1):
            os.kill(os.getpid(), signal.SIGKILL)


def train(folder, name, settings, kill=False):
    """Train a run that saves every epoch; with ``kill``, it kills its process."""
    defaults = dict(
        epochs=EPOCHS,
        optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.01)),
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1), seed=dict(type='EpochSeedHook')),
        param_scheduler=[dict(type='LinearLR', start_factor=0.5, by_epoch=False, end=8)],
    )
    settings = defaults | settings
    hooks = [*settings.pop('hooks', ()), *[dict(type='KillHook')] * kill]
    make_runner(folder, hooks, name=name, **settings).train()


def saved(folder, name, epoch=EPOCHS):
    return torch.load(folder / name / f'epoch_{epoch}.pth')


def resumed_equals_whole(folder, settings):
    """Whether a run that is resumed from the middle of a whole run ends with the same weights."""
    train(folder, 'whole', settings)
    checkpoint = str(folder / f'whole/epoch_{KILLED_IN_EPOCH}.pth')
    train(folder, 'resumed', settings | dict(load_from=checkpoint, resume=True))
    return same_weights(saved(folder, 'whole'), saved(folder, 'resumed'))


def mining(**kwargs):
    return [dict(type='PseudoLabelMiningHook', **kwargs)]


@pytest.mark.parametrize(
    'settings',
    [
        dict(),
        dict(steps=['Jitter']),
        pytest.param(dict(workers=2), marks=pytest.mark.slow),
        dict(workers=2, steps=['Jitter']),
        pytest.param(dict(workers=2, steps=['Jitter'], wrapper='RepeatDataset'), marks=pytest.mark.slow),
        pytest.param(dict(workers=2, steps=['Jitter'], wrapper='ConcatDataset'), marks=pytest.mark.slow),
        dict(head=dict(type='LACPHead')),  # LACP samples snippets at random
        dict(
            head=dict(type='DELUHead', streams=(4, 4)),  # losses of DELU depend on the progress of the training
            loader=dict(batch_sampler=dict(type='SharedClassBatchSampler', num_pairs=1)),
        ),
        dict(hooks=mining(interval=3, begin=1)),
        pytest.param(dict(hooks=mining(live=False, interval=1), workers=2, steps=['Jitter']), marks=pytest.mark.slow),
        dict(hooks=mining(live=False, interval=KILLED_IN_EPOCH)),
        dict(hooks=[dict(type='EMAHook', momentum=0.1)]),
    ],
    ids=str,
)
def test_resume_is_exact(tmp_path, settings):
    assert resumed_equals_whole(tmp_path, settings)


@pytest.mark.parametrize(
    'settings',
    [
        dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1))),  # without EpochSeedHook
        dict(hooks=mining(live=False, interval=3)),  # the interrupted run trained on labels of older weights
    ],
    ids=str,
)
def test_where_resume_is_not_exact(tmp_path, settings, capfd):
    assert not resumed_equals_whole(tmp_path, settings)
    warned = 'where no mining pass is due' in ''.join(capfd.readouterr())
    assert warned == ('hooks' in settings)


@pytest.mark.kills
def test_a_killed_run_without_a_seed_goes_on_with_the_one_it_drew(tmp_path):
    settings = dict(randomness=dict(seed=None), workers=2, steps=['Jitter'])
    write_data(tmp_path)
    assert run_forked(train, tmp_path, 'killed', settings, True) == -signal.SIGKILL
    assert (tmp_path / 'killed/last_checkpoint').read_text() == str(tmp_path / f'killed/epoch_{KILLED_IN_EPOCH}.pth')
    assert not (tmp_path / f'killed/epoch_{KILLED_IN_EPOCH + 1}.pth').exists()
    seed = saved(tmp_path, 'killed', KILLED_IN_EPOCH)['meta']['seed']
    assert run_forked(train, tmp_path, 'killed', settings | dict(resume=True)) == 0
    train(tmp_path, 'whole', settings | dict(randomness=dict(seed=seed)))
    assert same_weights(saved(tmp_path, 'whole'), saved(tmp_path, 'killed'))


def test_items_are_prepared_alike_by_any_number_of_workers(tmp_path):
    for workers in (0, 2):
        train(tmp_path, f'workers{workers}', dict(workers=workers, steps=['Jitter'], epochs=2))
    assert same_weights(*(saved(tmp_path, f'workers{workers}', 2) for workers in (0, 2)))


SEEDED = dict(default_hooks=dict(checkpoint=None, seed=dict(type='EpochSeedHook')))


def states():
    return torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002


def test_items_differ_from_epoch_to_epoch_from_one_another_and_with_the_seed(tmp_path):
    drawn = []
    for seed in (0, 1):
        runner = make_runner(tmp_path, steps=['Jitter'], name=str(seed), randomness=dict(seed=seed), **SEEDED)
        plain = make_runner(tmp_path, name=f'plain{seed}').train_dataloader.dataset
        runner.call_hook('before_train')
        dataset = runner.train_dataloader.dataset
        for epoch in (0, 1, 0):
            runner.train_loop._epoch = epoch
            runner.call_hook('before_train_epoch')
            before = states()
            items = [dataset[index] for index in range(len(dataset))]
            noise = [(items[i]['inputs'] - plain[i]['inputs']).mean().item() for i in range(len(dataset))]
            after = states()
            assert before == after  # the global generators are as before
            drawn.append(noise)
    assert drawn[0] == drawn[2]
    assert drawn[3] == drawn[5]
    different = sorted(value for noise in (drawn[0], drawn[1], drawn[3], drawn[4]) for value in noise)
    assert min(np.diff(different)) > 1e-5


@pytest.mark.parametrize('wrapper', ['RepeatDataset', 'ConcatDataset'])
def test_copies_of_an_item_differ(tmp_path, wrapper):
    runner = make_runner(tmp_path, steps=['Jitter'], wrapper=wrapper, **SEEDED)
    runner.call_hook('before_train')
    items = [runner.train_dataloader.dataset[index] for index in range(10)]
    for first, second in zip(items[:5], items[5:]):
        assert first['data_samples'].video_id == second['data_samples'].video_id
        assert (first['inputs'] - second['inputs']).abs().min() > 1e-5


def test_ranks_draw_different_numbers(tmp_path, monkeypatch):
    drawn = {}
    for rank in (0, 1):
        monkeypatch.setattr('fsptal_mm.engine.hooks.epoch_seed_hook.get_rank', lambda rank=rank: rank)
        runner = make_runner(tmp_path, name=f'rank{rank}', **SEEDED)
        runner.call_hook('before_train')
        runner.call_hook('before_train_epoch')
        drawn[rank] = *map(str, states()), runner.train_dataloader.sampler.seed
    assert not set(drawn[0][:3]) & set(drawn[1][:3])
    assert drawn[0][3] == drawn[1][3] == 0  # the seed of the order of the videos is shared


def test_the_dataset_stays_as_it_is(tmp_path):
    runner = make_runner(tmp_path, **SEEDED)
    loader = runner.train_dataloader
    dataset, before = loader.dataset, dict(vars(loader.dataset))
    runner.call_hook('before_train')
    assert vars(dataset) == before
    seeded = runner.train_dataloader
    assert seeded.dataset.dataset is dataset
    assert seeded.dataset.metainfo == dataset.metainfo
    same = ('batch_size', 'sampler', 'num_workers', 'collate_fn', 'pin_memory', 'worker_init_fn', 'persistent_workers')
    assert all(getattr(seeded, name) == getattr(loader, name) for name in (*same, 'drop_last', 'prefetch_factor'))
    assert len(seeded) == len(loader)
