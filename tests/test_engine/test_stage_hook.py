from copy import deepcopy

import pytest
import torch
from tiny_run import LENGTHS, make_loader, make_runner, same_weights, write_data

from fsptal_mm.engine import StageHook
from fsptal_mm.utils.errors import InputError

HEAD = dict(type='ASMLocHead', num_classes=2, in_channels=8, dropout=0.5)
MODEL = dict(
    type='StagedPointTAL',
    embedding=dict(type='SnippetEmbedding', in_channels=6, out_channels=8),
    head=HEAD,
    refined_head=HEAD | dict(type='ASMLocRefinedHead', attention=dict(num_heads=2)),
    num_refinements=2,
)
ADAM = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.01, weight_decay=0.01))


def staged(folder, epochs=4, name='run', at=(1, 2), **kwargs):
    if not (folder / 'ann.json').is_file():
        write_data(folder)
    loader = make_loader(folder, 2, shuffle=True)
    hooks = [dict(type='StageHook', epochs=list(at)), dict(type='EpochSeedHook')]
    options = dict(model=deepcopy(MODEL), optim_wrapper=ADAM, train_dataloader=loader) | kwargs
    return make_runner(folder, hooks, epochs=epochs, name=name, **options)


def weights(path):
    return torch.load(path, weights_only=False)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp('staged')
    runner = staged(folder)
    seen = []
    start_stage = runner.model.start_stage
    runner.model.start_stage = lambda stage, views: (
        seen.append((runner.epoch, stage, set(views))),
        start_stage(stage, views),
    )
    runner.train()
    return folder, runner, seen


def test_stages_begin_at_their_epochs_with_all_videos(trained):
    _, runner, seen = trained
    videos = {f'v{number}' for number in range(len(LENGTHS))}
    assert seen == [(1, 1, videos), (2, 2, videos)]
    assert runner.model.num_started == 2
    assert runner.model.views is None


def test_each_stage_alone_moves_in_its_epochs(trained):
    folder, _, _ = trained
    states = [weights(folder / f'run/epoch_{epoch}.pth')['state_dict'] for epoch in range(1, 5)]
    prefixes = {0: ('embedding.', 'head.'), 1: ('embeddings.0.', 'heads.0.'), 2: ('embeddings.1.', 'heads.1.')}
    for before, after, stage in zip(states, states[1:], (1, 2, 2)):
        moved = {name for name in after if not torch.equal(before[name], after[name])} - {'num_started'}
        assert moved
        assert all(name.startswith(prefixes[stage]) for name in moved)
    assert [int(state['num_started']) for state in states] == [0, 1, 2, 2]


def test_a_resumed_run_ends_the_same(trained):
    folder, _, _ = trained
    for epoch in (1, 2, 3):  # resumed as a stage begins, and within the last stage
        resumed = staged(folder, name=f'resumed{epoch}')
        resumed._load_from, resumed._resume = str(folder / f'run/epoch_{epoch}.pth'), True
        resumed.train()
        found, expected = (weights(folder / f'{name}/epoch_4.pth') for name in (f'resumed{epoch}', 'run'))
        assert same_weights(found, expected), epoch


@pytest.mark.parametrize('at', [(), 3, (0, 2), (2, 1), (2, 2)])
def test_bad_epochs_are_refused(at):
    with pytest.raises(InputError, match='epochs'):
        StageHook(at)


def test_a_model_of_other_stages_is_refused(tmp_path):
    with pytest.raises(InputError, match=r'StageHook\.epochs'):
        staged(tmp_path, at=(1, 2, 3)).train()
    model = dict(type='PointTAL', embedding=MODEL['embedding'], head=HEAD)
    with pytest.raises(InputError, match=r'model\.type'):
        staged(tmp_path, name='other', model=model).train()
