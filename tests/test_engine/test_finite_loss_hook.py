import re

import pytest
import torch
from tiny_run import make_runner

from fsptal_mm.engine import FiniteLossHook, NonFiniteLossError
from fsptal_mm.utils.errors import InputError


def spoil(runner, value, step, term='loss_point_action'):
    """Have one term of the loss become ``value`` at a step, from 0."""
    head, count = runner.model.head, iter(range(1000))
    loss_by_feat = head.loss_by_feat

    def spoilt(*args):
        losses = loss_by_feat(*args)
        return losses | {term: losses[term] * value} if next(count) == step else losses

    head.loss_by_feat = spoilt


@pytest.mark.parametrize(
    'optim_wrapper',
    [
        dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1)),
        dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1), accumulative_counts=2),
        dict(type='AmpOptimWrapper', optimizer=dict(type='SGD', lr=0.1)),
    ],
    ids=['plain', 'accumulation', 'bfloat16'],
)
def test_training_stops_at_the_step_with_names_and_saves_nothing_of_it(tmp_path, optim_wrapper):
    runner = make_runner(tmp_path, [dict(type='FiniteLossHook')], epochs=3, optim_wrapper=optim_wrapper)
    seen = []
    spoil(runner, float('nan'), step=4)  # an epoch has three steps, so this is the second step of epoch 2
    step = runner.model.train_step
    runner.model.train_step = lambda data, **kwargs: seen.append(data) or step(data, **kwargs)
    with pytest.raises(NonFiniteLossError) as error:
        runner.train()
    videos = ', '.join(sample.video_id for sample in seen[-1]['data_samples'])
    assert len(seen) == 5
    assert str(error.value) == f'epoch 2, iteration 2: loss_point_action is nan; videos of the batch: {videos}'
    assert re.fullmatch(r'v\d, v\d', videos)
    assert [path.name for path in (tmp_path / 'run').glob('epoch_*')] == ['epoch_1.pth']


def test_a_sum_that_overflows_is_named_itself(tmp_path):
    runner = make_runner(tmp_path, [dict(type='FiniteLossHook')])
    loss = runner.model.head.loss
    big = torch.tensor(3e38, requires_grad=True)
    runner.model.head.loss = lambda *args: loss(*args) | dict(loss_x=big, loss_y=big)
    with pytest.raises(NonFiniteLossError, match='iteration 1: loss is inf;'):
        runner.train()


def test_values_that_are_no_loss_may_be_anything(tmp_path):
    runner = make_runner(tmp_path, [dict(type='FiniteLossHook')])
    loss = runner.model.head.loss
    runner.model.head.loss = lambda *args: loss(*args) | dict(accuracy=torch.tensor(float('nan')))
    runner.train()
    with pytest.raises(InputError, match='RuntimeInfoHook'):  # this hook fetches the values that our hook checks
        make_runner(tmp_path, [dict(type='FiniteLossHook')], name='x', default_hooks=dict(runtime_info=None)).train()


def test_the_check_comes_before_log_and_checkpoint(tmp_path):
    runner = make_runner(tmp_path, [dict(type='FiniteLossHook')])
    names = [type(hook).__name__ for hook in runner.hooks]
    place = names.index(FiniteLossHook.__name__)
    assert names.index('RuntimeInfoHook') < place < min(names.index('LoggerHook'), names.index('CheckpointHook'))
