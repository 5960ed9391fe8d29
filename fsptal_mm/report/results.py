"""Evaluation of the detections of a run in its test videos: by ground-truth segments or, without any, by points."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmaction.registry import DATASETS, METRICS
from mmengine.config import Config

from fsptal_mm.evaluation import GroundTruth, TALMetric
from fsptal_mm.evaluation.diagnosis import Diagnosis
from fsptal_mm.evaluation.functional import (
    Evaluation,
    match_detections,
    match_points,
    point_average_precision,
    point_video_average_precision,
)
from fsptal_mm.evaluation.operating_point import OperatingPoint, Threshold
from fsptal_mm.structures import Instances
from fsptal_mm.utils.configs import naming_types

# tIoU at which single videos and single detections are evaluated. The protocols of all benchmarks here contain it.
VIDEO_TIOU = 0.5


@dataclass(frozen=True, eq=False)
class PointResult:
    """Evaluation of a results file by points, for test videos without ground-truth segments.

    Attributes:
        test_set: Ground truth of the test videos.
        det: The N detections that are evaluated, the best first.
        hits: ``(N,)`` bool: whether a detection is a true positive.
        video_ap: ``(V,)`` average precision of each video on its own, a fraction; NaN for a video without instances.
    """

    test_set: GroundTruth
    det: Instances
    hits: np.ndarray
    video_ap: np.ndarray

    unit = 'point'  # name of an instance of ``truth`` in the report

    @property
    def truth(self) -> Instances:
        """Instances that detections are matched with: the labelled actions."""
        return self.test_set.labelled

    def class_columns(self) -> list[tuple[str, np.ndarray]]:
        """Measures of each class, as pairs of a name and ``(C,)`` fractions; NaN for a class without instances."""
        ap, recall = point_average_precision(self.truth, self.det, len(self.test_set.classes))
        return [('AP by points', ap), ('recall of points', recall)]


@dataclass(frozen=True, eq=False)
class SegmentResult(PointResult):
    """Evaluation of a results file by ground-truth segments; ``hits`` and ``video_ap`` are those at ``VIDEO_TIOU``.

    Attributes:
        evaluation: Measures over all videos.
        diagnosis: Error analysis at ``VIDEO_TIOU``.
    """

    evaluation: Evaluation
    diagnosis: Diagnosis

    unit = 'segment'

    @property
    def truth(self) -> Instances:
        """Instances that detections are matched with: the ground-truth segments."""
        return self.test_set.segments

    def class_columns(self) -> list[tuple[str, np.ndarray]]:
        """AP of each class: mean over the main range of tIoUs, and at ``VIDEO_TIOU``; form as in the base class."""
        protocol, ap = self.test_set.protocol, self.evaluation.ap
        nearest = int(np.abs(np.subtract(protocol.tiou_thresholds, VIDEO_TIOU)).argmin())
        name, mean = 'mean', ap.mean(axis=0)
        if protocol.average_ranges:
            # main_average also takes the mean over the classes, the last axis. To get one figure per class, each class
            # is passed as an evaluation of its own: (C, K, 1).
            name, mean = protocol.average_keys[0], protocol.main_average(ap.T[:, :, None])
        named = [(name, mean), (protocol.threshold_keys[nearest], ap[nearest])]
        return [(name.replace('mAP', 'AP'), values) for name, values in named]

    def at(self, chosen: OperatingPoint) -> Threshold:
        """Precision and recall of the detections that an operating point keeps, at ``VIDEO_TIOU``.

        The detections are not matched again: they were matched in the order of their scores, so that the detections
        that are left out have taken no segment from the kept ones.

        Args:
            chosen (OperatingPoint): Score thresholds.
        """
        hits, total = self.hits[chosen.keeps(self.det)], len(self.truth)
        precision = float(hits.mean()) if len(hits) else 0.0
        return Threshold(chosen.overall.score, precision, float(hits.sum() / total), total)


@naming_types()
def load_test_set(config: Config) -> GroundTruth:
    """Build the ground truth of a config's test videos, with the protocol of its metric; features are not read.

    Args:
        config (Config): Config with ``test_dataloader`` and ``test_evaluator``.

    Raises:
        InputError: A file of the dataset is missing or cannot be read.
    """
    dataset = DATASETS.build(config.test_dataloader.dataset)
    evaluators = config.test_evaluator
    metrics = [METRICS.build(entry) for entry in (evaluators if isinstance(evaluators, list) else [evaluators])]
    metric = next((metric for metric in metrics if isinstance(metric, TALMetric)), TALMetric())
    return GroundTruth.from_dataset(dataset, metric.protocol, metric.ambiguous == 'drop')


def evaluate_results(results_file: str | Path, test_set: GroundTruth) -> PointResult:
    """Evaluate a results file over all videos, as the test did, and in each video.

    Args:
        results_file: Detections in ActivityNet's format.
        test_set (GroundTruth): Ground truth of the test videos.

    Returns:
        PointResult: If there are ground-truth segments, a :class:`SegmentResult`.

    Raises:
        InputError: The file cannot be read, holds no test video, or holds detections of unknown classes only.
    """
    found = test_set.read_detections(results_file)
    det = test_set.without_ambiguous(found)
    det = det[np.argsort(-det.scores, kind='stable')]
    if not len(test_set.segments):
        video_ap = point_video_average_precision(test_set.labelled, det, len(test_set.ids))
        return PointResult(test_set, det, match_points(test_set.labelled, det) >= 0, video_ap)
    return SegmentResult(
        test_set,
        det,
        match_detections(test_set.segments, det, [VIDEO_TIOU])[0],
        test_set.video_average_precision(det, VIDEO_TIOU),
        test_set.evaluate(found),
        test_set.diagnose(det, VIDEO_TIOU),
    )
