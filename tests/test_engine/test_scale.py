"""Training in several processes, with accumulated gradients, in half precision or compiled gives the same results."""

import pytest
import torch
from forks import forked, in_two_processes
from mmengine.dataset import pseudo_collate
from tiny_run import make_loader, make_runner, write_data

from fsptal_mm.models.heads import lacp_head

HEADS = ('PointTALHead', 'FSPTALHead', 'LACPHead', 'MILHead')


def train(folder, name, head='FSPTALHead', **kwargs):
    """Three epochs without dropout; returns the runner."""
    runner = make_runner(folder, head=dict(type=head, dropout=0.0), epochs=3, lr=0.1, name=name, **kwargs)
    runner.train()
    return runner


@pytest.fixture
def no_chance(monkeypatch):
    """Let LACP sample the middle snippet of each third of a run, instead of a random one."""
    monkeypatch.setattr(lacp_head.torch, 'rand', lambda *args, **kwargs: torch.full(*args, 0.5, **kwargs))


def weights(runner):
    model = getattr(runner.model, 'module', runner.model)
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-4, atol=1e-6)


def moved(runner, start):
    return max((value - start[name]).abs().max().item() for name, value in weights(runner).items())


def train_rank(rank, folder, head, train_loader):
    runner = train(folder, 'two', head, train_dataloader=train_loader, launcher='pytorch')
    assert runner.distributed
    torch.save(weights(runner), folder / f'rank{rank}.pth')


@forked
@pytest.mark.parametrize(
    'head, unequal', [*((head, True) for head in HEADS), ('FSPTALHead', False)], ids=lambda value: str(value)
)
def test_two_processes_train_as_one_on_the_same_batches(tmp_path, head, unequal, no_chance):
    write_data(tmp_path)
    # Rank r has the videos r, r + 2, ..., so both ranks together have the batches of one process with twice the batch
    # size. If unequal, rank 0 has one video more; by default, the sampler repeats a video instead.
    settings = dict(batch_size=3, sampler=dict(round_up=False)) if unequal else dict(batch_size=1, indices=4)
    in_two_processes(train_rank, tmp_path, head, make_loader(tmp_path, **settings))
    ranks = [torch.load(tmp_path / f'rank{rank}.pth') for rank in range(2)]
    assert all(torch.equal(value, ranks[1][name]) for name, value in ranks[0].items())
    settings['batch_size'] *= 2
    start = weights(make_runner(tmp_path, head=dict(type=head), name='start'))
    one = train(tmp_path, 'one', head, train_dataloader=make_loader(tmp_path, **settings))
    assert moved(one, start) > 0.01
    assert_close(ranks[0], weights(one))


@pytest.mark.parametrize('head', HEADS)
def test_accumulated_gradients_are_those_of_the_bigger_batch(tmp_path, head, no_chance):
    write_data(tmp_path)
    optimizer = dict(type='SGD', lr=0.1)
    trained = [
        train(
            tmp_path,
            f'by{count}',
            head,
            train_dataloader=make_loader(tmp_path, 4 // count, indices=4),
            optim_wrapper=dict(type='OptimWrapper', optimizer=optimizer, accumulative_counts=count),
        )
        for count in (1, 4)
    ]
    assert_close(weights(trained[1]), weights(trained[0]))


@pytest.mark.parametrize('head', HEADS)
def test_bfloat16_on_the_cpu(tmp_path, head):
    losses, runners = {}, {}
    for name in ('OptimWrapper', 'AmpOptimWrapper'):
        # With the learning rate 0, the weights do not change.
        optim_wrapper = dict(type=name, optimizer=dict(type='SGD', lr=0.0))
        hooks = [] if head == 'MILHead' else [dict(type='PseudoLabelMiningHook', live=False)]
        runner = make_runner(
            tmp_path, hooks, dict(type=head, dropout=0.0), epochs=1, name=name, optim_wrapper=optim_wrapper
        )
        runner.train()
        runners[name] = runner
        torch.manual_seed(0)
        with runner.optim_wrapper.optim_context(runner.model):
            data = runner.model.data_preprocessor(pseudo_collate(list(runner.train_dataloader.dataset)))
            activations = runner.model(**data, mode='tensor')
            losses[name] = runner.model(**data, mode='loss')
        assert activations.dtype == (torch.bfloat16 if name == 'AmpOptimWrapper' else torch.float32)
    assert all(value.dtype == torch.float32 for value in weights(runners['AmpOptimWrapper']).values())
    exact, rounded = losses.values()
    assert exact.keys() == rounded.keys()
    assert any(exact[name].item() != rounded[name].item() for name in exact)
    for name in exact:
        assert torch.isfinite(rounded[name])
        assert rounded[name].item() == pytest.approx(exact[name].item(), rel=0.1, abs=0.05), name


@pytest.mark.slow  # compiling takes most of a minute
def test_compiled_trunk_gives_the_same_losses_and_gradients(tmp_path):
    found = []
    for name in ('eager', 'compiled'):
        runner = make_runner(tmp_path, head=dict(dropout=0.0), trunk='AffinityEmbedding', name=name)
        model = runner.model
        if name == 'compiled':
            for module in (model.embedding, model.head.separation):  # dynamic, since batches differ in length
                module.compile(dynamic=True, backend='aot_eager')
        for data in runner.train_dataloader:
            losses = model(**model.data_preprocessor(data), mode='loss')
            sum(losses.values()).backward()
            found.append({key: value.detach() for key, value in losses.items()})
        found.append({key: value.grad.clone() for key, value in model.named_parameters()})
    steps = len(found) // 2
    assert steps == 4  # the losses of three batches, and the gradients
    for eager, compiled in zip(found[:steps], found[steps:]):
        assert_close(compiled, eager)
