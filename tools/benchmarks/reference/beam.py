"""Beam search for the segments of the highest contrast, candidate by candidate (method: Sec. 3.4; budget of LACP)."""

import math

import numpy as np


def beam_search(switches, budget=25):
    """Search every chain from left to right.

    Partial candidates are ranked by the contrasts of their runs so far: of the last run as if nothing limited its right
    outer range, and of the run that has just begun as if it ended at the next seed.

    Args:
        switches (Switches): Where the candidates may switch.
        budget: Candidates kept at every switch.

    Returns:
        np.ndarray: ``(M,)`` positions.
    """
    size = np.bincount(switches.chain)
    stops = np.cumsum(size)
    total = switches.total.tolist()
    positions = [_Chain(switches, total, stop - its_size, stop).search(budget) for stop, its_size in zip(stops, size)]
    return np.array([position for chain in positions for position in chain])


class _Chain:
    """One class of one video, as plain lists."""

    def __init__(self, switches, total, start, stop):
        self.first, self.last = switches.first[start:stop].tolist(), switches.last[start:stop].tolist()
        self.scored = switches.scored[start:stop].tolist()
        self.video_stop = int(switches.stop[start])
        self.total = total
        self.ratio = switches.outer_ratio

    def contrast(self, run, before, start, end, after):
        """Inner minus outer mean of the run ``[start, end)`` between two other switches, 0 if it is not scored."""
        if not self.scored[run]:
            return 0.0
        reach = math.ceil(self.ratio * (end - start) - 1e-9)
        left, right = max(start - reach, before), min(end + reach, after)
        total, outer_length = self.total, right - left - (end - start)
        inner = total[end] - total[start]
        outer = (total[right] - total[left] - inner) / outer_length if outer_length else 0.0
        return inner / (end - start) - outer

    def search(self, budget):
        """Positions of the best candidate; each is ``(value, its last three positions, all before them)``."""
        beam = [(0.0, 0, self.first[0], self.first[1], None)]
        count = len(self.first)
        for switch in range(2, count):
            run, following = switch - 2, min(switch + 1, count - 1)
            beam = [
                (value + self.contrast(run, before, start, end, after), start, end, after, (before, history))
                for value, before, start, end, history in beam
                for after in range(self.first[switch], self.last[switch] + 1)
            ]
            if len(beam) > budget:
                stop = self.first[following]
                beam.sort(key=lambda partial: -self._rank(run + 1, partial, stop))
                del beam[budget:]
        _, before, start, end, history = max(beam, key=lambda partial: partial[0])
        found = [end, start, before]
        while history is not None:
            found.append(history[0])
            history = history[1]
        return found[::-1][1:]  # the first entry stood for a switch before the first

    def _rank(self, run, partial, stop):
        value, before, start, end, _ = partial
        last = self.contrast(run, before, start, end, self.video_stop)
        return value + last + self.contrast(run + 1, start, end, stop, self.video_stop)
