"""Losses of a step for the log, fetched from the device in one transfer."""

import torch
from mmaction.registry import HOOKS
from mmengine.device import get_device
from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor

from fsptal_mm.utils.errors import InputError


@HOOKS.register_module()
class StepInfoHook(RuntimeInfoHook):
    """mmengine's ``RuntimeInfoHook``, which fetches the losses of a step in one transfer.

    mmengine fetches every term by itself, and the host waits for the device each time. Values and names are those of
    mmengine.

    Raises:
        InputError: Training in bfloat16 on a GPU that does not support it.
    """

    def before_train(self, runner: Runner) -> None:
        """Check that the device computes in the precision of the config."""
        super().before_train(runner)
        in_bfloat16 = getattr(runner.optim_wrapper, 'cast_dtype', None) in ('bfloat16', torch.bfloat16)
        if in_bfloat16 and get_device() == 'cuda' and not torch.cuda.is_bf16_supported(including_emulation=False):
            expected = "'float16', which is the default with --amp: this GPU has no bfloat16"
            raise InputError(expected, field='optim_wrapper.dtype', found='bfloat16')

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
