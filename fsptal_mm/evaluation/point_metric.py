"""Metric for held-out videos that have point labels, but no segments."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from fsptal_mm.structures import Instances
from fsptal_mm.utils.wording import counted

from .functional import point_average_precision, summary_table
from .results import name_classes, write_results
from .samples import class_names, collect_detections, collect_points, column, warn, without_repetition


@METRICS.register_module()
class PointMetric(BaseMetric):
    """Average precision by the points of held-out videos, for choosing checkpoints and settings.

    Ground-truth segments are not read. A detection is a true positive if it covers one labelled instance of its class,
    touches no other instance of its class, and no detection with a higher score has taken the covered instance. See
    :func:`~fsptal_mm.evaluation.functional.point_average_precision` for details, and for what points cannot show. All
    figures are fractions:

    - ``point/mAP``: mean of the average precision over the classes that have a point.
    - ``point/recall``: share of the labelled instances that have a true positive, as a mean over these classes.

    Videos without any point are left out, with a warning, since they may have actions that nobody labelled. If no video
    has a point, there are no figures. A video that arrives twice counts once.

    Each data sample holds the meta information ``video_id``, ``gt_point_sec (P,)``, ``gt_point_labels (P,)`` and
    ``gt_point_instances (P,)``, and the prediction ``pred_segments`` with ``segments_sec (N, 2)``, ``scores (N,)`` and
    ``labels (N,)``. The names of the classes come from the dataset's meta information.

    Args:
        result_file: File for all detections, as ActivityNet JSON, with the figures under ``evaluation``. Default: none
            is written.
        collect_device: As in ``mmengine.evaluator.BaseMetric``.
        prefix: As in ``BaseMetric``.
        collect_dir: As in ``BaseMetric``.

    Raises:
        InputError: A sample lacks the fields of the points (which may be empty), or a prediction is not finite.
    """

    default_prefix = 'point'
    keys = ('mAP', 'recall')

    def __init__(
        self,
        result_file: str | Path | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        self.result_file = result_file

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Collect predictions and points of each sample, as small arrays.

        Args:
            data_batch: Not used.
            data_samples (Sequence[dict]): Samples with predictions, as dicts.
        """
        self.results.extend(
            {
                'video_id': sample['video_id'],
                'detections': collect_detections(sample),
                'points': collect_points(sample),
            }
            for sample in data_samples
        )

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Compute the figures, log them, and write the results file.

        Args:
            results (list[dict]): Entries that :meth:`process` collected in all processes.

        Returns:
            dict[str, float]: Fractions, ``mAP`` and ``recall``, without the prefix; empty if no video has a point.
        """
        classes = class_names(self.dataset_meta)
        results = without_repetition(results)
        measures, how = self._measures(results, len(classes))
        if self.result_file is not None:
            detections = {result['video_id']: name_classes(result['detections'], classes) for result in results}
            noted = {f'{self.default_prefix}/{key}': value for key, value in measures.items()}
            extra = {'classes': list(classes), 'evaluation': {'detections': how, 'metrics': noted}}
            write_results(self.result_file, detections, **extra)
            print_log(f'Detections of {counted(len(results), "video")} written to {self.result_file}', logger='current')
        return measures

    def _measures(self, results, num_classes):
        """Compute the figures, and describe the data behind them in words."""
        labelled = [result for result in results if len(result['points'])]
        if len(labelled) < len(results):
            warn(f'without a point, and left out: {len(results) - len(labelled)} of {counted(len(results), "video")}')
        if not labelled:
            return {}, 'no video has a point'
        points, det = (Instances.join(column(labelled, field)) for field in ('points', 'detections'))
        ap, recall = point_average_precision(points, det, num_classes)
        measures = {'mAP': float(np.nanmean(ap)), 'recall': float(np.nanmean(recall))}
        how = f'{counted(len(det), "detection")}, {counted(len(points), "labelled instance")}'
        how += f' in {counted(len(labelled), "video")}'
        print_log(f'Results ({how}):\n{summary_table({"in percent": measures}, "points")}', logger='current')
        return measures, how
