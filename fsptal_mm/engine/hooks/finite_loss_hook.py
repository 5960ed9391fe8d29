"""Hook that ends a training whose loss is NaN or infinite."""

import math

from mmaction.registry import HOOKS
from mmengine.hooks import Hook, RuntimeInfoHook
from mmengine.runner import Runner

from fsptal_mm.utils.errors import InputError


class NonFiniteLossError(RuntimeError):
    """Error for a loss that is NaN or infinite."""


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Hook that stops a training at the first step with a NaN or infinite loss, before that step is logged or saved.

    mmengine's ``RuntimeInfoHook`` fetches all losses to the host at every step, for the log. This hook reads them from
    there, so that the host does not wait for the device again. As in mmengine, every output of the model with ``loss``
    in its name is a loss. Its value is taken before it is scaled for gradient accumulation and mixed precision.

    Raises:
        InputError: Training starts without ``RuntimeInfoHook``.
        NonFiniteLossError: A loss is NaN or infinite. The message names terms, values, epoch, iteration and the videos
            of this process's batch.
    """

    priority = 'ABOVE_NORMAL'  # after RuntimeInfoHook, before LoggerHook and CheckpointHook

    def before_train(self, runner: Runner) -> None:
        """Make sure that the losses can be read."""
        if not any(isinstance(hook, RuntimeInfoHook) for hook in runner.hooks):
            raise InputError('RuntimeInfoHook, which FiniteLossHook reads the losses from', field='default_hooks')

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Stop the training at the first loss that is NaN or infinite."""
        values = {
            name: runner.message_hub.get_scalar(f'train/{name}').current() for name in outputs or () if 'loss' in name
        }
        wrong = {name: value for name, value in values.items() if not math.isfinite(value)}
        if not wrong:
            return
        terms = {name: value for name, value in wrong.items() if name != 'loss'} or wrong  # 'loss' is their sum
        videos = [sample.get('video_id', '(without video_id)') for sample in data_batch['data_samples']]
        raise NonFiniteLossError(
            f'epoch {runner.epoch + 1}, iteration {batch_idx + 1}: '
            + ', '.join(f'{name} is {value}' for name, value in terms.items())
            + f'; videos of the batch: {", ".join(videos)}'
        )
