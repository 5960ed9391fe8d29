"""Candidate sequences of the score contrast (method: Sec. 3.4): where each may switch, and what a run of it scores."""

from dataclasses import dataclass

import numpy as np

from fsptal_mm.structures import outer_length


@dataclass(frozen=True)
class Switches:
    """Where the candidates of all chains may switch; a chain is one class of one video.

    Runs of background and action alternate: run i is ``[x_i, x_{i+1})`` between two switches. A chain of N action
    segments has the switches ``0, 0, s_1, t_1, ..., s_N, t_N, T, T`` (``t`` is the snippet after the segment), so that
    every run has neighbours. Between two segments that are cut apart lies a background run of length 0. The outer range
    of a run stays within its neighbours (Eq. 8): its contrast depends on ``x_{i-1} ... x_{i+2}``.

    Attributes:
        first: ``(M,)`` smallest position of each switch, chain after chain, in time order.
        last: ``(M,)`` largest position.
        chain: ``(M,)`` row of ``total``, ascending.
        length: ``(M,)`` snippets of the video.
        weight: ``(M,)`` 1 if the run that begins at the switch is scored, else 0.
        background: ``(M,)`` bool: that run is scored by 1 - q-hat.
        action: ``(N,)`` the switches that begin an action segment.
        total: ``(K, T + 1)`` float64: sum of the scores of all snippets before a position.
        outer_ratio: delta.
        original: Outer ranges end at the video and at cuts only (Table 7).
    """

    first: np.ndarray
    last: np.ndarray
    chain: np.ndarray
    length: np.ndarray
    weight: np.ndarray
    background: np.ndarray
    action: np.ndarray
    total: np.ndarray
    outer_ratio: float = 0.25
    original: bool = False

    @classmethod
    def from_seeds(cls, instances, background, lengths, total, background_segments=False, **kwargs):
        """Lay out the candidates that agree with the seeds.

        Args:
            instances (np.ndarray): ``(K, T)`` instance of each action seed, -1 elsewhere.
            background (np.ndarray): ``(K, T)`` bool background seeds, none of them an action seed.
            lengths (np.ndarray): ``(K,)`` snippets of the videos; no seed lies beyond.
            total (np.ndarray): ``(K, T + 1)``, see the class.
            background_segments: Score the background runs that hold a seed, too.
            kwargs: ``outer_ratio`` and ``original``.
        """
        time = np.arange(instances.shape[1])
        left = np.maximum.accumulate(np.where(background, time, -1), 1)
        right = np.minimum.accumulate(np.where(background, time, lengths[:, None])[:, ::-1], 1)[:, ::-1]
        chain, seed = np.nonzero(instances >= 0)
        # Seeds with background before them begin a segment, and those of another instance: there the run is cut.
        together = (chain[1:] == chain[:-1]) & (left[chain[1:], seed[1:]] < seed[:-1])
        same = instances[chain[1:], seed[1:]] == instances[chain[:-1], seed[:-1]]
        begins = np.append(True, ~(together & same))[: len(seed)]
        cut = np.append(False, together)[: len(seed)][begins]
        chain, head, tail = chain[begins], seed[begins], seed[np.append(begins[1:], True)[: len(seed)]]
        cut_at = (np.append(0, tail[:-1])[: len(tail)] + head) // 2 + 1  # in the middle; such seeds touch as a rule

        opens = np.append(True, chain[1:] != chain[:-1])[: len(chain)]
        closes = np.append(opens[1:], True)[: len(chain)]
        action = 2 * np.arange(len(chain)) + 4 * np.cumsum(opens) - 2
        size = 2 * len(chain) + 4 * int(opens.sum())
        first, last = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        first[action], last[action] = np.where(cut, cut_at, left[chain, head] + 1), np.where(cut, cut_at, head)
        first[action + 1], last[action + 1] = tail + 1, right[chain, tail]
        cuts = np.flatnonzero(cut)
        first[action[cuts - 1] + 1] = last[action[cuts - 1] + 1] = cut_at[cuts]
        for shift in (2, 3):
            first[action[closes] + shift] = last[action[closes] + shift] = lengths[chain[closes]]
        weight = np.zeros(size)
        weight[action] = 1
        if background_segments:
            weight[action[opens] - 1] = left[chain[opens], head[opens]] >= 0
            weight[action + 1] = ~closes | (right[chain, tail] < lengths[chain])
            weight[action[cuts] - 1] = 0
        is_background = np.ones(size, dtype=bool)
        is_background[action] = False
        row = np.repeat(chain, 2 + 2 * opens + 2 * closes)
        return cls(first, last, row, lengths[row], weight, is_background, action, total, **kwargs)

    def reach(self, start, end):
        """Length of the outer range on either side of runs ``[start, end)`` if nothing limits it."""
        return outer_length(end - start, self.outer_ratio)

    def left(self, before, start, end):
        """First snippet of the outer range on the left; ``before`` is the switch before ``start``."""
        limit = np.where(before == start, start, 0) if self.original else before
        return np.maximum(start - self.reach(start, end), limit)

    def right(self, start, end, after, length):
        """Snippet after the outer range on the right; ``after`` is the switch after ``end``."""
        limit = np.where(after == end, end, length) if self.original else after
        return np.minimum(end + self.reach(start, end), limit)

    def contrast(self, run, left, start, end, right):
        """Weighted contrast of runs ``[start, end)`` with the outer ranges ``[left, start)`` and ``[end, right)``.

        Args:
            run: The switches that the runs begin at, which know their kind and weight.
        """
        total, row = self.total.ravel(), self.chain[run] * self.total.shape[1]
        inner_sum = total[row + end] - total[row + start]
        inner = inner_sum / np.maximum(end - start, 1)
        outer_length = (right - left) - (end - start)
        outer = (total[row + right] - total[row + left] - inner_sum) / np.maximum(outer_length, 1)
        background = self.background[run]
        inner = np.where(background, 1 - inner, inner)
        outer = np.where(background & (outer_length > 0), 1 - outer, outer)
        return self.weight[run] * (inner - outer)

    def scored_runs(self, positions):
        """The runs that are scored, given the positions ``(M,)`` of all switches.

        Returns:
            tuple[np.ndarray, ...]: Their switches ``run (N,)`` and ``left``, ``start``, ``end``, ``right`` as in
            :meth:`contrast`.
        """
        run = np.flatnonzero(self.weight)
        start, end = positions[run], positions[run + 1]
        left = self.left(positions[run - 1], start, end)
        return run, left, start, end, self.right(start, end, positions[run + 2], self.length[run])


def ragged(counts):
    """Group number, and number within its group, of all items of groups of ``counts`` items; int64."""
    group = np.repeat(np.arange(len(counts)), counts)
    return group, np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
