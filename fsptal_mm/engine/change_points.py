"""Boundaries of labelled instances from snippet scores: change points of the scores between neighbouring points."""

import numpy as np

_MIN_SCORE = 1e-4  # scores are clamped to lie at least this far from 0 and 1, before a logarithm
_NEVER = -1e18  # log-likelihood of what is impossible


def decode_change_points(
    scores: np.ndarray,
    background_scores: np.ndarray,
    points: np.ndarray,
    labels: np.ndarray,
    found: np.ndarray | None = None,
    background_weight: float = 2.0,
    temperature: float = 2.0,
) -> np.ndarray:
    """Find the boundaries of every labelled instance of a video.

    Between a point and the next one of any class, a video goes through at most three states: the action of the point,
    background, the action of the next point. Before the first and after the last point, the third state is missing.
    The log-likelihood of a snippet is ``log q-hat`` of the class, or ``log b`` for background. The boundary is the end
    of the first state: the mean over all its possible places, each weighted by the likelihood of the best split there.
    So an uncertain boundary lies between its possible places. Cumulative sums and maxima (dynamic programming) find it
    in time linear in the number of snippets.

    Args:
        scores (np.ndarray): ``(T, C)`` final scores, q-hat.
        background_scores (np.ndarray): ``(T,)``, b.
        points (np.ndarray): ``(N, 2)`` first and last point of each instance, as fractional positions in snippets.
        labels (np.ndarray): ``(N,)`` classes.
        found (np.ndarray, optional): ``(N, 2)`` segments found for the instances. Two instances of different classes
            whose segments hold each other's points overlap in time, so that neither counts as the next point of the
            other.
        background_weight: Factor on ``log b``. It balances the two likelihoods, since final scores are lower than
            background scores.
        temperature: Divides the log-likelihoods of splits before they become weights, since neighbouring snippets are
            correlated.

    Returns:
        np.ndarray: ``(N, 2)`` starts and ends in snippets; each segment contains its points.
    """
    of_class = np.log(np.clip(scores, _MIN_SCORE, 1 - _MIN_SCORE))
    of_background = background_weight * np.log(np.clip(background_scores, _MIN_SCORE, 1 - _MIN_SCORE))
    last = len(of_background) - 1
    rows = np.clip(np.floor(points), 0, last).astype(np.int64)
    segments = np.array(points, dtype=np.float64)
    for index, (row, label) in enumerate(zip(rows, labels)):
        is_neighbour = ~_at_once(index, points, labels, found) if found is not None else True
        later = np.flatnonzero((points[:, 0] > points[index, 1]) & is_neighbour)
        earlier = np.flatnonzero((points[:, 1] < points[index, 0]) & is_neighbour)
        after = later[points[later, 0].argmin()] if len(later) else None
        before = earlier[points[earlier, 1].argmax()] if len(earlier) else None
        # Side 0 is the start: snippets run backwards from the first point of the instance to the last point of the
        # instance before, or to the start of the video. Side 1 is the end: snippets run forwards from the last point of
        # the instance to the first point of the next instance, or to the end of the video.
        for side, neighbour, step in ((0, before, -1), (1, after, 1)):
            stop = (0, last)[side] if neighbour is None else rows[neighbour, 1 - side]
            snippets = np.arange(row[side], stop + step, step)
            other = None if neighbour is None else of_class[snippets, labels[neighbour]]
            count = _mean_count(of_class[snippets, label], of_background[snippets], other, temperature)
            edge = row[1] + count if side else row[0] + 1 - count
            segments[index, side] = (min, max)[side](edge, points[index, side])  # a segment always holds its points
    return segments


def _at_once(index, points, labels, found):
    """Instances of other classes that overlap in time with the instance of this index, ``(N,)`` bool."""
    start, end = found[index]
    inside = (start <= points[:, 0]) & (points[:, 1] <= end)
    around = (found[:, 0] <= points[index, 0]) & (points[index, 1] <= found[:, 1])
    return inside & around & (labels != labels[index])


def _mean_count(own, background, other, temperature):
    """Number of snippets that belong to the first of at most three states, on average over its possible ends.

    A split gives snippets ``[0, i)`` to the first state, ``[i, j)`` to background and ``[j, N)`` to the third state.
    With sums S of log-likelihoods over the snippets before a position, its log-likelihood is
    ``S_own[i] + (S_background[j] - S_background[i]) + (S_other[N] - S_other[j])``. Each i is taken with its best j, and
    weighted by the likelihood of this split.

    Args:
        own (np.ndarray): ``(N,)`` log-likelihood of the first state; snippet 0 is in it.
        background (np.ndarray): ``(N,)`` log-likelihood of background.
        other (np.ndarray, optional): ``(N,)`` log-likelihood of the third state; the last snippet is in it. ``None`` if
            there is no third state.
        temperature: See :func:`decode_change_points`.
    """
    own, background = (np.concatenate([[0], np.cumsum(part)]) for part in (own, background))
    # All terms of the log-likelihood with j in them, for every j.
    if other is None:  # background lasts to the end
        rest = np.full(len(own), _NEVER)
        rest[-1] = background[-1]
    else:
        other = np.concatenate([[0], np.cumsum(other)])
        rest = background - other + other[-1]
        if len(own) > 2:  # the last snippet is in the third state, unless both points lie in the same snippet
            rest[-1] = _NEVER
    best_rest = np.maximum.accumulate(rest[::-1])[::-1]  # over all j >= i
    largest = len(own) - 1 if other is None else max(1, len(own) - 2)
    counts = np.arange(1, largest + 1)  # every possible i
    score = (own - background + best_rest)[counts] / temperature
    weight = np.exp(score - score.max())
    return float((weight * counts).sum() / weight.sum())
