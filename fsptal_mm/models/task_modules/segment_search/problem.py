"""The exact search by dynamic programming: best sums of contrasts up to each segment; numpy, on the host."""

from typing import NamedTuple

import numpy as np

from .switches import ragged


class Ways(NamedTuple):
    """Ways to place segments: a start, an end and a limit of the outer range on the left; ``(E,)`` each.

    They lie segment after segment, and of a segment end after end. What they hold does not depend on the segments
    before, so that it is worked out for many segments at once: far on in a long chain there are few ways for each.

    Attributes:
        start: First snippet of the segment.
        end: Snippet after it.
        before: Cell of the segment before that the way comes from.
        unlimited: bool, any other cell of the same start and no later end will do as well.
        inner: Mean score of the segment.
        outer: Mean score of the outer ranges if the next segment does not limit them.
        least: That mean is no smaller, wherever the next segment starts.
        most: And no larger.
        outer_sum: ``outer_sum + total[after + rank]`` is the sum of the scores in the outer ranges if they end at the
            start of the next segment, the ``rank``-th possible one.
        outer_length: ``outer_length + rank`` is their length.
        after: Index into the flat ``total``.
        limiting: How many starts of the next segment, the first ones, limit the outer range.
        line: Number of (segment, end).
        cell: Cell of the end and the first start of the next segment.
    """

    start: np.ndarray
    end: np.ndarray
    before: np.ndarray
    unlimited: np.ndarray
    inner: np.ndarray
    outer: np.ndarray
    least: np.ndarray
    most: np.ndarray
    outer_sum: np.ndarray
    outer_length: np.ndarray
    after: np.ndarray
    limiting: np.ndarray
    line: np.ndarray
    cell: np.ndarray

    @classmethod
    def of_segments(cls, switches, members, spans, first_cell):
        """All ways to place some segments.

        Args:
            switches (Switches): All switches.
            members (np.ndarray): ``(n,)`` the segments.
            spans (np.ndarray): ``(4, 2, n)``, the ranges of the switches before, start, end and after.
            first_cell (np.ndarray): ``(N,)`` of all segments, see :class:`ContrastTable`.
        """
        (before0, start0, end0, after0), (before1, _, _, after1) = spans[:, 0], spans[:, 1]
        _, num_starts, num_ends, num_afters = spans[:, 1] - spans[:, 0] + 1
        first_row = switches.chain[switches.action[members]] * switches.total.shape[1]
        total = switches.total.ravel()

        segment, rank = ragged(num_starts * num_ends)
        end_rank, start_rank = np.divmod(rank, num_starts[segment])
        start, end, row = start_rank + start0[segment], end_rank + end0[segment], first_row[segment]
        inner_sum, reach = total[row + end] - total[row + start], switches.reach(start, end)
        first_before = np.clip(start - reach, before0[segment], before1[segment])
        limiting = np.clip(end + reach, after0[segment], after1[segment]) - after0[segment]

        pair, rank = ragged(before1[segment] - first_before + 1)  # of a start and an end
        segment, start_rank, end_rank, start, end, row, inner_sum, reach, first_before, limiting = (
            part[pair]
            for part in (segment, start_rank, end_rank, start, end, row, inner_sum, reach, first_before, limiting)
        )
        before, after = first_before + rank, after0[segment]
        left = np.maximum(start - reach, before)
        outer_sum, outer_length = -inner_sum - total[row + left], start - end - left
        first, last = np.minimum(after, end + reach), np.minimum(after + limiting, end + reach)
        bound = (np.cumsum(num_afters) - num_afters)[segment] + last - first
        lowest, highest = (bounds[bound] for bounds in _mean_bounds(total, first_row + after0, num_afters))
        sum_first, sum_last = (outer_sum + total[row + right] for right in (first, last))
        length = np.maximum(outer_length + first, 1)
        least, most = _mean_range(sum_first / length, sum_first, length, last - first, lowest, highest)
        return cls(
            start=start,
            end=end,
            before=first_cell[members - 1][segment] + (before - before0[segment]) * num_starts[segment] + start_rank,
            unlimited=rank == 0,
            inner=inner_sum / (end - start),
            outer=sum_last / np.maximum(outer_length + last, 1),
            least=least,
            most=most,
            outer_sum=outer_sum,
            outer_length=outer_length + after,
            after=row + after,
            limiting=limiting,
            line=(np.cumsum(num_ends) - num_ends)[segment] + end_rank,
            cell=first_cell[members][segment] + end_rank * num_afters[segment],
        )

    def take(self, chosen):
        """Some of the ways, by a slice or by their indices."""
        return Ways(*[part[chosen] for part in self])

    def hopeful(self, value):
        """Indices of the ways that no other one with the same end beats wherever the next segment starts.

        Args:
            value (np.ndarray): ``(E,)`` best sums of contrasts up to the segment, plus its inner mean.
        """
        line = self.line - self.line[0]
        best = np.full(line[-1] + 1, -np.inf)
        np.maximum.at(best, line, value - self.most)
        return np.flatnonzero(value - self.least >= best[line])


