import torch
from host_sync import HostSyncs
from mmengine.hooks import RuntimeInfoHook
from tiny_run import make_runner

from fsptal_mm.engine import StepInfoHook


def test_losses_are_those_of_mmengine_and_the_host_waits_once(tmp_path):
    runner = make_runner(tmp_path)
    outputs = dict(
        loss=torch.tensor(3.0), loss_a=torch.tensor([1.25], dtype=torch.float64), accuracy=torch.tensor(7), n=2
    )
    found, waits = [], []
    for hook in (RuntimeInfoHook(), StepInfoHook()):
        runner.message_hub.log_scalars.clear()
        with HostSyncs() as syncs:
            hook.after_train_iter(runner, 0, None, outputs)
        waits.append(syncs.count)
        found.append({name: buffer.current() for name, buffer in runner.message_hub.log_scalars.items()})
    assert found[0] == found[1] == {'train/loss': 3, 'train/loss_a': 1.25, 'train/accuracy': 7, 'train/n': 2}
    assert waits[0] > waits[1] == 1


def test_a_step_without_outputs(tmp_path):
    StepInfoHook().after_train_iter(make_runner(tmp_path), 0)
