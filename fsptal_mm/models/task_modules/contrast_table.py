"""One step of the exact search: best sums of contrasts up to a segment; numpy, on the host."""

from dataclasses import dataclass, fields

import numpy as np

from .switches import ragged


@dataclass
class _Entries:
    """Ways to place segments: a start, an end and a limit of the outer range on the left; ``(E,)`` each.

    Attributes:
        start: First snippet of the segment.
        end: Snippet after it.
        before: Cell of the table before that the way comes from, -1 if there is none.
        value: Best sum of contrasts up to the segment, plus its inner mean.
        outer_sum: ``outer_sum + total[right]`` is the sum of the scores in the outer ranges if they end at ``right``.
        outer_length: ``outer_length + right`` is their length.
        row: Offset into the flat ``total``.
        free_right: Where the outer range ends if nothing limits it.
        first_after: Smallest position of the switch after ``end``.
        last_after: The position of it from which on it makes no difference.
        spread: Index into :func:`_mean_bounds` for the scores between the first and the last end of the outer range.
        line: Number of (segment, end).
        cell: Cell of (end, first_after).
    """

    start: np.ndarray
    end: np.ndarray
    before: np.ndarray
    value: np.ndarray
    outer_sum: np.ndarray
    outer_length: np.ndarray
    row: np.ndarray
    free_right: np.ndarray
    first_after: np.ndarray
    last_after: np.ndarray
    spread: np.ndarray
    line: np.ndarray
    cell: np.ndarray

    @classmethod
    def of_segments(cls, switches, members, spans, first_cell, previous):
        """All ways to place the segments ``members``; for the other arguments see :class:`ContrastTable`."""
        (before0, start0, end0, after0), (before1, _, _, after1) = spans[:, 0], spans[:, 1]
        _, num_starts, num_ends, num_afters = spans[:, 1] - spans[:, 0] + 1
        segment, rank = ragged(num_starts * num_ends)
        end_rank, start = np.divmod(rank, num_starts[segment])
        start, end = start + start0[segment], end_rank + end0[segment]
        row = (switches.chain[switches.action[members]] * switches.total.shape[1])[segment]
        total = switches.total.ravel()
        total_start, total_end, reach = total[row + start], total[row + end], switches.reach(start, end)
        first_before = np.clip(start - reach, before0[segment], before1[segment])
        first_after, free_right = after0[segment], end + reach
        last_after = np.clip(free_right, first_after, after1[segment])
        pairs = cls(
            start=start,
            end=end,
            before=np.full(len(start), -1),
            value=(total_end - total_start) / (end - start),
            outer_sum=total_start - total_end,
            outer_length=start - end,
            row=row,
            free_right=free_right,
            first_after=first_after,
            last_after=last_after,
            spread=(np.cumsum(num_afters) - num_afters)[segment] + np.minimum(last_after, free_right) - first_after,
            line=(np.cumsum(num_ends) - num_ends)[segment] + end_rank,
            cell=first_cell[segment] + end_rank * num_afters[segment],
        )
        if previous is not None:
            table = previous.first_cell[np.searchsorted(previous.members, members - 1)]
            pairs.before = (table - before0 * num_starts - start0)[segment] + first_before * num_starts[segment] + start
        ways = before1[segment] - first_before + 1
        rank = ragged(ways)[1]
        entries = pairs.map(lambda part: np.repeat(part, ways))
        left = np.maximum(np.repeat(start - reach, ways), np.repeat(first_before, ways) + rank)
        entries.outer_sum -= total[entries.row + left]
        entries.outer_length -= left
        if previous is not None:
            cell = entries.before + rank * np.repeat(num_starts[segment], ways)
            entries.before = np.where(rank == 0, previous.best_end[cell], cell)  # rank 0: not limited, or by the first
            entries.value += previous.value[entries.before]
        return entries

    def map(self, function):
        """The same function applied to every attribute."""
        return _Entries(*(function(getattr(self, field.name)) for field in fields(self)))

    def without_hopeless(self, total, lowest, highest):
        """Drop the ways that another one with the same end beats wherever the next segment starts.

        A mean that more scores join lies between itself and what the lowest or highest mean of those makes of it.
        """
        first, last = (np.minimum(after, self.free_right) for after in (self.first_after, self.last_after))
        more = last - first
        outer_sum, length = self.outer_sum + total[self.row + first], np.maximum(self.outer_length + first, 1)
        spread = np.where(more > 0, self.spread, 0)
        mean = outer_sum / length
        least = np.minimum(mean, (outer_sum + more * lowest[spread]) / (length + more))
        most = np.maximum(mean, (outer_sum + more * highest[spread]) / (length + more))
        best = np.full(self.line[-1] + 1, -np.inf)
        np.maximum.at(best, self.line, self.value - most)
        keep = np.flatnonzero(self.value - least >= best[self.line])
        return self.map(lambda part: part[keep])


