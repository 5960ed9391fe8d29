import dataclasses

import pytest
import torch
from mmengine.config import Config
from tiny_run import LENGTHS, hook_of, make_runner, same_weights

from fsptal_mm.datasets import SampleSnippets
from fsptal_mm.engine import RefreshHook
from fsptal_mm.structures import SegmentLabels, VideoLabels
from fsptal_mm.utils.errors import InputError

HEAD = dict(
    type='SFNetHead',
    num_classes=2,
    in_channels=8,
    dropout=0.5,
    growth=dict(type='SFNetGrowth', ratio=0.0),
)
MODEL = dict(type='PointTAL', embedding=dict(type='SnippetEmbedding', in_channels=6, out_channels=8), head=HEAD)
ADAM = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=0.01))


def refreshing(folder, epochs=3, name='run', at=(2,), **kwargs):
    hooks = [dict(type='RefreshHook', epochs=list(at), **kwargs), dict(type='EpochSeedHook')]
    config = Config(dict(model=MODEL))
    return make_runner(folder, hooks, model=MODEL, optim_wrapper=ADAM, epochs=epochs, name=name, cfg=config)


def weights(path):
    return torch.load(path, weights_only=False)


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp('refreshed')
    runner = refreshing(folder)
    runner.train()
    return folder, runner


def test_labels_grow_once_and_are_in_the_checkpoints(trained):
    folder, runner = trained
    store = hook_of(runner, RefreshHook).store
    assert set(store) == {f'v{number}' for number in range(len(LENGTHS))}
    labelled = {video: int((labels.snippet_instances >= 0).any(1).sum()) for video, labels in store.items()}
    given = {video: int(labels.given.sum()) for video, labels in store.items()}
    assert all(labelled[video] >= given[video] for video in store)
    assert sum(labelled.values()) > sum(given.values())
    first, last = (weights(folder / f'run/epoch_{epoch}.pth') for epoch in (2, 3))
    assert 'refreshed_labels' not in first
    saved = {video: VideoLabels.from_state(state) for video, state in last['refreshed_labels'].items()}
    assert all(torch.equal(saved[video].snippet_instances, store[video].snippet_instances) for video in store)


def test_weights_and_optimizer_begin_anew(trained):
    folder, _ = trained
    before, after = (weights(folder / f'run/epoch_{epoch}.pth') for epoch in (2, 3))
    # Adam begins anew: it has counted the three steps of one epoch, not of three. In three steps it moves a weight by
    # at most 0.03, so a larger change means that the weights were drawn anew, too.
    assert {float(state['step']) for state in before['optimizer']['state'].values()} == {6}
    assert {float(state['step']) for state in after['optimizer']['state'].values()} == {3}
    name = 'head.streams.0.classes.0.weight'
    assert (before['state_dict'][name] - after['state_dict'][name]).abs().max() > 0.1


def test_a_run_that_goes_on_after_the_growth_ends_the_same(trained):
    folder, _ = trained
    straight = refreshing(folder, epochs=5, name='straight')
    straight.train()
    for epoch in (2, 3, 4):
        resumed = refreshing(folder, epochs=5, name=f'resumed{epoch}')
        resumed._load_from, resumed._resume = str(folder / f'straight/epoch_{epoch}.pth'), True
        resumed.train()
        found, expected = (weights(folder / f'{name}/epoch_5.pth') for name in (f'resumed{epoch}', 'straight'))
        assert same_weights(found, expected), epoch


def test_weights_may_stay(trained, tmp_path):
    runner = refreshing(tmp_path, restart=False)
    runner.train()
    state = weights(tmp_path / 'run/epoch_3.pth')['optimizer']['state']
    assert {float(part['step']) for part in state.values()} == {9}


def test_a_resume_without_the_labels_is_refused(trained, tmp_path):
    folder, _ = trained
    checkpoint = weights(folder / 'run/epoch_3.pth')
    del checkpoint['refreshed_labels']
    torch.save(checkpoint, tmp_path / 'without.pth')
    runner = refreshing(tmp_path, epochs=4)
    runner._load_from, runner._resume = str(tmp_path / 'without.pth'), True
    with pytest.raises(InputError, match='refreshed_labels'):
        runner.train()


@pytest.mark.parametrize('epochs', [[], [0], 3, [1.5]])
def test_bad_epochs_are_refused(epochs):
    with pytest.raises(InputError, match=r'RefreshHook\.epochs'):
        RefreshHook(epochs)


def test_a_head_without_labels_of_its_own_is_refused(tmp_path):
    runner = make_runner(tmp_path, [dict(type='RefreshHook', epochs=[1])], dict(type='MILHead'))
    with pytest.raises(InputError, match=r'model\.head'):
        runner.train()


def test_mining_at_every_step_is_refused_for_sfnet(tmp_path):
    runner = make_runner(tmp_path, [dict(type='PseudoLabelMiningHook')], dict(type='SFNetHead'))
    with pytest.raises(InputError, match='RefreshHook'):
        runner.train()


def test_grown_labels_of_windows(tmp_path):
    runner = refreshing(tmp_path, epochs=4, at=(1,))
    runner.train_dataloader.dataset.pipeline.transforms[2] = SampleSnippets([7, 10], mode='crop')
    lengths, head = [], runner.model.head
    loss_by_feat = head.loss_by_feat
    head.loss_by_feat = lambda logits, targets: lengths.append(targets.mask.sum(1)) or loss_by_feat(logits, targets)
    runner.train()
    assert set(torch.cat(lengths).tolist()) == {7, 9, 10}  # windows; the shortest video has nine snippets
    store = hook_of(runner, RefreshHook).store
    assert sorted(len(labels.given) for labels in store.values()) == sorted(LENGTHS)  # labels grow in whole videos


def test_labels_of_a_window_of_a_video():
    instances = torch.tensor([[1, -1], [-1, -1], [-1, 0], [-1, 0]], dtype=torch.int32)
    background = torch.tensor([False, True, False, False])
    given = torch.tensor([True, True, True, False])
    labels = VideoLabels(
        (instances + 1).to_sparse(), background, torch.ones(2), given, torch.arange(5).double().numpy(), None
    )
    found = labels.of_range(1, 3)
    assert found.snippet_instances.tolist() == [[-1, -1], [-1, 0]]
    assert found.background_labels.tolist() == [True, False]
    assert found.given.tolist() == [True, True]
    assert found.gt_video_labels.tolist() == [0, 1]
    assert found.edges_sec.tolist() == [1, 2, 3]
    segments = SegmentLabels(*[torch.tensor([number]) for number in range(8)])
    with pytest.raises(InputError, match='SampleSnippets'):
        dataclasses.replace(labels, segments=segments).of_range(1, 3)


def test_labels_survive_their_state():
    segments = SegmentLabels(*[torch.tensor([number]) for number in range(8)])
    actions = torch.tensor([[0, 0], [3, 0]], dtype=torch.int32).to_sparse()
    given = torch.tensor([False, True])
    labels = VideoLabels(actions, ~given, torch.tensor([1.0, 0.0]), given, torch.arange(3).double().numpy(), segments)
    found = VideoLabels.from_state(labels.to_state())
    assert found.snippet_instances.tolist() == [[-1, -1], [2, -1]]
    assert found.background_labels.tolist() == [True, False]
    assert vars(found.segments) == vars(segments)
