"""Exact search for the highest outer-inner contrast by dynamic programming; numpy, on the host."""

from dataclasses import replace

import numpy as np

from .beam import beam_search, lacp_beam_search
from .problem import ContrastTable, Ways

_WAYS_AT_ONCE = 2**18  # to place segments, some 30 MB, or those of a single level


def search_switches(switches, max_combinations, beam_width):
    """Positions of all switches of the highest contrast; see ``SegmentSearcher``.

    Args:
        switches (Switches): M switches.
        max_combinations: See ``SegmentSearcher``.
        beam_width: See :func:`beam_search`.

    Returns:
        np.ndarray: ``(M,)`` positions.
    """
    if switches.weight[switches.background].any():
        return beam_search(switches, beam_width)
    sizes = span_sizes(switches)
    heavy = sizes.prod(0, dtype=np.float64) > max_combinations
    if heavy.any():
        chains = np.unique(switches.chain[switches.action[heavy]])
        switches = _narrow(switches, lacp_beam_search(switches, chains), sizes, heavy, max_combinations)
    return _exact_search(switches)


def span_sizes(switches):
    """How many places there are for the four switches that each segment's contrast depends on; ``(4, N)``."""
    spans, _ = _spans(switches)
    return spans[:, 1] - spans[:, 0] + 1


def _narrow(switches, positions, sizes, heavy, max_combinations):
    """Leave heavy segments a window around given positions only, as wide as their combinations allow."""
    window = sizes[:, heavy].max(0)
    too_many = np.ones(len(window), dtype=bool)
    while too_many.any():
        too_many = np.minimum(sizes[:, heavy], window).prod(0, dtype=np.float64) > max_combinations
        window = np.where(too_many, window - window // 8 - 1, window)
    reach = np.full(len(switches.first), positions.max())
    for shift, size in zip(range(-1, 3), sizes[:, heavy]):
        free = size > 1
        np.minimum.at(reach, switches.action[heavy][free] + shift, (window[free] - 1) // 2)
    first, last = np.maximum(switches.first, positions - reach), np.minimum(switches.last, positions + reach)
    return replace(switches, first=first, last=last)


def _spans(switches):
    """Ranges of the four switches that each segment's contrast depends on, ``(4, 2, N)``, and links ``(N,)`` bool.

    A segment is linked to the one before it if one may limit the other's outer range in more than one way. Where it
    is not, the neighbour's switch counts as fixed.
    """
    spans = np.stack(
        [[bound[switches.action + shift] for bound in (switches.first, switches.last)] for shift in range(-1, 3)]
    )
    before, start, end, after = spans
    linked = np.zeros(len(switches.action), dtype=bool)
    if switches.original:
        before[:] = np.where(before[1] == start[0], start[0], 0)
        after[:] = np.where(after[0] == end[1], end[1], switches.length[switches.action])
        return spans, linked
    reach = switches.reach(start[0], end[1])
    left_varies = (before[0] < before[1]) & (start[0] - reach < before[1])
    right_varies = (after[0] < after[1]) & (end[1] + reach > after[0])
    linked[1:] = right_varies[:-1] | left_varies[1:]
    before[0] = np.where(linked, before[0], before[1])
    after[1] = np.where(np.append(linked[1:], False), after[1], after[0])
    return spans, linked


def _exact_search(switches):
    """Best positions where only action segments are scored.

    Linked segments are solved in time order, those of all chains side by side. Of the segments before, one needs to
    know the end of the last only, and only as far as that limits its outer range.
    """
    spans, linked = _spans(switches)
    index = np.arange(len(linked))
    depth = index - np.maximum.accumulate(np.where(linked, 0, index))
    order = np.argsort(depth, kind='stable')
    levels = np.split(order, np.cumsum(np.bincount(depth))[:-1])
    table = ContrastTable(switches, spans, order)
    for block in _blocks(levels, spans):
        members = np.concatenate([levels[level] for level in block])
        ways = Ways.of_segments(switches, members, spans[..., members], table.first_cell)
        cuts = np.searchsorted(ways.cell, [table.first_cell[levels[level][0]] for level in block]).tolist()
        for level, start, stop in zip(block, cuts, [*cuts[1:], None]):
            table.solve(levels[level], ways.take(slice(start, stop)), linked=level > 0)
    positions = switches.first.copy()
    cells = np.full(len(linked), -1)
    for members in reversed(levels):
        cell = cells[members]
        cell = np.where(cell < 0, table.best_end[table.last_cell[members]], cell)  # < 0: nothing linked follows
        positions[switches.action[members]] = table.start[cell]
        positions[switches.action[members] + 1] = table.end[cell]
        has_before = linked[members]
        cells[members[has_before] - 1] = table.before[cell[has_before]]
    return positions


def _blocks(levels, spans):
    """Numbers of levels that follow each other, in lists, so that there are not too many ways at once."""
    sizes = (spans[:3, 1] - spans[:3, 0] + 1).prod(0)
    block = np.cumsum([sizes[members].sum() for members in levels]) // _WAYS_AT_ONCE
    return np.split(np.arange(len(levels)), np.flatnonzero(np.diff(block)) + 1)
