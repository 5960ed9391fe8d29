"""Log of a training whose lines are at least some seconds apart."""

import math
import time
from typing import Any

from mmaction.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import LoggerHook
from mmengine.runner import Runner

from fsptal_mm.evaluation.training_log import read_training_log, scalar_files
from fsptal_mm.utils.errors import check_numbers


@HOOKS.register_module()
class PacedLoggerHook(LoggerHook):
    """mmengine's ``LoggerHook``, whose lines of a training are at least some seconds apart.

    With few videos, an epoch is one step of less than a second, and ``LoggerHook`` writes two lines after each epoch.
    This hook writes the losses to the JSON file that curves are plotted from, at the end of each epoch and after every
    ``interval`` steps in it; but to the log only if ``min_sec`` seconds have passed since the last line. The last step
    of a training always has its line, and so have validation and test.

    After the training, a warning says if the loss still fell at the end of a stage, as the report does. It needs the
    curves that ``LocalVisBackend`` writes.

    Args:
        min_sec: Smallest number of seconds from one line of the training to the next.
        **kwargs: As in ``LoggerHook``; ``ignore_last`` and ``interval_exp_name`` have no effect here.

    Raises:
        InputError: ``min_sec`` is not a number >= 0.
    """

    def __init__(self, *, min_sec: float = 5.0, **kwargs: Any) -> None:
        check_numbers('PacedLoggerHook', 0, min_sec=min_sec)
        super().__init__(**kwargs)
        self.min_sec = min_sec
        self._line_sec = -math.inf  # time of the last line

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Write the losses to the JSON file of curves and, if the last line is old enough, to the log."""
        ends_epoch = self.end_of_epoch(runner.train_dataloader, batch_idx)
        if not ends_epoch and not self.every_n_inner_iters(batch_idx, self.interval):
            return
        tag, line = runner.log_processor.get_log_after_iter(runner, batch_idx, 'train')
        now_sec = time.monotonic()
        if now_sec - self._line_sec >= self.min_sec or self.is_last_train_iter(runner):
            runner.logger.info(line)
            self._line_sec = now_sec
        runner.visualizer.add_scalars(tag, step=runner.iter + 1, file_path=self.json_log_path)

    def after_train(self, runner: Runner) -> None:
        """Warn if the loss still fell at the end of a stage; then copy the logs, as mmengine does."""
        if is_main_process():
            for sentence in read_training_log(scalar_files(runner.work_dir)).describe_late_falls():
                runner.logger.warning(sentence)
        super().after_train(runner)
