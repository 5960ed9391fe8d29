"""Results of a test where a user looks for them."""

from pathlib import Path

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from fsptal_mm.evaluation import TALMetric


@HOOKS.register_module()
class ResultFileHook(Hook):
    """Make every :class:`.TALMetric` of a test write its detections into the work directory.

    A metric does not know the work directory; a ``result_file`` in its config is left as it is.

    Args:
        name: File name of the results, in ActivityNet's format.
    """

    def __init__(self, name: str = 'results.json') -> None:
        self.name = name

    def before_test(self, runner: Runner) -> None:
        """Give each metric without a file of its own one in the work directory."""
        for metric in runner.test_loop.evaluator.metrics:
            if isinstance(metric, TALMetric) and metric.result_file is None:
                metric.result_file = str(Path(runner.work_dir, self.name))
