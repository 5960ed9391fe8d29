"""Beam search for the highest outer-inner contrast: affordable for gaps of any size and runs of any kind."""

import numpy as np

from .switches import Switches, ragged

_LACP_BUDGET = 25  # Lee & Byun, ICCV 2021, implementation details


def beam_search(switches: Switches, width: int) -> np.ndarray:
    """Search all chains from left to right, with dominance pruning: of candidates in one state, the best is kept.

    The state is all that later runs depend on: the last two switches, and how far the outer range before them reaches.
    Exact where there are never more than ``width`` states; where there are, the result is replaced by that of
    :func:`lacp_beam_search` if that is better.

    Args:
        switches (Switches): M switches.
        width: Candidates kept at every switch.

    Returns:
        np.ndarray: ``(M,)`` positions.
    """
    begin, final = _parts(switches)
    positions, dropped = _search(switches, begin, final, width, dominance=True)
    chains = np.unique(switches.chain[begin[dropped]])
    if len(chains):
        other = lacp_beam_search(switches, chains)
        better = _sums(switches, other) > _sums(switches, positions)
        positions = np.where((better & np.isin(np.arange(len(better)), chains))[switches.chain], other, positions)
    return positions


def lacp_beam_search(switches: Switches, chains: np.ndarray) -> np.ndarray:
    """Search some chains from left to right as LACP does, with a budget of 25 candidates.

    Partial candidates are ranked by the contrasts of their runs so far: of the last run as if nothing limited its right
    outer range, and of the run that has just begun as if it ended at the next seed.

    Args:
        switches (Switches): M switches.
        chains (np.ndarray): ``(G,)`` the chains, values of ``switches.chain``.

    Returns:
        np.ndarray: ``(M,)`` positions; of other chains the first possible ones.
    """
    size = np.bincount(switches.chain)
    begin = np.cumsum(size) - size
    return _search(switches, begin[chains], (begin + size - 1)[chains], _LACP_BUDGET, dominance=False)[0]


def _parts(switches):
    """First and last switches of the parts of chains that can be searched by themselves.

    A run depends on four switches: three in a row that are fixed separate the runs up to the first from those after it.
    """
    fixed = switches.first == switches.last
    new_chain = np.append(True, switches.chain[1:] != switches.chain[:-1])
    cut = np.zeros_like(fixed)
    cut[:-2] = fixed[:-2] & fixed[1:-1] & fixed[2:] & (switches.chain[:-2] == switches.chain[2:])
    begin = np.flatnonzero(cut | new_chain)
    last = np.append(np.where(new_chain[begin[1:]], begin[1:] - 1, begin[1:] + 2), len(cut) - 1)
    return begin, last


def _search(switches, begin, final, width, dominance):
    """Search parts of chains side by side, each from the switch ``begin`` to the switch ``final``; ``(P,)``.

    Returns:
        tuple[np.ndarray, np.ndarray]: ``(M,)`` positions, the first possible ones elsewhere; and ``(P,)`` bool, whether
        candidates were dropped.
    """
    part, value = np.arange(len(begin)), np.zeros(len(begin))
    left, start, end = np.zeros_like(begin), switches.first[begin], switches.first[begin + 1]
    dropped = np.zeros(len(begin), dtype=bool)
    history = []
    for depth in range((final - begin).max() - 1):
        # A part that is through waits at its last switch. Its first run belongs to the part before.
        run, following = (np.minimum(begin + depth + shift, final)[part] for shift in (0, 2))
        parent, after = ragged(switches.last[following] - switches.first[following] + 1)
        after += switches.first[following][parent]
        part, run, left, start, end, value = (array[parent] for array in (part, run, left, start, end, value))
        scored = (begin[part] < run) & (run + 2 <= final[part])
        right = switches.right(run, start, end, after)
        value = value + scored * switches.contrast(run, left, start, end, right)
        run = np.minimum(run + 1, final[part])
        left = np.where(switches.scored[run], switches.left(run, start, end, after), 0)
        keep = _dominant((part, left, end, after), value) if dominance else np.arange(len(part))
        too_many = np.bincount(part[keep]) > width
        if too_many.any():
            dropped |= too_many
            seen = _outlook(switches, *(array[keep] for array in (run, left, end, after)), final[part[keep]])
            keep = keep[_best(part[keep], value[keep] + seen, width)]
        part, left, start, end, value = (array[keep] for array in (part, left, end, after, value))
        history.append((parent[keep], end))
    best = _best(part, value, 1)
    positions = switches.first.copy()
    for depth, (parent, end) in reversed(list(enumerate(history))):
        positions[np.minimum(begin + depth + 2, final)] = end[best]
        best = parent[best]
    return positions, dropped


def _outlook(switches, run, left, start, end, final):
    """Contrast of the last run and of the one that has just begun, see :func:`lacp_beam_search`."""
    video_stop, following = switches.stop[run], np.minimum(run + 1, final)
    stop = switches.first[np.minimum(run + 2, final)]
    last = switches.contrast(run, left, start, end, switches.right(run, start, end, video_stop))
    left, right = switches.left(following, start, end, stop), switches.right(following, end, stop, video_stop)
    return last + switches.contrast(following, left, end, stop, right)


def _dominant(keys, value):
    """Indices, ascending, of the best of all candidates in the same state, which the keys name."""
    order = np.lexsort((-value, *keys[::-1]))
    changes = [part[order][1:] != part[order][:-1] for part in keys]
    return np.sort(order[np.append(True, np.logical_or.reduce(changes))])


def _best(group, value, count):
    """Indices of the ``count`` largest values of each group, groups ascending, ties in the order given."""
    order = np.lexsort((-value, group))
    group = group[order]
    return order[np.arange(len(order)) - np.searchsorted(group, group) < count]


def _sums(switches, positions):
    """Sum of contrasts of every chain; ``(K,)``."""
    runs = switches.scored_runs(positions)
    return np.bincount(switches.chain[runs[0]], switches.contrast(*runs))
