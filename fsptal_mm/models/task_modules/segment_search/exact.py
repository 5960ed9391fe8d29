"""Exact search for the highest outer-inner contrast: dynamic programming over (end, start of the next segment).

Let segment i of a chain be ``[s_i, t_i)`` and ``r = ceil(delta (t_i - s_i))`` the reach of its outer ranges. The
segments beside it limit them (Eq. 8), so that its contrast depends on four switches:

    contrast_i = mean[s_i, t_i) - mean([left, s_i) and [t_i, right))
    left = max(t_{i-1}, s_i - r),  right = min(s_{i+1}, t_i + r)

The state after segment i is ``(t_i, s_{i+1})``; its value is the best sum of contrasts up to there:

    V_i(t_i, s_{i+1}) = max over (t_{i-1}, s_i) of V_{i-1}(t_{i-1}, s_i) + contrast_i

Dominance leaves few of the transitions:
- The ends ``t_{i-1} <= s_i - r`` are all the same to segment i: only the one of the highest value counts.
- The starts ``s_{i+1} >= t_i + r`` are all the same, too: they share one transition.
With G places for each switch, R of which limit an outer range, it takes O(G^2 R^2) steps for a segment instead of
O(G^4), and O(G^2) memory for values and back pointers. The i-th segments of all chains are solved together, in numpy.
"""

from dataclasses import replace

import numpy as np

from .beam import beam_search, lacp_beam_search
from .switches import Switches, ragged


def search_switches(switches: Switches, max_combinations: int, beam_width: int) -> np.ndarray:
    """Positions of all switches of the highest contrast; see ``SegmentSearcher``.

    Args:
        switches (Switches): M switches.
        max_combinations: See ``SegmentSearcher``.
        beam_width: See :func:`beam_search`.

    Returns:
        np.ndarray: ``(M,)`` positions.
    """
    if switches.scored[switches.background].any():
        return beam_search(switches, beam_width)
    sizes = span_sizes(switches)
    heavy = sizes.prod(0, dtype=np.float64) > max_combinations
    if heavy.any():
        chains = np.unique(switches.chain[switches.action[heavy]])
        switches = _narrow(switches, lacp_beam_search(switches, chains), sizes, heavy, max_combinations)
    return _exact_search(switches, max_combinations)


def span_sizes(switches: Switches) -> np.ndarray:
    """Number of places for the four switches that the contrast of each segment depends on; ``(4, N)``."""
    first, last, _ = _spans(switches)
    return last - first + 1


