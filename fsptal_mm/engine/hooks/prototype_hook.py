"""First prototypes of the classes, from the given points."""

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from fsptal_mm.utils.errors import InputError

from ..mining_pass import mining_pass
from ..unwrapping import unwrapped_model


@HOOKS.register_module()
class PrototypeHook(Hook):
    """Hook that fills the memory of prototypes of :class:`.HRProHead` before the first epoch.

    The first prototype of a class is the mean of the features at all points of the class; for a class without any
    point, it is zeros. Checkpoints hold the memory, so a resumed run does not fill it again.

    Raises:
        InputError: The head has no memory of prototypes.
    """

    priority = 'NORMAL'

    def before_train(self, runner: Runner) -> None:
        """Check that the head has a memory of prototypes."""
        head = getattr(unwrapped_model(runner), 'head', None)
        if not hasattr(head, 'sum_at_points'):
            raise InputError('one with prototypes, such as HRProHead', field='model.head', found=type(head).__name__)

    def before_train_epoch(self, runner: Runner) -> None:
        """Fill the memory before the first epoch."""
        if runner.epoch:
            return
        memory = unwrapped_model(runner).head.memory
        memory.prototypes.zero_()  # features are encoded with prototypes of zeros, as in a new model
        found = mining_pass(
            runner, lambda model, inputs, samples: model.head.sum_at_points(model.embed(inputs, samples), samples)
        )
        sums, counts = (sum(part) for part in zip(*found.values()))
        memory.fill(sums.to(memory.prototypes.device), counts.to(memory.prototypes.device))
        missing = int((counts == 0).sum())
        if missing:
            runner.logger.warning(f'{missing} of {len(counts)} classes have no point: their prototypes are zeros')
