"""Measures of video-level classification."""

import numpy as np


def classification_measures(scores: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Compute mean average precision and top-1 accuracy of video-level class scores.

    The average precision is the area under the precision-recall curve without interpolation. Videos of equal score are
    one step of the curve, so that their order does not matter.

    Args:
        scores (np.ndarray): ``(V, C)`` class scores.
        labels (np.ndarray): ``(V, C)``, 0 or 1; videos without a label are negatives of every class.

    Returns:
        dict[str, float]: ``video_mAP``, the mean over the classes with at least one video, and ``video_top1``, the
        share of labelled videos whose highest score belongs to one of their classes. The dict is empty if no video
        has a label.
    """
    labels = np.asarray(labels, dtype=bool)
    if not labels.any():
        return {}
    ap = [_average_precision(scores[:, label], labels[:, label]) for label in np.flatnonzero(labels.any(axis=0))]
    labelled = labels.any(axis=1)
    top = scores[labelled].argmax(axis=1)
    return {
        'video_mAP': float(np.mean(ap)),
        'video_top1': float(labels[labelled][np.arange(len(top)), top].mean()),
    }


def _average_precision(scores, positive):
    """Average precision of one class; ``positive`` ``(V,)`` bool tells which videos show the class."""
    order = np.argsort(-scores, kind='stable')
    last_of_ties = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)
    found = np.cumsum(positive[order])[last_of_ties]
    # The mean over the positive videos of the precision at the last video with the same score. This precision is
    # found / (last_of_ties + 1), and np.diff(found) counts the positive videos that have it.
    return (np.diff(found, prepend=0) * found / (last_of_ties + 1)).sum() / positive.sum()
