"""Resampling that stretches a video's time axis at short proposals (ASM-Loc: He et al., CVPR 2022)."""

from dataclasses import dataclass

import numpy as np
from mmaction.registry import TASK_UTILS
from numpy.typing import ArrayLike

from fsptal_mm.structures import SegmentBatch, SnippetGrid
from fsptal_mm.utils.errors import check_flags, check_numbers


@dataclass(frozen=True)
class TimeWarp:
    """Map between the T snippets of a video and the M snippets that are resampled from them; both ends stay fixed.

    Example: of two snippets, the second one becomes three. Then ``cumulated`` is ``(0, 1, 4)``, and a segment from 1 to
    2 on the video's own time axis lies from 1 to 4 on the resampled one.

    Attributes:
        cumulated: ``(T + 1,)`` float64, ascending from 0 to M: edges of the T snippets on the resampled axis.
        right_ends: Whether the time of a snippet is its right end, as in the public code, and not its centre. If so,
            new snippets are sampled at their right ends, and the edges of segments are mapped as right ends.
    """

    cumulated: np.ndarray
    right_ends: bool = False

    @property
    def num_snippets(self) -> int:
        """Number M of resampled snippets."""
        return round(float(self.cumulated[-1]))

    @property
    def positions(self) -> np.ndarray:
        """Fractional indices ``(M,)`` in ``[0, T - 1]`` to sample at, as :meth:`.SnippetBatch.resample` takes them."""
        anchor = 1.0 if self.right_ends else 0.5  # where a snippet stands within its length of 1
        places = self.to_old(np.arange(self.num_snippets) + anchor) - anchor
        return places.clip(0, len(self.cumulated) - 2)

    def to_old(self, edges: ArrayLike) -> np.ndarray:
        """Map positions on the resampled time axis to the video's own one; both in snippets."""
        return np.interp(edges, self.cumulated, np.arange(len(self.cumulated)))

    def to_new(self, edges: ArrayLike) -> np.ndarray:
        """Map positions on the video's own time axis to the resampled one; both in snippets."""
        shift = 1.0 if self.right_ends else 0.0
        # One more edge behind the last one, since a shifted position may lie there.
        extended = np.append(self.cumulated, 2 * self.cumulated[-1] - self.cumulated[-2])
        return np.interp(np.asarray(edges) + shift, np.arange(len(extended)), extended) - shift


@dataclass(frozen=True)
class WarpedGrid:
    """Grid of a resampled time axis. It has only what ``ProposalGenerator`` uses of a grid, the method :meth:`to_sec`.

    Attributes:
        grid: Grid of the video.
        warp: From the video to the resampled axis.
    """

    grid: SnippetGrid
    warp: TimeWarp

    def to_sec(self, position: ArrayLike) -> np.ndarray:
        """Seconds of a position on the resampled axis."""
        return self.grid.to_sec(self.warp.to_old(position))


@dataclass(frozen=True)
class SegmentView:
    """Proposals of one video on a resampled time axis of M snippets, on the host.

    Attributes:
        warp: From the video to the resampled axis.
        ranges: ``(K, 2)`` int64, ``[start, stop)`` in snippets of the resampled axis: the widened proposals, except
            those inside another proposal. Snippets of one range attend to each other.
        labels: ``(M, C)`` bool, pseudo labels: whether snippet t lies in a proposal of class c.
    """

    warp: TimeWarp
    ranges: np.ndarray
    labels: np.ndarray


