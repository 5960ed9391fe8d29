import time
from types import SimpleNamespace

import pytest
import torch
from toy_run import toy_runner

from fsptal_mm.engine import PacedLoggerHook
from fsptal_mm.report import read_run
from fsptal_mm.utils.errors import InputError


def train(monkeypatch, num_epochs, epoch_steps, step_sec, **kwargs):
    """Train, and return the steps that have a line in the log, and the steps whose losses are in the file of curves."""
    lines, curves, clock = [], [], [0.0]
    monkeypatch.setattr(time, 'monotonic', lambda: clock[0])
    runner = SimpleNamespace(
        iter=0,
        max_iters=num_epochs * epoch_steps,
        train_dataloader=range(epoch_steps),
        log_processor=SimpleNamespace(get_log_after_iter=lambda runner, *_: ({}, runner.iter + 1)),
        logger=SimpleNamespace(info=lines.append),
        visualizer=SimpleNamespace(add_scalars=lambda tag, step, file_path: curves.append(step)),
    )
    hook = PacedLoggerHook(**kwargs)
    hook.json_log_path = 'scalars.json'
    for _ in range(num_epochs):
        for batch_idx in range(epoch_steps):
            clock[0] += step_sec
            hook.after_train_iter(runner, batch_idx)
            runner.iter += 1
    return lines, curves


def test_short_epochs_have_few_lines(monkeypatch):
    lines, curves = train(monkeypatch, num_epochs=12, epoch_steps=1, step_sec=1.0)
    assert lines == [1, 6, 11, 12]
    assert curves == list(range(1, 13))


def test_long_steps_have_a_line_each(monkeypatch):
    lines, curves = train(monkeypatch, num_epochs=2, epoch_steps=5, step_sec=6.0, interval=2)
    assert lines == curves == [2, 4, 5, 7, 9, 10]


def test_no_pace(monkeypatch):
    lines, curves = train(monkeypatch, num_epochs=3, epoch_steps=1, step_sec=0.1, min_sec=0)
    assert lines == curves == [1, 2, 3]


@pytest.mark.parametrize('min_sec', [-1, 'often', None])
def test_wrong_pace(min_sec):
    with pytest.raises(InputError, match='min_sec'):
        PacedLoggerHook(min_sec=min_sec)


@pytest.mark.parametrize('lr, still_falls', [(0.005, True), (0.1, False)])
def test_the_end_of_a_training_says_what_the_report_says_of_its_loss(tmp_path, lr, still_falls):
    torch.manual_seed(0)
    hooks = dict(logger=dict(type='PacedLoggerHook'))
    optim = dict(optimizer=dict(type='SGD', lr=lr))
    toy_runner(tmp_path, f'lr_{lr}', 12, default_hooks=hooks, optim_wrapper=optim).train()
    told = [sentence for sentence in read_run(tmp_path, 'run').missing if 'last quarter' in sentence]
    assert len(told) == still_falls
    [log] = tmp_path.glob('*/*.log')
    assert ['WARNING' in line for line in log.read_text().splitlines() if 'last quarter' in line] == [True] * len(told)
    assert all(sentence in log.read_text() for sentence in told)
