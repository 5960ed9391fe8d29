"""Results file of a test in the work directory."""

from pathlib import Path

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from fsptal_mm.evaluation import PointMetric, TALMetric


@HOOKS.register_module()
class ResultFileHook(Hook):
    """Hook that makes the metrics of a test write the detections into the work directory, which they do not know.

    All :class:`.TALMetric` of the test write them; if there are none, all :class:`.PointMetric` do. A ``result_file``
    in the config of a metric is left as it is.

    Args:
        name: File name of the results, in ActivityNet's format.
    """

    def __init__(self, name: str = 'results.json') -> None:
        self.name = name

    def before_test(self, runner: Runner) -> None:
        """Set a results file in the work directory for each metric that has none."""
        metrics = runner.test_loop.evaluator.metrics
        of_segments = [metric for metric in metrics if isinstance(metric, TALMetric)]
        for metric in of_segments or [metric for metric in metrics if isinstance(metric, PointMetric)]:
            if metric.result_file is None:
                metric.result_file = str(Path(runner.work_dir, self.name))