@dataclass
class ContrastTable:
    """For one segment of every chain, the best sum of contrasts up to it: for each end and start of the next one.

    Attributes:
        members: ``(n,)`` the segments.
        first_cell: ``(n,)`` cell of a segment's first end and first start of the next; ends are the rows.
        last_cell: ``(n,)``.
        value: ``(cells,)`` the best sums.
        entry: ``(cells,)`` the ways that reach them.
        best_end: ``(cells,)`` the best cell with the same start of the next segment and no later end.
        start: ``(E,)`` of all ways.
        end: ``(E,)``.
        before: ``(E,)``, see :class:`_Entries`.
    """

    members: np.ndarray
    first_cell: np.ndarray
    last_cell: np.ndarray
    value: np.ndarray
    entry: np.ndarray
    best_end: np.ndarray
    start: np.ndarray
    end: np.ndarray
    before: np.ndarray

    @classmethod
    def of_segments(cls, switches, members, spans, previous):
        """Solve one segment of every chain.

        Args:
            switches (Switches): All switches.
            members (np.ndarray): ``(n,)`` the segments, ascending.
            spans (np.ndarray): ``(4, 2, n)``, the ranges of the switches before, start, end and after.
            previous (ContrastTable): Of the segments before; all of ``members`` are linked to them. ``None``: none is.
        """
        num_ends, num_afters = spans[2:, 1] - spans[2:, 0] + 1
        sizes = num_ends * num_afters
        first_cell = np.cumsum(sizes) - sizes
        entries = _Entries.of_segments(switches, members, spans, first_cell, previous)
        entries = entries.without_hopeless(switches.total.ravel(), *_mean_bounds(switches, members, spans[3]))
        segment, cell = ragged(sizes)
        end, after = np.divmod(cell, num_afters[segment])
        value, entry = _fill(entries, switches.total.ravel(), after)
        # Turned round, so that the ends of one start of the next segment lie in a row.
        turned = np.empty_like(cell)
        turned[first_cell[segment] + after * num_ends[segment] + end] = np.arange(len(cell))
        best_end = np.empty_like(cell)
        best_end[turned] = turned[_running_best(value[turned], end[turned] == 0)]
        last_cell = first_cell + sizes - 1
        return cls(members, first_cell, last_cell, value, entry, best_end, entries.start, entries.end, entries.before)


def _mean_bounds(switches, members, after):
    """Lowest and highest mean of the scores from the first start of the next segment on, up to each other start.

    Args:
        members: ``(n,)`` the segments.
        after: ``(2, n)`` first and last start of the next segment.
    """
    segment, length = ragged(after[1] - after[0] + 1)
    first = (switches.chain[switches.action[members]] * switches.total.shape[1] + after[0])[segment]
    one = np.minimum(1, after[1] - after[0])[segment]  # the mean of no score is that of the first, if there is one
    total = switches.total.ravel()
    mean = (total[first + np.maximum(length, one)] - total[first]) / np.maximum(length, 1)
    begins = length == 0
    return mean[_running_best(-mean, begins)], mean[_running_best(mean, begins)]


def _fill(entries, total, after):
    """Best value of every cell and the entry that reaches it; ``after (cells,)`` counts the cells of an end."""
    # From `last_after` on, an entry is worth the same wherever the next segment starts ...
    number = np.arange(len(entries.cell))
    limited = entries.last_after - entries.first_after
    right = np.minimum(entries.last_after, entries.free_right)
    outer = (entries.outer_sum + total[entries.row + right]) / np.maximum(entries.outer_length + right, 1)
    free, free_entry = _best_per_cell(entries.value - outer, entries.cell + limited, number, len(after))
    best = _running_best(free, after == 0)
    free, free_entry = free[best], free_entry[best]
    # ... and before that, the start of the next segment is where its outer range ends.
    item, rank = ragged(limited)
    right = entries.first_after[item] + rank
    outer = (entries.outer_sum[item] + total[entries.row[item] + right]) / (entries.outer_length[item] + right)
    bound, bound_entry = _best_per_cell(entries.value[item] - outer, entries.cell[item] + rank, item, len(after))
    return np.maximum(free, bound), np.where(free > bound, free_entry, bound_entry)


def _best_per_cell(value, cell, item, num_cells):
    """Largest value that falls into each cell, -inf if none does, and the item that it belongs to."""
    best = np.full(num_cells, -np.inf)
    np.maximum.at(best, cell, value)
    hit = np.flatnonzero(value == best[cell])
    found = np.full(num_cells, -1)
    found[cell[hit]] = item[hit]
    return best, found


def _running_best(value, begins):
    """Index of the largest value so far in every row; rows lie end to end, ``begins`` marks their first items."""
    known = value > -np.inf
    low, high = value.min(where=known, initial=0), value.max(where=known, initial=0)
    lifted = np.where(known, value, low - 1) + (high - low + 2) * np.cumsum(begins)  # above all of the row before
    leads = lifted >= np.maximum.accumulate(lifted)
    return np.maximum.accumulate(np.where(leads, np.arange(len(value)), 0))
