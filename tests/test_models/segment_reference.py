"""Slow reference of the search for the best segments, which follows the definition step by step."""

import itertools
import math

import numpy as np


class Chain:
    """Seeds of one class of one video, and the candidates, that is, all sequences of runs that fit the seeds."""

    def __init__(
        self, scores, instances, background, label, outer_ratio=0.25, original=False, background_segments=False
    ):
        self.sums = [0.0, *scores[:, label].double().cumsum(0).tolist()]
        action = instances[:, label] >= 0
        self.background = (background | (instances >= 0).any(1)) & ~action
        self.length = len(action)
        seeds = [(t, int(action[t])) for t in range(self.length) if action[t] or self.background[t]]
        self.seeds = [(-1, 0), *seeds, (self.length, 0)]
        points = np.flatnonzero(action)
        self.cuts = {
            (left + right) // 2 + 1
            for left, right in itertools.pairwise(points)
            if instances[left, label] != instances[right, label] and not self.background[left:right].any()
        }
        self.outer_ratio, self.original, self.background_segments = outer_ratio, original, background_segments

    def switches(self):
        """Possible positions of each switch between action and background."""
        return [range(i + 1, j + 1) for (i, kind), (j, other) in itertools.pairwise(self.seeds) if kind != other]

    def gaps_of_segments(self):
        """For each action segment, the switches that bound it (none, one or two): their numbers and their positions."""
        switches, bounds = iter(enumerate(self.switches())), []
        for (i, kind), (j, other) in itertools.pairwise(self.seeds):
            if kind != other:
                bounds.append([next(switches)])
            elif any(i < cut <= j for cut in self.cuts):
                bounds += [[], []]
        pairs = [start + end for start, end in zip(bounds[::2], bounds[1::2])]
        return [([number for number, _ in pair], [gap for _, gap in pair]) for pair in pairs]

    def runs(self, switches):
        """Runs as rows ``(kind, start, end, is scored)`` with exclusive ends; instances that touch are cut apart."""
        bounds = [0, *switches, self.length]
        runs = []
        for number, (start, end) in enumerate(itertools.pairwise(bounds)):
            inner = sorted(cut for cut in self.cuts if number % 2 and start < cut < end)
            for begin, stop in zip([start, *inner], [*inner, end]):
                scored = number % 2 == 1 or (self.background_segments and self.background[begin:stop].any())
                if stop > begin:
                    runs.append((number % 2, begin, stop, scored))
        return runs

    def contrast(self, run, before, after):
        """Outer-inner contrast of a run between two others, which limit its outer ranges unless they are ``None``."""
        kind, start, end, _ = run
        reach = math.ceil(self.outer_ratio * (end - start))
        left, right = max(start - reach, 0), min(end + reach, self.length)
        if before and not self.original:
            left = max(left, before[1])
        if after and not self.original:
            right = min(right, after[2])
        if before and before[0] == kind:  # a cut between instances that touch: no outer range on this side
            left = start
        if after and after[0] == kind:
            right = end
        sums, outer_length = self.sums, start - left + right - end
        inner = (sums[end] - sums[start]) / (end - start)
        outer = (sums[start] - sums[left] + sums[right] - sums[end]) / outer_length if outer_length else 0
        if kind:
            return inner - outer
        return (1 - inner) - (1 - outer) if outer_length else 1 - inner

    def contrasts(self, switches):
        runs = self.runs(switches)
        around = zip(runs, [None, *runs], [*runs[1:], None])
        return [self.contrast(run, before, after) for run, before, after in around if run[3]]

    def best(self):
        return max(np.mean(self.contrasts(switches)) for switches in itertools.product(*self.switches()))

    def beam(self, budget=25):
        """LACP's beam search: it extends candidates from left to right, and keeps those whose complete runs are best.

        The outer range of the last complete run is not limited on its right. The incomplete run that follows ends with
        the last seed of its kind.
        """
        gaps = self.switches()
        beam = [()]
        for number, gap in enumerate(gaps):
            following = gaps[number + 1][0] if number + 1 < len(gaps) else self.length
            beam = [(*partial, position) for partial in beam for position in gap]
            if len(beam) > budget:
                beam = sorted(beam, key=lambda partial: -self.partial_sum(partial, following))[:budget]
        return max(np.mean(self.contrasts(switches)) for switches in beam)

    def partial_sum(self, partial, following):
        runs = [run for run in self.runs((*partial, following)) if run[2] <= following]
        total = 0
        for before, run, after in zip([None, *runs], runs, [*runs[1:], None]):
            if after and after[1] == partial[-1] and after[0] != run[0]:
                after = None
            total += self.contrast(run, before, after) * run[3]
        return total


def chains(scores, targets, **variant):
    """All chains of a batch that have seeds, as ``{(video, label): chain}``."""
    found = {}
    for video, mask in enumerate(targets.mask):
        length = int(mask.sum())
        instances = targets.snippet_instances[video, :length].numpy()
        for label in np.flatnonzero(((instances >= 0).any(0)) & (targets.video_labels[video].numpy() > 0)):
            background = targets.background_labels[video, :length].numpy()
            found[video, label] = Chain(scores[video, :length], instances, background, label, **variant)
    return found