def _narrow(switches, positions, sizes, heavy, max_combinations):
    """Leave heavy segments a window around given positions only, as wide as their combinations allow."""
    window = sizes[:, heavy].max(0)
    too_many = np.ones(len(window), dtype=bool)
    while too_many.any():
        too_many = np.minimum(sizes[:, heavy], window).prod(0, dtype=np.float64) > max_combinations
        window = np.where(too_many, window - window // 8 - 1, window)
    reach = switches.last - switches.first
    for shift, size in zip(range(-1, 3), sizes[:, heavy]):
        free = size > 1
        np.minimum.at(reach, switches.action[heavy][free] + shift, (window[free] - 1) // 2)
    first, last = np.maximum(switches.first, positions - reach), np.minimum(switches.last, positions + reach)
    return replace(switches, first=first, last=last)


def _spans(switches):
    """Places of the four switches that the contrast of each segment depends on, and which segments are linked.

    A segment is linked to the one before it if one may limit the outer range of the other in more than one way.
    Otherwise they are searched apart, and to each of them the other's switch is fixed.

    Returns:
        tuple[np.ndarray, np.ndarray, np.ndarray]: First and last positions, ``(4, N)`` each, of the end before, the
        start, the end and the start after; and ``(N,)`` bool, linked to the segment before.
    """
    around = switches.action + np.arange(-1, 3)[:, None]
    first, last = switches.first[around], switches.last[around]
    linked = np.zeros(len(switches.action), dtype=bool)
    if switches.original:
        first[0] = last[0] = np.where(last[0] == first[1], first[1], switches.begin[switches.action])
        first[3] = last[3] = np.where(first[3] == last[2], last[2], switches.stop[switches.action])
        return first, last, linked
    reach = switches.reach(first[1], last[2])
    left_varies = (first[0] < last[0]) & (first[1] - reach < last[0])
    right_varies = (first[3] < last[3]) & (last[2] + reach > first[3])
    linked[1:] = right_varies[:-1] | left_varies[1:]
    first[0] = np.where(linked, first[0], last[0])
    last[3] = np.where(np.append(linked[1:], False), last[3], first[3])
    return first, last, linked


def _exact_search(switches, max_combinations):
    """Best positions where only action segments are scored; ``max_combinations`` bounds what is in memory at once."""
    first, last, linked = _spans(switches)
    index = np.arange(len(linked))
    depth = index - np.maximum.accumulate(np.where(linked, 0, index))  # place in a row of linked segments
    order = np.argsort(depth, kind='stable')
    share = np.cumsum((last - first + 1)[:, order].prod(0, dtype=np.float64)) // max_combinations
    batches = np.split(order, np.flatnonzero((np.diff(depth[order]) > 0) | (np.diff(share) > 0)) + 1)
    table = _StateTable(switches, first, last, order)
    for segments in batches:
        table.solve(segments, is_linked=linked[segments[0]])

    positions = switches.first.copy()
    state = table.best_end[table.last_state]  # where no linked segment follows
    for segments in reversed(batches):
        positions[switches.action[segments]] = table.start[state[segments]]
        positions[switches.action[segments] + 1] = table.end[state[segments]]
        following = segments[linked[segments]]
        state[following - 1] = table.previous[state[following]]
    return positions


class _StateTable:
    """Values and back pointers of all states ``(t_i, s_{i+1})`` of all segments.

    Segments lie in the order of solution; of a segment, states lie next start after next start, and of that end after
    end.

    Args:
        switches (Switches): All switches.
        first (np.ndarray): ``(4, N)`` first positions, see :func:`_spans`.
        last (np.ndarray): ``(4, N)`` last positions.
        order (np.ndarray): ``(N,)`` the segments in the order of solution.

    Attributes:
        first_state: ``(N,)`` first state of each segment.
        last_state: ``(N,)`` last state of each segment.
        value: ``(states,)`` V, the best sum of contrasts up to the segment.
        end: ``(states,)`` ``t_i``.
        start: ``(states,)`` back pointer to ``s_i``.
        previous: ``(states,)`` back pointer to the state of the segment before.
        best_end: ``(states,)`` the state of the highest value with the same ``s_{i+1}`` and no later ``t_i``.
    """

    def __init__(self, switches, first, last, order):
        self.switches, self.first, self.last = switches, first, last
        _, self.num_starts, self.num_ends, num_nexts = last - first + 1
        self.num_states = self.num_ends * num_nexts
        self.last_state = np.empty_like(order)
        self.last_state[order] = np.cumsum(self.num_states[order]) - 1
        self.first_state = self.last_state - self.num_states + 1
        self.value = np.empty(self.num_states.sum())
        self.end, self.start, self.previous, self.best_end = np.empty((4, len(self.value)), dtype=np.int64)

    def solve(self, segments, is_linked):
        """Fill in the states of segments that follow each other in ``order``, but not in a chain.

        Args:
            segments (np.ndarray): ``(n,)`` the segments.
            is_linked: Whether all are linked to the segments before them, which are solved; else none is.
        """
        number, end = ragged(self.num_ends[segments])  # of all segments, all ends: E of them
        end += self.first[2, segments][number]
        arrivals = self._arrive(segments[number], end, is_linked)
        num_limits, value, (start, previous) = self._leave(segments[number], end, *arrivals)

        number, rank = ragged(self.num_states[segments])
        next_rank, end_rank = np.divmod(rank, self.num_ends[segments][number])
        at = _begins(self.num_ends[segments])[number] + end_rank
        column = _begins(num_limits + 1)[at] + np.minimum(next_rank, num_limits[at])
        states = slice(self.first_state[segments[0]], self.last_state[segments[-1]] + 1)
        self.value[states], self.end[states] = value[column], end[at]
        self.start[states], self.previous[states] = start[column], previous[column]
        self.best_end[states] = states.start + _running_best(value[column], end_rank == 0)

    def _arrive(self, segment, end, is_linked):
        """First halves of the transitions to all ends: starts, and left limits of their outer ranges.

        Args:
            segment (np.ndarray): ``(E,)`` segment of each end.
            end (np.ndarray): ``(E,)`` the ends.
            is_linked: See :meth:`solve`.

        Returns:
            tuple[np.ndarray, ...]: ``(A,)`` each, end after end: number of the end, start, left limit, state of the
            segment before, and value without the outer mean.
        """
        first_before, first_start = self.first[:2, segment]
        last_before = self.last[0, segment]
        at, start = ragged(self.num_starts[segment])  # (A',): all pairs of an end and a start
        start += first_start[at]
        full = start - self.switches.reach(start, end[at])
        value = self.switches.inner_mean(start, end[at])
        # The ends before: the best up to the full outer range, and each that limits it.
        before = np.clip(full, first_before[at], last_before[at])
        pair, rank = ragged(last_before[at] - before + 1)
        at, start, before, value = at[pair], start[pair], before[pair] + rank, value[pair]
        left = np.maximum(full[pair], before)
        previous = np.zeros_like(at)
        if is_linked:
            one_before = segment[at] - 1
            previous = self.first_state[one_before] + (start - first_start[at]) * self.num_ends[one_before]
            previous += before - first_before[at]
            previous = np.where(rank == 0, self.best_end[previous], previous)
            value += self.value[previous]
        return at, start, left, previous, value

    def _leave(self, segment, end, at, start, left, previous, value):
        """Best transitions to all ends and next starts.

        Of an end, there is a column for each next start that may limit the outer range on the right, and a last one for
        all later next starts.

        Args:
            segment (np.ndarray): ``(E,)`` segment of each end.
            end (np.ndarray): ``(E,)`` the ends.
            at, start, left, previous, value (np.ndarray): ``(A,)`` each, see :meth:`_arrive`.

        Returns:
            tuple: ``(E,)`` number of columns of each end, less one; ``(columns,)`` values; their starts and states of
            the segment before.
        """
        first_next, last_next = self.first[3, segment], self.last[3, segment]
        longest_reach = self.switches.reach(self.first[1, segment], end)
        num_limits = np.clip(end + longest_reach, first_next, last_next) - first_next
        column_at, rank = ragged(num_limits + 1)
        next_start = first_next[column_at] + rank
        num_arrivals = np.bincount(at)
        column, arrival = ragged(num_arrivals[column_at])  # all transitions, column after column
        arrival += _begins(num_arrivals)[column_at][column]
        end = end[at]
        full = end + self.switches.reach(start, end)
        right = np.minimum(next_start[column], full[arrival])
        value = value[arrival] - self.switches.outer_mean(left[arrival], start[arrival], end[arrival], right)
        best, index = _best_of_groups(value, column)
        return num_limits, best, (start[arrival[index]], previous[arrival[index]])


def _begins(sizes):
    """Index of the first item of each group, given their sizes."""
    return np.cumsum(sizes) - sizes


def _best_of_groups(value, group):
    """Largest value of each group, whose items are neighbours, and its index; of equal ones, the latest."""
    best = np.maximum.reduceat(value, _begins(np.bincount(group)))
    hit = np.flatnonzero(value == best[group])
    index = np.empty(len(best), dtype=np.int64)
    index[group[hit]] = hit
    return best, index


def _running_best(value, new_group):
    """Index of the largest value so far in each group, whose items are neighbours; of equal ones, the latest."""
    order = np.lexsort((value, np.cumsum(new_group)))
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))  # a later group outranks all before it
    return order[np.maximum.accumulate(rank)]
