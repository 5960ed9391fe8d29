"""The change from one stage of a chain of models to the next, within one training run."""

import time
from collections.abc import Sequence

from mmaction.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from fsptal_mm.utils.errors import InputError, check_numbers
from fsptal_mm.utils.wording import counted

from ..mining_pass import mining_pass
from ..unwrapping import unwrapped_model


@HOOKS.register_module()
class StageHook(Hook):
    """Hook that trains the stages of ``StagedPointTAL`` one after the other.

    Before the first epoch of a stage, the stages before it propose segments in all training videos. The proposals are
    not kept in checkpoints: earlier stages no longer change, so that a resumed run finds the same proposals again.

    Args:
        epochs: First epoch, from 0, of each later stage, ascending.

    Raises:
        InputError: An argument is out of range, the model has no stages or another number of later stages, or the loop
            does not go by epochs.
    """

    priority = 'NORMAL'

    def __init__(self, epochs: Sequence[int]) -> None:
        if not isinstance(epochs, (list, tuple)) or not epochs:
            raise InputError('a list of whole numbers', field='StageHook.epochs', found=epochs)
        check_numbers('StageHook', 1, whole=True, **{f'epochs[{place}]': at for place, at in enumerate(epochs)})
        if sorted(set(epochs)) != list(epochs):
            raise InputError('ascending numbers', field='StageHook.epochs', found=epochs)
        self.epochs = tuple(epochs)

    def before_train(self, runner: Runner) -> None:
        """Check that model and loop fit, and forget the proposals of an earlier run."""
        model = unwrapped_model(runner)
        if not callable(getattr(model, 'start_stage', None)):
            raise InputError('StagedPointTAL, for StageHook', field='model.type', found=type(model).__name__)
        if len(model.heads) != len(self.epochs):
            expected = f'{len(model.heads)} numbers, one for each later stage of the model'
            raise InputError(expected, field='StageHook.epochs', found=self.epochs)
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            found = type(runner.train_loop).__name__
            raise InputError('EpochBasedTrainLoop, since stages go by epochs', field='train_cfg.type', found=found)
        model.start_anew()

    def before_train_epoch(self, runner: Runner) -> None:
        """Begin a stage if it is time, or if a run is resumed in it."""
        model, stage = unwrapped_model(runner), sum(runner.epoch >= epoch for epoch in self.epochs)
        if stage == model.stage:
            return
        runner.optim_wrapper.zero_grad()  # gradients accumulated in the stage before would still move its weights
        started = time.time()
        # With the random numbers of the epoch in which the stage begins, so that a run that is resumed in a later epoch
        # finds the same proposals.
        views = mining_pass(runner, lambda model, *batch: model.find_views(*batch, stage), self.epochs[stage - 1])
        model.start_stage(stage, views)
        for name in [name for name in runner.message_hub.log_scalars if name.startswith('train/loss')]:
            del runner.message_hub.log_scalars[name]  # else the log would repeat the last losses of that stage
        if is_main_process():
            share = sum(float(view.labels.any(1).mean()) for view in views.values()) / len(views)
            stretch = sum(view.warp.num_snippets / (len(view.warp.cumulated) - 1) for view in views.values())
            runner.logger.info(
                f'Stage {stage} from epoch {runner.epoch + 1} on: proposals of {counted(len(views), "video")} in '
                f'{time.time() - started:.1f} s; on average, they cover {share:.1%} of the snippets of a video, and '
                f'stretching makes a video {stretch / len(views):.2f} times as long'
            )

    def after_train(self, runner: Runner) -> None:
        """End the training of the later stages: the model forgets their proposals."""
        unwrapped_model(runner).start_anew()
