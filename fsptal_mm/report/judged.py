"""Detections of a run against the ground truth of its test videos."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmaction.registry import DATASETS, METRICS
from mmengine.config import Config

from fsptal_mm.evaluation import GroundTruth, TALMetric
from fsptal_mm.evaluation.diagnosis import Diagnosis
from fsptal_mm.evaluation.functional import Evaluation, match_detections
from fsptal_mm.evaluation.operating_point import OperatingPoint, Threshold
from fsptal_mm.structures import Instances
from fsptal_mm.utils.configs import naming_types

VIDEO_TIOU = 0.5  # tIoU at which single videos are evaluated: part of the protocols of all benchmarks here


@dataclass(frozen=True, eq=False)
class Judged:
    """Evaluation of a results file.

    Attributes:
        test_set: Ground truth of the test videos.
        det: The evaluated detections, best first.
        hits: ``(N,)`` bool: true positives at ``VIDEO_TIOU``.
        evaluation: Measures over all videos.
        video_ap: ``(V,)``, see :func:`video_average_precision`; NaN without a ground-truth segment.
        diagnosis: Error analysis, at ``VIDEO_TIOU``.
    """

    test_set: GroundTruth
    det: Instances
    hits: np.ndarray
    evaluation: Evaluation
    video_ap: np.ndarray
    diagnosis: Diagnosis

    def at(self, chosen: OperatingPoint) -> Threshold:
        """Precision and recall at an operating point, by the ground-truth segments of the test videos.

        A detection keeps its match: those of lower scores never took its segment.
        """
        hits, total = self.hits[chosen.keeps(self.det)], len(self.test_set.segments)
        precision = float(hits.mean()) if len(hits) else 0.0
        return Threshold(chosen.overall.score, precision, float(hits.sum() / total), total)


@naming_types()
def load_test_set(config: Config) -> GroundTruth:
    """Build the ground truth of a config's test videos, with the protocol of its metric; features are not read.

    Args:
        config (Config): With ``test_dataloader`` and ``test_evaluator``.

    Raises:
        InputError: A file of the dataset is missing.
    """
    dataset = DATASETS.build(config.test_dataloader.dataset)
    evaluators = config.test_evaluator
    metrics = [METRICS.build(entry) for entry in (evaluators if isinstance(evaluators, list) else [evaluators])]
    metric = next((metric for metric in metrics if isinstance(metric, TALMetric)), TALMetric())
    return GroundTruth.from_dataset(dataset, metric.protocol, metric.ambiguous == 'drop')


def judge(results_file: str | Path, test_set: GroundTruth) -> Judged:
    """Evaluate a results file as the test did, and each video alone.

    Args:
        results_file: In ActivityNet's format.
        test_set (GroundTruth): Ground truth of the test videos.

    Raises:
        InputError: The file cannot be read, holds other videos, or detections of unknown classes only.
    """
    found = test_set.read_detections(results_file)
    det = test_set.without_ambiguous(found)
    det = det[np.argsort(-det.scores, kind='stable')]
    return Judged(
        test_set,
        det,
        match_detections(test_set.segments, det, [VIDEO_TIOU])[0],
        test_set.evaluate(found),
        test_set.video_average_precision(det, VIDEO_TIOU),
        test_set.diagnose(det, VIDEO_TIOU),
    )
