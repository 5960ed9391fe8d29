"""All detection measures of one set of predictions."""

from dataclasses import dataclass

import numpy as np

from fsptal_mm.structures import Instances
from fsptal_mm.utils.wording import counted

from .detection import detection_average_precision
from .pairs import touches_any
from .proposals import average_recall, summarize_recall
from .protocol import Protocol


@dataclass(frozen=True)
class Evaluation:
    """Result of :func:`evaluate_detections`.

    Args:
        measures (dict[str, float]): Fractions by the names of :class:`Protocol` and :func:`summarize_recall`.
        ap (np.ndarray): ``(K, C)`` average precisions; NaN for classes without a ground-truth segment.
        num_detections: Number of evaluated detections.
        num_dropped: Number of detections that were left out since they overlap an ambiguous range; ``None`` if such
            ranges were ignored.
    """

    measures: dict
    ap: np.ndarray
    num_detections: int
    num_dropped: int | None

    def describe_filter(self) -> str:
        """Describe in words which detections were evaluated."""
        if self.num_dropped is None:
            return f'all {counted(self.num_detections, "detection")} evaluated, ambiguous ranges ignored'
        dropped = counted(self.num_dropped, 'detection')
        return f'{dropped} overlapping ambiguous ranges dropped, {self.num_detections} evaluated'


def evaluate_detections(
    gt: Instances,
    det: Instances,
    num_classes: int,
    protocol: Protocol,
    ambiguous: Instances | None = None,
    proposals: bool = True,
) -> Evaluation:
    """Compute mean average precision and AR@AN.

    Args:
        gt (Instances): Ground truth; at least one segment.
        det (Instances): Detections.
        num_classes: Number of classes, C.
        protocol (Protocol): tIoUs and averages.
        ambiguous (Instances, optional): Ambiguous ranges; detections that overlap one are left out, see
            :func:`touches_any`. Default: no detection is left out.
        proposals: Whether to compute AR@AN, too.

    Returns:
        Evaluation: The measures; mAP is a mean over the classes that have a ground-truth segment.
    """
    num_dropped = None
    if ambiguous is not None:
        touches = touches_any(det, ambiguous)
        num_dropped = int(touches.sum())
        det = det[~touches]
    ap = detection_average_precision(gt, det, protocol.tiou_thresholds, num_classes)
    measures = protocol.summarize(ap)
    if proposals:
        recall, _ = average_recall(gt, det)
        measures.update(summarize_recall(recall))
    return Evaluation(measures, ap, len(det), num_dropped)
