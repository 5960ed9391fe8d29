"""Order in which to label videos: those with uncertain detections that differ from the labelled videos come first."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fsptal_mm.utils.errors import InputError

# Detections with scores below this share of their threshold are left out: they are many, and hardly any is an action.
_LIKELY = 0.5


def count_threshold(scores: np.ndarray, count: float) -> float:
    """Choose the score threshold that about ``count`` detections reach.

    This threshold replaces an operating point as long as there are too few held-out points to choose one. About as many
    detections reach it as there are actions. So there are about as many false positives as missed actions.

    Args:
        scores (np.ndarray): ``(N,)`` scores of all detections in some videos.
        count: Expected number of actions in these videos.

    Raises:
        InputError: No detection has a positive score.
    """
    ranked = np.sort(scores[scores > 0])[::-1]
    if not len(ranked):
        raise InputError('detections with positive scores', field='results', found=f'{len(scores)} others')
    return float(ranked[int(np.clip(round(count), 1, len(ranked))) - 1])


def uncertainty(scores: np.ndarray, thresholds: np.ndarray | float) -> np.ndarray:
    """Compute the uncertainty of detections: 1 at the threshold, 1/2 at half and at twice the threshold, 0 at score 0.

    The uncertainty is ``min(score, threshold) / max(score, threshold)``. Scores are not probabilities, so their entropy
    would mean nothing.

    Args:
        scores (np.ndarray): ``(N,)`` scores; a negative score counts as 0.
        thresholds (np.ndarray | float): Positive score thresholds: one for each detection (that of its class), or one
            for all.

    Returns:
        np.ndarray: ``(N,)``, from 0 to 1.
    """
    scores = np.maximum(scores, 0.0)
    return np.minimum(scores, thresholds) / np.maximum(scores, thresholds)


def likely_detections(found: Mapping[str, Any], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Choose the detections of a video whose scores reach half of their threshold, the most uncertain first.

    Args:
        found (dict): Detections of a video, as :func:`.read_results` returns them.
        thresholds (dict[str, float]): Score threshold of each class by its name; other classes are left out.

    Returns:
        dict: The chosen detections in the same form, with ``uncertainty (N,)``, and with ``best_sec (N,)`` if ``found``
        has it.
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
        **({'best_sec': found['best_sec'][kept]} if 'best_sec' in found else {}),
    }


def rank_videos(
    uncertainties: Sequence[float], features: np.ndarray, labelled: np.ndarray
) -> tuple[list[int], list[float]]:
    """Order unlabelled videos: uncertain videos that differ from the labelled videos come first.

    The order is greedy. The next video has the largest product of two numbers: its uncertainty, and the distance from
    its features to those of the nearest video that is labelled or already in the order. With equal uncertainties, this
    is farthest-first traversal (Gonzalez 1985), the core-set rule of active learning (Sener & Savarese 2018).

    Args:
        uncertainties (Sequence[float]): Uncertainties of V unlabelled videos, from 0 to 1.
        features (np.ndarray): ``(V, D)`` mean features of these videos.
        labelled (np.ndarray): ``(L, D)`` mean features of the labelled videos, L at least 1.

    Returns:
        tuple[list[int], list[float]]: Indices of the V videos, in the order in which to label them; and for each of
        them, the distance to the nearest video that was labelled or earlier in the order.
    """
    features, labelled = np.asarray(features, dtype=np.float64), np.asarray(labelled, dtype=np.float64)
    nearest = np.linalg.norm(features[:, None] - labelled, axis=2).min(1)
    order, distances = [], []
    while len(order) < len(features):
        values = np.asarray(uncertainties) * nearest
        values[order] = -1
        order.append(int(np.argmax(values)))
        distances.append(float(nearest[order[-1]]))
        nearest = np.minimum(nearest, np.linalg.norm(features - features[order[-1]], axis=1))
    return order, distances
