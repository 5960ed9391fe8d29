"""Metric of temporal action localization."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmaction.registry import METRICS
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from fsptal_mm.structures import Instances, to_numpy
from fsptal_mm.utils.errors import InputError, check_flags
from fsptal_mm.utils.wording import counted

from .functional import RECALL_AT, Protocol, class_table, classification_measures, summary_table
from .ground_truth import GroundTruth
from .results import name_classes, write_results
from .samples import class_names, collect_detections, column, warn, without_repetition

GROUND_TRUTH_KEYS = ('gt_segments_sec', 'gt_segment_labels', 'ambiguous_sec')
_METRICS = ('mAP', 'AR@AN', 'classification')


@METRICS.register_module()
class TALMetric(BaseMetric):
    """Mean average precision of detections, AR@AN, and video-level classification.

    The ground-truth segments come with the samples, so that several processes give the same figures as one process. A
    video that arrives twice counts once. All figures are fractions. Their names have a prefix in logs and for
    ``save_best`` (``tal/mAP@0.5``), and no prefix in results files:

    - ``mAP@0.1-0.7``, ``mAP@0.1-0.5``, ``mAP@0.3-0.7`` (``'thumos14'``) or ``mAP@0.5-0.95`` (``'activitynet'``): mAP
      averaged over the tIoUs from the first to the second number. Use one of them for ``save_best``;
      ``save_best='auto'`` takes the first.
    - ``mAP@0.5``, ...: mean over the classes of the average precision at one tIoU, as ActivityNet's official script
      computes it.
    - ``AR@5``, ``AR@10``, ``AR@50``, ``AR@100``: recall of the best n proposals per video (on average), whatever their
      class, averaged over the tIoUs 0.5, 0.55, ... 0.95. ``AUC``: the area under the curve of this recall over n.
    - ``video_mAP`` and ``video_top1``: mean average precision and top-1 accuracy of video-level class scores.

    If there is no ground-truth segment or no video label, as in a user's own videos, the figures that need them are
    left out, with a warning.

    Each data sample holds the meta information ``video_id``, ``gt_segments_sec (M, 2)``, ``gt_segment_labels (M,)`` and
    ``ambiguous_sec (A, 2)``, the prediction ``pred_segments`` with ``segments_sec (N, 2)``, ``scores (N,)`` and
    ``labels (N,)``, and for the classification ``pred_scores (C,)`` and ``gt_video_labels (C,)``. The names of the
    classes come from the dataset's meta information.

    Args:
        preset: ``'thumos14'`` (tIoUs 0.1, 0.2, ... 0.7) or ``'activitynet'`` (tIoUs 0.5, 0.55, ... 0.95).
        tiou_thresholds (Sequence[float], optional): tIoU thresholds. Default: the thresholds of the preset.
        average_ranges (Sequence[Sequence[float]], optional): First and last tIoU of each average. Default: the ranges
            of the preset.
        metrics: Metrics to compute, out of ``'mAP'``, ``'AR@AN'`` and ``'classification'``.
        ambiguous: ``'keep'`` evaluates every detection, as LACP does. ``'drop'`` leaves out detections that overlap an
            ambiguous range, as HR-Pro does, see :func:`~fsptal_mm.evaluation.functional.touches_any`. The log and the
            results file state which was used.
        result_file: File for all detections, also those that evaluation leaves out, as ActivityNet JSON. It has the
            figures under ``evaluation``, and the scores of whole videos, if there are any, under ``video_scores``.
            Default: no file is written.
        per_class: Whether to log the average precision of each class.
        collect_device: As in ``mmengine.evaluator.BaseMetric``.
        prefix: As in ``BaseMetric``.
        collect_dir: As in ``BaseMetric``.

    Raises:
        InputError: An argument is wrong, or a prediction is not finite.
    """

    default_prefix = 'tal'

    def __init__(
        self,
        preset: str = 'thumos14',
        tiou_thresholds: Sequence[float] | None = None,
        average_ranges: Sequence[Sequence[float]] | None = None,
        metrics: str | Sequence[str] = _METRICS,
        ambiguous: str = 'keep',
        result_file: str | Path | None = None,
        per_class: bool = False,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix, collect_dir=collect_dir)
        names = [metrics] if isinstance(metrics, str) else metrics
        if not names or not isinstance(names, (list, tuple)) or not all(name in _METRICS for name in names):
            raise InputError(f'some of {_METRICS}', field='metrics', found=metrics)
        if ambiguous not in ('keep', 'drop'):
            raise InputError("'keep' or 'drop'", field='ambiguous', found=ambiguous)
        check_flags('TALMetric', per_class=per_class)
        self.protocol = Protocol.from_config(preset, tiou_thresholds, average_ranges)
        self.metrics = tuple(names)
        self.ambiguous = ambiguous
        self.result_file = result_file
        self.per_class = per_class

    @property
    def keys(self) -> list[str]:
        """Names of the figures, without the prefix."""
        named = {
            'mAP': [*self.protocol.average_keys, *self.protocol.threshold_keys],
            'AR@AN': [*(f'AR@{n}' for n in RECALL_AT), 'AUC'],
            'classification': ['video_mAP', 'video_top1'],
        }
        return [key for metric in _METRICS if metric in self.metrics for key in named[metric]]

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Collect predictions and ground truth of each sample, as small arrays.

        Args:
            data_batch: Not used.
            data_samples (Sequence[dict]): Samples with predictions, as dicts.
        """
        self.results.extend(_collect(sample) for sample in data_samples)

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Compute the figures, log them, and write the results file.

        Args:
            results (list[dict]): Entries that :meth:`process` collected in all processes.

        Returns:
            dict[str, float]: Fractions, by the names that :class:`TALMetric` lists, without the prefix.
        """
        results = without_repetition(results)
        classes = class_names(self.dataset_meta)
        measures, how = {}, 'no detections evaluated'
        if {'mAP', 'AR@AN'} & set(self.metrics):
            measures, how = self._detection_measures(results, classes)
        if 'classification' in self.metrics:
            measures.update(_classification(results))
        if measures:
            print_log(f'Results ({how}):\n{_tables(measures)}', logger='current')
        if self.result_file is not None:
            self._write(results, classes, measures, how)
        return measures

    def _detection_measures(self, results, classes):
        ground_truth = GroundTruth.from_videos(results, classes, self.protocol, self.ambiguous == 'drop')
        if not len(ground_truth.segments):
            warn(f'none of {len(results)} videos has a ground-truth segment: mAP and AR@AN are left out')
            return {}, 'no detections evaluated'
        det = Instances.join(column(results, 'detections'))
        if self.ambiguous == 'drop' and not len(ground_truth.ambiguous):
            warn("ambiguous='drop', but no video has an ambiguous range (is the dataset's ambiguous_file given?)")
        evaluation = ground_truth.evaluate(det, 'AR@AN' in self.metrics)
        if self.per_class:
            counts = np.bincount(ground_truth.segments.labels, minlength=len(classes))
            table = class_table(evaluation.ap, counts, classes, self.protocol)
            print_log(f'Average precision in percent:\n{table}', logger='current')
        measures = evaluation.measures
        if 'mAP' not in self.metrics:
            measures = {key: value for key, value in measures.items() if not key.startswith('mAP')}
        return measures, evaluation.describe_filter()

    def _write(self, results, classes, measures, how):
        detections = {result['video_id']: name_classes(result['detections'], classes) for result in results}
        extra = {
            'classes': list(classes),
            'evaluation': {'ambiguous': self.ambiguous, 'detections': how, 'metrics': measures},
        }
        video_scores = {
            result['video_id']: dict(zip(classes, result['class_scores'].round(6).tolist()))
            for result in results
            if result['class_scores'] is not None
        }
        if video_scores:
            extra['video_scores'] = video_scores
        write_results(self.result_file, detections, **extra)
        print_log(f'Detections of {counted(len(results), "video")} written to {self.result_file}', logger='current')


def _tables(measures):
    """Format a table for each kind of measure, so that each fits a terminal."""
    rows = {'mAP': {}, 'AR@AN': {}, 'whole videos': {}}
    for key, value in measures.items():
        kind = 'whole videos' if key.startswith('video_') else 'mAP' if key.startswith('mAP') else 'AR@AN'
        rows[kind][key.removeprefix('mAP').removeprefix('video_')] = value
    return '\n\n'.join(summary_table({'in percent': row}, kind) for kind, row in rows.items() if row)


def _collect(sample):
    """Keep what the metric needs of a sample, as small arrays."""
    return {
        'video_id': sample['video_id'],
        'detections': collect_detections(sample),
        **{key: sample[key] for key in GROUND_TRUTH_KEYS if key in sample},
        'class_scores': to_numpy(sample['pred_scores']) if 'pred_scores' in sample else None,
        'class_labels': to_numpy(sample['gt_video_labels']) if 'gt_video_labels' in sample else None,
    }


def _classification(results):
    known = [result for result in results if result['class_scores'] is not None and result['class_labels'] is not None]
    measures = {}
    if known:
        scores, labels = np.stack(column(known, 'class_scores')), np.stack(column(known, 'class_labels'))
        measures = classification_measures(scores, labels)
    if not measures:
        warn(f'none of {len(results)} videos has class scores and a video label: video_mAP and video_top1 are left out')
    return measures
