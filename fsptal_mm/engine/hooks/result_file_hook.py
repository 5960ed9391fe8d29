"""Results of a test where a user looks for them."""

from pathlib import Path

from mmaction.registry import HOOKS
from mmengine.hooks import Hook

from fsptal_mm.evaluation import TALMetric


@HOOKS.register_module()
class ResultFileHook(Hook):
    """Has every :class:`.TALMetric` of a test write the localised actions into the work directory.

    A metric does not know the work directory; a ``result_file`` in its config is left as it is.

    Args:
        name: File name of the results, in ActivityNet's format.
    """

    def __init__(self, name='results.json'):
        self.name = name

    def before_test(self, runner):
        """See the class."""
        for metric in runner.test_loop.evaluator.metrics:
            if isinstance(metric, TALMetric) and metric.result_file is None:
                metric.result_file = str(Path(runner.work_dir, self.name))
