"""Detections of a run against the true segments of its test videos."""

from dataclasses import dataclass

import numpy as np
from mmaction.registry import DATASETS, METRICS

from fsptal_mm.evaluation import TALMetric, read_results, to_instances
from fsptal_mm.evaluation.diagnosis import BUCKET_PRESETS, Diagnosis, diagnose
from fsptal_mm.evaluation.functional import (
    PRESETS,
    Evaluation,
    Protocol,
    evaluate_detections,
    match_detections,
    touches_any,
    video_average_precision,
)
from fsptal_mm.structures import Instances
from fsptal_mm.utils.configs import naming_types
from fsptal_mm.utils.errors import InputError

VIDEO_TIOU = 0.5  # at which single videos are judged: in the protocols of all benchmarks here


@dataclass(frozen=True)
class TestSet:
    """Test videos and how they are judged; times in seconds.

    Attributes:
        ids: Of the V videos.
        classes: Their names.
        durations_sec: ``(V,)``; NaN where no file has it.
        gt (Instances): True segments.
        points (Instances): Point labels, without length; none in most test sets.
        ambiguous (Instances, optional): Ranges; detections that overlap one are left out.
        protocol (Protocol): tIoUs and averages.
    """

    __test__ = False  # not a test, whatever pytest makes of the name

    ids: list
    classes: tuple
    durations_sec: np.ndarray
    gt: Instances
    points: Instances
    ambiguous: Instances | None
    protocol: Protocol

    @property
    def key(self):
        """Equal for runs that were judged on the same videos in the same way."""
        return tuple(self.ids), self.classes, self.gt.segments.tobytes(), self.gt.labels.tobytes(), self.protocol


@dataclass(frozen=True)
class Judged:
    """What a results file is worth.

    Attributes:
        test_set (TestSet): The videos.
        det (Instances): The judged detections, best first.
        hits (np.ndarray): ``(N,)`` bool: right at ``VIDEO_TIOU``.
        evaluation (Evaluation): Figures over all videos.
        video_ap (np.ndarray): ``(V,)``, see :func:`video_average_precision`; NaN without a true segment.
        diagnosis (Diagnosis): Why it errs, at ``VIDEO_TIOU``.
    """

    test_set: TestSet
    det: Instances
    hits: np.ndarray
    evaluation: Evaluation
    video_ap: np.ndarray
    diagnosis: Diagnosis


@naming_types()
def load_test_set(config):
    """The test videos that a config names, with their true segments; features are not read.

    Args:
        config (Config): With ``test_dataloader`` and ``test_evaluator``.

    Raises:
        InputError: No video has a true segment; further errors where files of the data set are missing.
    """
    dataset = DATASETS.build(config.test_dataloader.dataset)
    evaluators = config.test_evaluator
    metrics = [METRICS.build(entry) for entry in (evaluators if isinstance(evaluators, list) else [evaluators])]
    metric = next((metric for metric in metrics if isinstance(metric, TALMetric)), TALMetric())
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    videos = list({info['video_id']: info for info in infos}.values())  # windows of one video are one
    gt = Instances.from_videos(
        [video['gt_segments_sec'] for video in videos], [video['gt_segment_labels'] for video in videos]
    )
    if not len(gt):
        raise InputError('at least one true segment in the test videos', file=dataset.ann_file, found='none')
    point_sec = [] if dataset.supervision == 'segments' else [np.asarray(video['point_sec']) for video in videos]
    points = Instances.from_videos(
        [np.stack([times, times], axis=1) for times in point_sec],
        [video['point_labels'] for video in videos[: len(point_sec)]],
    )
    ambiguous = Instances.from_videos([video['ambiguous_sec'] for video in videos])
    return TestSet(
        [video['video_id'] for video in videos],
        tuple(dataset.metainfo['classes']),
        np.array([video['duration_sec'] for video in videos], dtype=np.float64),
        gt,
        points,
        ambiguous if metric.ambiguous == 'drop' else None,
        metric.protocol,
    )


def judge(results_file, test_set):
    """Evaluate a results file as the test did, and every video on its own.

    Args:
        results_file: In ActivityNet's format.
        test_set (TestSet): The videos.

    Raises:
        InputError: The file cannot be read, holds other videos, or no detection of a known class.
    """
    det = to_instances(read_results(results_file), test_set.ids, test_set.classes, file=results_file)
    if not len(det):
        raise InputError('detections of the classes of the test videos', file=results_file, found='none')
    evaluation = evaluate_detections(test_set.gt, det, len(test_set.classes), test_set.protocol, test_set.ambiguous)
    if test_set.ambiguous is not None:
        det = det[~touches_any(det, test_set.ambiguous)]
    det = det[np.argsort(-det.scores, kind='stable')]
    hits = match_detections(test_set.gt, det, [VIDEO_TIOU])[0]
    video_ap = video_average_precision(test_set.gt, det, VIDEO_TIOU, len(test_set.ids))
    diagnosis = diagnose(
        test_set.gt,
        det,
        len(test_set.classes),
        test_set.durations_sec,
        test_set.protocol.tiou_thresholds,
        VIDEO_TIOU,
        BUCKET_PRESETS['activitynet' if test_set.protocol == PRESETS['activitynet'] else 'thumos14'],
    )
    return Judged(test_set, det, hits, evaluation, video_ap, diagnosis)
