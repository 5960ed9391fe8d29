"""Order in which to label: uncertain detections first, and videos that differ from those labelled."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fsptal_mm.utils.errors import InputError

_LIKELY = 0.5  # of the threshold: lower scores are many, and hardly ever an action


def count_threshold(scores: np.ndarray, count: float) -> float:
    """Score from which on about ``count`` detections count.

    It stands for an operating point while there are too few held-out points to choose one: where detections are as many
    as actions, false positives are as many as missed actions.

    Args:
        scores (np.ndarray): ``(N,)`` scores of all detections in some videos.
        count: Expected number of actions in these videos.

    Raises:
        InputError: There is no detection, or none with a positive score.
    """
    ranked = np.sort(scores[scores > 0])[::-1]
    if not len(ranked):
        raise InputError('detections with positive scores', field='results', found=f'{len(scores)} others')
    return float(ranked[int(np.clip(round(count), 1, len(ranked))) - 1])


def uncertainty(scores: np.ndarray, thresholds: np.ndarray | float) -> np.ndarray:
    """Uncertainty of detections: 1 at the threshold, 1/2 at half of it and at twice of it, 0 at a score of 0.

    Scores are no probabilities, so no entropy is computed of them: only their ratio to the threshold counts.

    Args:
        scores (np.ndarray): ``(N,)``; negative ones count as 0.
        thresholds (np.ndarray | float): Positive score thresholds: that of the class of each detection, or one for all.

    Returns:
        np.ndarray: ``(N,)``, from 0 to 1.
    """
    scores = np.maximum(scores, 0.0)
    return np.minimum(scores, thresholds) / np.maximum(scores, thresholds)


def likely_detections(found: Mapping[str, Any], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Detections of a video from half of their threshold on, the most uncertain first.

    Args:
        found (dict): Entry of :func:`.read_results`.
        thresholds (dict[str, float]): Score threshold of each class by its name; other classes are left out.

    Returns:
        dict: Likewise, with ``uncertainty (N,)``.
    """
    limits = np.array([thresholds.get(label, np.inf) for label in found['labels']], dtype=np.float64)
    kept = np.flatnonzero(found['scores'] >= _LIKELY * limits)
    unsure = uncertainty(found['scores'][kept], limits[kept])
    order = np.argsort(-unsure, kind='stable')
    kept = kept[order]
    return {
        'segments_sec': found['segments_sec'][kept],
        'scores': found['scores'][kept],
        'labels': [found['labels'][index] for index in kept],
        'uncertainty': unsure[order],
    }


def rank_videos(uncertainties: Sequence[float], features: np.ndarray, labelled: np.ndarray) -> list[int]:
    """Order videos by what labelling them may teach: uncertain, and different from those labelled.

    Greedy: the next video is the one with the largest product of its uncertainty and its distance to the nearest video
    that is labelled or comes before it. With equal uncertainties, this is farthest-first traversal (Gonzalez 1985), the
    core-set rule of active learning (Sener & Savarese 2018).

    Args:
        uncertainties (Sequence[float]): Of V videos that are not labelled, from 0 to 1.
        features (np.ndarray): ``(V, D)`` mean features of these videos.
        labelled (np.ndarray): ``(L, D)`` those of the labelled ones, L at least 1.

    Returns:
        list[int]: Indices of the V videos, the most valuable first.
    """
    features, labelled = np.asarray(features, dtype=np.float64), np.asarray(labelled, dtype=np.float64)
    nearest = np.linalg.norm(features[:, None] - labelled, axis=2).min(1)
    order = []
    while len(order) < len(features):
        values = np.asarray(uncertainties) * nearest
        values[order] = -1
        order.append(int(np.argmax(values)))
        nearest = np.minimum(nearest, np.linalg.norm(features - features[order[-1]], axis=1))
    return order
