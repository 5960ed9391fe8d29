"""Pseudo-label mining, snippet by snippet, as the paper describes it (Sec. 3.3, Algorithm 2)."""

import itertools

NO_INSTANCE = -1


def mine_video(scores, background_scores, points, instances, background, thresholds=(0.85, 0.25)):
    """Mine one video, reading and writing one snippet at a time. All sequences are lists, or all are tensors.

    Args:
        scores: ``(T, C)``, q-hat.
        background_scores: ``(T,)``, b.
        points (list[int]): Labelled snippets in time order.
        instances: ``(T, C)``, instance of each class, or -1; mined actions are written into it.
        background: ``(T,)``, all false; mined background is written into it.
        thresholds: gamma_bkg and gamma_act.
    """
    length, labelled = len(background_scores), set(points)
    edges = [-1, *points, length]
    for t in range(length):
        if t not in labelled and background_scores[t] > thresholds[0]:
            background[t] = True
    for left, right in itertools.pairwise(edges):
        inside = range(left + 1, right)
        if not len(inside) or _share_instance(instances, left, right, length):
            continue
        found = [t for t in inside if background[t]]
        if not found:
            best = inside[0]
            for t in inside:
                if background_scores[t] > background_scores[best]:
                    best = t
            found = [best]
        for t in range(found[0], found[-1] + 1):
            background[t] = True
    for left, right in itertools.pairwise(edges):
        # A snippet reaches the right point if it lies behind the last wall, and the left point if it lies before the
        # first wall. The walls are background; without background, they are chosen so that every snippet reaches both.
        walls = [t for t in range(left + 1, right) if background[t]] or [right, left]
        for t in range(left + 1, right):
            if not background[t] and background_scores[t] <= thresholds[1]:
                label = _argmax(scores[t])
                for point, reached in ((right, t > walls[-1]), (left, t < walls[0])):
                    if reached and 0 <= point < length and instances[point][label] != NO_INSTANCE:
                        instances[t] = instances[point]


def _share_instance(instances, left, right, length):
    """Check whether the two labelled snippets around an interval share an instance."""
    if left < 0 or right == length:
        return False
    return any(one == other != NO_INSTANCE for one, other in zip(instances[left], instances[right]))


def _argmax(row):
    return row.index(max(row)) if isinstance(row, list) else int(row.argmax())


def points_of(instances):
    """Labelled snippets of one video, the ``points`` of :func:`mine_video`, from its instances ``(T, C)``."""
    return (instances >= 0).any(1).nonzero()[:, 0].tolist()
