"""Losses of a step for the log, fetched from the device together."""

import torch
from mmaction.registry import HOOKS
from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor


@HOOKS.register_module()
class StepInfoHook(RuntimeInfoHook):
    """mmengine's ``RuntimeInfoHook``, which fetches the losses of a step in one transfer.

    mmengine fetches every term by itself, and the host waits for the device each time. Values and names are the same.
    """

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Update the losses in the message hub."""
        values = dict(outputs or {})
        fetched = {name: value for name, value in values.items() if _is_scalar(value)}
        if fetched:
            joined = torch.stack([value.detach().float().flatten()[0] for value in fetched.values()]).tolist()
            values.update(zip(fetched, joined))
        super().after_train_iter(runner, batch_idx, data_batch, values)


def _is_scalar(value):
    return isinstance(value, Tensor) and value.numel() == 1