def _mean_bounds(total, first, sizes):
    """Lowest and highest mean of the scores from the first start of the next segment on, up to each other start.

    Args:
        total: Flat.
        first: ``(n,)`` that start, as an index of ``total``.
        sizes: ``(n,)`` number of starts.
    """
    segment, length = ragged(sizes)
    one = np.minimum(1, sizes - 1)[segment]  # the mean of no score is that of the first, if there is one
    first = first[segment]
    mean = (total[first + np.maximum(length, one)] - total[first]) / np.maximum(length, 1)
    lift = 2 * segment  # scores lie in [0, 1]
    return mean[_running_best(-mean, lift)], mean[_running_best(mean, lift)]


def _mean_range(mean, outer_sum, length, more, lowest, highest):
    """Bounds of a mean that up to ``more`` scores join; the means of these lie between ``lowest`` and ``highest``.

    The new mean lies between the old one and what the lowest or highest mean of those scores makes of it.
    """
    least, most = ((outer_sum + more * bound) / (length + more) for bound in (lowest, highest))
    return np.minimum(mean, least), np.maximum(mean, most)


class ContrastTable:
    """For each segment, the best sum of contrasts up to it: for every end of it and start of the next one.

    Cells lie segment after segment in the order in which these are solved; of a segment, the ends are the rows.

    Args:
        switches (Switches): All switches.
        spans (np.ndarray): ``(4, 2, N)``, the ranges of the switches before, start, end and after.
        order (np.ndarray): ``(N,)`` the segments in order of solution.

    Attributes:
        first_cell: ``(N,)`` cell of a segment's first end and first start of the next one.
        last_cell: ``(N,)``.
        start: ``(cells,)`` start of the segment in the best way.
        end: ``(cells,)`` its end.
        before: ``(cells,)`` cell of the segment before.
        best_end: ``(cells,)`` the best cell of the same start of the next segment and no later end.
    """

    def __init__(self, switches, spans, order):
        num_ends, num_afters = (spans[2:, 1] - spans[2:, 0] + 1)[:, order]
        segment, cell = ragged(num_ends * num_afters)
        self.last_cell = np.empty_like(order)
        self.last_cell[order] = np.cumsum(num_ends * num_afters) - 1
        self.first_cell = self.last_cell.copy()
        self.first_cell[order] -= num_ends * num_afters - 1
        self._total = switches.total.ravel()
        self._value = np.empty(len(cell))
        self.start, self.end, self.before, self.best_end = np.empty((4, len(cell)), dtype=np.int64)
        end, after = np.divmod(cell, num_afters[segment])
        # Turned round, so that the ends of one start of the next segment lie in a row.
        self._turned = np.empty_like(cell)
        self._turned[np.arange(len(cell)) - cell + after * num_ends[segment] + end] = np.arange(len(cell))
        # A row that is lifted above all before it can be searched together with them; contrasts lie in [-1, 1].
        self._row_lift, self._turned_lift = (
            2 * (len(order) + 1) * np.cumsum(rank == 0) for rank in (after, end[self._turned])
        )

    def solve(self, members, ways, linked):
        """Fill the cells of some segments, of which none comes before another in one chain.

        Args:
            members (np.ndarray): ``(n,)`` the segments.
            ways (Ways): Of these.
            linked: Whether all are linked to those before them, which are solved; else none is.
        """
        value, before = ways.inner, ways.before
        if linked:
            before = np.where(ways.unlimited, self.best_end[before], before)
            value = value + self._value[before]
        keep = ways.hopeful(value)
        value, before, ways = value[keep], before[keep], ways.take(keep)
        cells = slice(self.first_cell[members[0]], self.last_cell[members[-1]] + 1)
        best, way = self._fill(ways, value, cells)
        self._value[cells] = best
        self.start[cells], self.end[cells], self.before[cells] = ways.start[way], ways.end[way], before[way]
        turned = self._turned[cells]
        leads = _running_best(best[turned - cells.start], self._turned_lift[cells])
        self.best_end[turned] = turned[leads]

    def _fill(self, ways, value, cells):
        """Best value of every cell and the way that reaches it."""
        cell, size = ways.cell - cells.start, cells.stop - cells.start
        # Where the next segment does not limit a way, it is worth the same wherever that starts ...
        free, free_way = _best_per_cell(value - ways.outer, cell + ways.limiting, np.arange(len(cell)), size)
        leads = _running_best(np.maximum(free, -len(self.first_cell) - 1), self._row_lift[cells])
        free, free_way = free[leads], free_way[leads]
        # ... and where it does, its outer range ends there.
        item, rank = ragged(ways.limiting)
        outer = ways.outer_sum[item] + self._total[ways.after[item] + rank]
        outer /= ways.outer_length[item] + rank
        bound, bound_way = _best_per_cell(value[item] - outer, cell[item] + rank, item, size)
        return np.maximum(free, bound), np.where(free > bound, free_way, bound_way)


def _best_per_cell(value, cell, item, num_cells):
    """Largest value that falls into each cell, -inf if none does, and the item that it belongs to."""
    best = np.full(num_cells, -np.inf)
    np.maximum.at(best, cell, value)
    hit = np.flatnonzero(value == best[cell])
    found = np.full(num_cells, -1)
    found[cell[hit]] = item[hit]
    return best, found


def _running_best(value, lift):
    """Index of the largest value so far in every row; each row's ``lift`` puts it above those before."""
    lifted = value + lift
    leads = lifted >= np.maximum.accumulate(lifted)
    return np.maximum.accumulate(np.where(leads, np.arange(len(value)), 0))
