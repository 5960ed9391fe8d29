"""Candidate segments of the score contrast (method: Sec. 3.4): where each may begin and end, and what it scores."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fsptal_mm.structures import outer_length


@dataclass(frozen=True)
class Switches:
    """Positions at which the candidates may switch between background and action; a chain is one class of one video.

    Runs of background and action alternate: run i is ``[x_i, x_{i+1})`` between two switches. A chain of N action
    segments has the switches ``0, 0, s_1, t_1, ..., s_N, t_N, T, T`` (``t`` is the snippet after the segment), so that
    every run has neighbours. Between two segments that are cut apart lies a background run of length 0. The outer range
    of a run stays within its neighbours (Eq. 8): its contrast depends on ``x_{i-1} ... x_{i+2}``.

    Positions are indices of ``total``, in which the chains lie one after another, ``T + 1`` entries each.

    Attributes:
        first: ``(M,)`` smallest position of each switch, chain after chain, in time order.
        last: ``(M,)`` largest position.
        chain: ``(M,)`` chain of each switch, ascending.
        begin: ``(M,)`` position of the first snippet of the video.
        stop: ``(M,)`` position after its last snippet.
        scored: ``(M,)`` bool: the contrast of the run that begins at the switch counts.
        background: ``(M,)`` bool: that run is background, which is scored by 1 - q-hat.
        action: ``(N,)`` the switches that begin an action segment.
        total: ``(K * (T + 1),)`` float64: sum of the scores of the chain before a position.
        outer_ratio: delta.
        original: Outer ranges end at the video and at cuts only (Table 7).
    """

    first: np.ndarray
    last: np.ndarray
    chain: np.ndarray
    begin: np.ndarray
    stop: np.ndarray
    scored: np.ndarray
    background: np.ndarray
    action: np.ndarray
    total: np.ndarray
    outer_ratio: float = 0.25
    original: bool = False

    @classmethod
    def from_seeds(
        cls,
        instances: np.ndarray,
        background: np.ndarray,
        lengths: np.ndarray,
        total: np.ndarray,
        background_segments: bool = False,
        **kwargs: Any,
    ) -> 'Switches':
        """Lay out the candidates that agree with the seeds.

        Args:
            instances (np.ndarray): ``(K, T)`` instance of each action seed, -1 elsewhere; no row without a seed.
            background (np.ndarray): ``(K, T)`` bool background seeds, none of them an action seed.
            lengths (np.ndarray): ``(K,)`` snippets of the videos; no seed lies beyond.
            total (np.ndarray): ``(K, T + 1)`` sums of the scores before each snippet.
            background_segments: Score the background runs that hold a seed, too.
            kwargs: ``outer_ratio`` and ``original``.
        """
        # Outside the video lies background. Neighbouring seeds of different kind make one switch between them; those of
        # different instances are cut apart by two, in the middle (such seeds touch as a rule).
        edges = ((0, 0), (1, 1))
        instances = np.pad(instances, edges, constant_values=-1)
        is_seed = np.pad(background, edges) | (instances >= 0)
        rows = np.arange(len(lengths))
        is_seed[rows, 0] = is_seed[rows, lengths + 1] = True
        chain, column = np.nonzero(is_seed)
        pair = np.flatnonzero(chain[1:] == chain[:-1])
        instance, seed = instances[chain, column], column - 1
        is_cut = (instance[pair] >= 0) & (instance[pair + 1] >= 0) & (instance[pair] != instance[pair + 1])
        is_change = (instance[pair] >= 0) != (instance[pair + 1] >= 0)
        pair, is_cut = (np.repeat(part, is_change + 2 * is_cut) for part in (pair, is_cut))
        middle = (seed[pair] + seed[pair + 1]) // 2 + 1

        switch = np.arange(len(pair)) + 4 * chain[pair] + 2  # each chain has two more at either end
        chain = np.repeat(rows, np.bincount(chain[pair], minlength=len(rows)) + 4)
        first = lengths[chain]
        opens = np.searchsorted(chain, rows)
        first[opens] = first[opens + 1] = 0
        last = first.copy()
        first[switch], last[switch] = np.where(is_cut, middle, seed[pair] + 1), np.where(is_cut, middle, seed[pair + 1])
        action, closes = switch[::2], switch[1::2]
        scored = np.zeros(len(chain), dtype=bool)
        if background_segments:
            scored[opens + 1] = first[opens + 2] > 0
            scored[closes] = (last[closes] < lengths[chain[closes]]) & ~is_cut[1::2]
        is_background = np.ones(len(chain), dtype=bool)
        scored[action], is_background[action] = True, False
        begin = chain * total.shape[1]
        edges = first + begin, last + begin, chain, begin, begin + lengths[chain]
        return cls(*edges, scored, is_background, action, total.ravel(), **kwargs)

    def reach(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Length of the outer range on either side of runs ``[start, end)`` if no neighbour limits it."""
        return outer_length(end - start, self.outer_ratio)

    def left(self, run: np.ndarray, before: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """First snippet of the outer range on the left of runs; ``before`` is the switch before ``start``."""
        limit = np.where(before == start, start, self.begin[run]) if self.original else before
        return np.maximum(start - self.reach(start, end), limit)

    def right(self, run: np.ndarray, start: np.ndarray, end: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Snippet after the outer range on the right of runs; ``after`` is the switch after ``end``."""
        limit = np.where(after == end, end, self.stop[run]) if self.original else after
        return np.minimum(end + self.reach(start, end), limit)

    def inner_mean(self, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        """Mean score of runs ``[start, end)``, 0 for empty ones."""
        return (self.total[end] - self.total[start]) / np.maximum(end - start, 1)

    def outer_mean(self, left: np.ndarray, start: np.ndarray, end: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Mean score of ``[left, start)`` and ``[end, right)``, 0 if both are empty."""
        total = self.total
        length = (right - left) - (end - start)
        return (total[right] - total[left] - (total[end] - total[start])) / np.maximum(length, 1)

    def contrast(
        self, run: np.ndarray, left: np.ndarray, start: np.ndarray, end: np.ndarray, right: np.ndarray
    ) -> np.ndarray:
        """Outer-inner contrast of runs ``[start, end)`` with the outer ranges ``[left, start)`` and ``[end, right)``.

        Args:
            run (np.ndarray): The switches that the runs begin at.

        Returns:
            np.ndarray: 0 for runs that are not scored.
        """
        inner, outer = self.inner_mean(start, end), self.outer_mean(left, start, end, right)
        background, has_outer = self.background[run], right - left > end - start
        inner = np.where(background, 1 - inner, inner)
        outer = np.where(background & has_outer, 1 - outer, outer)
        return self.scored[run] * (inner - outer)

    def scored_runs(self, positions: np.ndarray) -> tuple[np.ndarray, ...]:
        """The runs that are scored, given the positions ``(M,)`` of all switches.

        Returns:
            tuple[np.ndarray, ...]: Their switches ``run (N,)`` and ``left``, ``start``, ``end``, ``right`` as in
            :meth:`contrast`.
        """
        run = np.flatnonzero(self.scored)
        start, end = positions[run], positions[run + 1]
        left = self.left(run, positions[run - 1], start, end)
        return run, left, start, end, self.right(run, start, end, positions[run + 2])


def ragged(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group number, and number within its group, of all items of groups of ``counts`` items; int64."""
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
