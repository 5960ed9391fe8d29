"""Sentences about results, for readers who do not know the tables."""

import numpy as np

from fsptal_mm.utils.wording import counted

from .diagnosis import Diagnosis
from .functional import Evaluation
from .ground_truth import GroundTruth

_ERRORS = {
    'double_detection': 'second detections of the same action',
    'wrong_label': 'wrong classes with good boundaries',
    'localization': 'inexact boundaries',
    'confusion': 'wrong classes with inexact boundaries',
    'background': 'detections where no action is',
}


def describe_result(ground_truth: GroundTruth, evaluation: Evaluation, diagnosis: Diagnosis | None = None) -> str:
    """Describe how good detections are, which type of error costs the most mAP, and which class has the lowest AP.

    Args:
        ground_truth (GroundTruth): Ground truth of the videos.
        evaluation (Evaluation): Evaluation of the detections.
        diagnosis (Diagnosis, optional): Diagnosis of the same detections. Without it, errors are not named.

    Returns:
        str: One sentence without a full stop; figures in percent.
    """
    protocol = ground_truth.protocol
    key = [*protocol.average_keys, *protocol.threshold_keys][0]
    span = key.removeprefix('mAP@')
    parts = [f'{100 * evaluation.measures[key]:.1f} mAP (tIoU {span}, {counted(len(ground_truth.ids), "video")})']
    if diagnosis is not None:
        parts.append(_losses(diagnosis))
    class_ap = evaluation.ap.mean(axis=0)
    known = np.flatnonzero(~np.isnan(class_ap))
    if len(known) > 1:
        worst = known[np.argmin(class_ap[known])]
        count = int((ground_truth.segments.labels == worst).sum())
        segments = counted(count, 'segment')
        parts.append(f'worst class {ground_truth.classes[worst]} (AP {100 * class_ap[worst]:.1f}, {segments})')
    return '; '.join(parts)


def _losses(diagnosis):
    """Describe the type of error with the largest gain, and the share of missed segments."""
    missed = f'{100 * diagnosis.num_missed / diagnosis.num_instances:.0f} % of the segments are missed'
    kind, gain = max(((kind, gain.mean_ap) for kind, gain in diagnosis.gains.items()), key=lambda pair: pair[1])
    if gain <= 0:
        return missed
    return f'most is lost by {_ERRORS[kind]} ({100 * gain:.1f} points), {missed}'