@TASK_UTILS.register_module()
class DynamicSegmentSampler:
    """Sampler that takes more snippets from short proposals, so that no action is too short to be attended to.

    For each class, the best proposals are trusted, as long as their scores add up to at most ``trusted_share`` of the
    sum over all proposals of the class. Trusted proposals shorter than ``min_snippets`` are stretched to this length,
    and their surroundings are stretched by the same factor.

    Args:
        trusted_share: alpha, see above.
        min_snippets: gamma, see above. With its surroundings, a stretched proposal gets ``gamma (2 widening + 1)``
            snippets.
        widening: delta, share of a proposal's length that counts as surroundings on each side. Snippets also attend to
            one another within proposals that are widened by this.
        public_rounding: Follow the public code: a range includes the snippet after its rounded end, so that every
            proposal is a snippet longer; and the time of a snippet is its right end.
        trust_best: Whether the best proposal of each class is trusted, whatever its share of the sum. ``False``, the
            default, as in the public code: not if its score is more than ``trusted_share`` of the sum. Then the only
            proposal of a class is never stretched, since its score is the whole sum.
    """

    def __init__(
        self,
        trusted_share: float = 0.7,
        min_snippets: float = 6,
        widening: float = 0.5,
        public_rounding: bool = False,
        trust_best: bool = False,
    ) -> None:
        check_numbers('DynamicSegmentSampler', 0, 1, trusted_share=trusted_share)
        check_numbers('DynamicSegmentSampler', 1, min_snippets=min_snippets)
        check_numbers('DynamicSegmentSampler', 0, widening=widening)
        check_flags('DynamicSegmentSampler', public_rounding=public_rounding, trust_best=trust_best)
        self.trusted_share = trusted_share
        self.min_snippets = min_snippets
        self.widening = widening
        self.public_rounding = public_rounding
        self.trust_best = trust_best

    def __call__(self, proposals: SegmentBatch, num_snippets: int, num_classes: int) -> SegmentView:
        """Stretch the time axis of one video, and map its proposals to the new axis.

        Args:
            proposals (SegmentBatch): Proposals in the video, on the host.
            num_snippets: Number of snippets of the video, T.
            num_classes: Number of classes, C.
        """
        segments = proposals.segments.numpy().astype(np.float64)
        weights = self.weights(segments, proposals.labels.numpy(), proposals.scores.numpy(), num_snippets)
        warp = TimeWarp(np.append(0.0, np.cumsum(weights)), self.public_rounding)
        segments, length = warp.to_new(segments), warp.num_snippets  # on the resampled axis from here on
        labels = np.zeros((length, num_classes), dtype=bool)
        for (start, stop), label in zip(self._ranges(segments, length), proposals.labels.tolist()):
            labels[start:stop, label] = True
        attended = self._ranges(self._widen(without_inner(segments)), length)
        return SegmentView(warp, attended, labels)

    def weights(self, segments: np.ndarray, labels: np.ndarray, scores: np.ndarray, num_snippets: int) -> np.ndarray:
        """Compute how many new snippets each snippet becomes, ``(T,)`` float64. The sum over a stretched run is whole.

        Args:
            segments (np.ndarray): ``(N, 2)`` in snippets.
            labels (np.ndarray): ``(N,)`` class indices.
            scores (np.ndarray): ``(N,)``.
            num_snippets: Number of snippets of the video, T.
        """
        wanted = self.min_snippets * (2 * self.widening + 1)
        weights = np.ones(num_snippets)
        trusted = segments[self._trusted(labels, scores.astype(np.float64))]
        for start, stop in self._ranges(self._widen(trusted), num_snippets):
            if 1 < stop - start <= wanted:
                weights[start:stop] = np.maximum(weights[start:stop], wanted / (stop - start))
        edges = np.flatnonzero(np.diff(np.pad(weights > 1, 1).astype(int)))  # start, stop, start, stop ... of the runs
        for start, stop in edges.reshape(-1, 2):
            total = weights[start:stop].sum()
            weights[start:stop] *= np.round(total) / total
        return weights

    def _trusted(self, labels, scores):
        """Indices of the trusted proposals of all classes."""
        chosen = []
        for label in np.unique(labels):
            own = np.flatnonzero(labels == label)
            own = own[np.argsort(-scores[own], kind='stable')]
            total = np.cumsum(scores[own])
            count = (total <= self.trusted_share * total.max()).sum()
            chosen.append(own[: max(count, 1) if self.trust_best else count])
        return np.concatenate(chosen) if chosen else np.empty(0, dtype=np.int64)

    def _widen(self, segments):
        """Segments ``(N, 2)`` that are longer by ``widening`` times their length on each side."""
        middle, half = segments.mean(1, keepdims=True), (0.5 + self.widening) * np.diff(segments, axis=1)
        return middle + half * np.array([-1, 1])

    def _ranges(self, segments, num_snippets):
        """Round positions in snippets to ranges of whole snippets ``[start, stop)``, ``(N, 2)``."""
        ranges = np.rint(segments).astype(np.int64) + (np.array([0, 1]) if self.public_rounding else 0)
        return ranges.clip(0, num_snippets)


def without_inner(segments: np.ndarray) -> np.ndarray:
    """Segments ``(N, 2)`` that lie inside no other segment, in time order; of equal segments, one stays."""
    segments = segments[np.lexsort((-segments[:, 1], segments[:, 0]))]  # by start; with equal starts, the longest first
    ends = np.maximum.accumulate(segments[:, 1]) if len(segments) else segments[:, 1]
    # A segment lies in an earlier one unless it ends after all earlier ones.
    return segments[segments[:, 1] > np.append(-np.inf, ends[:-1])]
