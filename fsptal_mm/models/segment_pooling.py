"""Features of whole segments: exact means over ranges around and inside them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.models.precision import dtype_of_sums
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError, check_numbers

_NO_WIDTH = 1e-6  # snippets, of a range beyond the ends of a video


class SegmentPooling(nn.Module):
    """Means of snippet features over consecutive ranges of a segment and its surroundings.

    Each range is averaged exactly, with the fractions of snippets at its ends, from cumulative sums: the cost is linear
    in the number of snippets and of segments, however long these are.

    Args:
        places: Ascending edges of the ranges, in lengths of the segment from its start: 0 is its start, 1 its end.
        min_snippets: Shorter segments are widened about their middle for pooling.
    """

    def __init__(
        self, places: Sequence[float] = (-1, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.25, 2), min_snippets: float = 1.0
    ) -> None:
        super().__init__()
        places = list(places)
        if len(places) < 2 or sorted(set(places)) != places:
            raise InputError('at least two ascending numbers', field='SegmentPooling.places', found=places)
        check_numbers('SegmentPooling', 1e-3, min_snippets=min_snippets)
        self.register_buffer('places', torch.tensor(places, dtype=torch.float32), persistent=False)
        self.min_snippets = min_snippets

    @property
    def num_ranges(self) -> int:
        """Number of ranges, K."""
        return len(self.places) - 1

    def forward(self, batch: SnippetBatch, video: Tensor, segments: Tensor) -> Tensor:
        """Pool segments.

        Args:
            batch (SnippetBatch): ``(R, D)`` rows.
            video (Tensor): ``(N,)`` int64.
            segments (Tensor): ``(N, 2)`` starts and ends in snippets.

        Returns:
            Tensor: ``(N, K, D)``; zeros for a range beyond the ends of the video.
        """
        middle, length = segments.mean(1, keepdim=True), segments[:, 1:] - segments[:, :1]
        edges = middle + (self.places.to(segments.dtype) - 0.5) * length.clamp(min=self.min_snippets)
        num_snippets = batch.mask.sum(1)[video].to(edges.dtype)[:, None]
        edges = torch.minimum(edges.clamp(min=0), num_snippets)
        return self._means_between(batch, video, edges)

    def _means_between(self, batch, video, edges):
        """Means ``(N, K, D)`` of the features between consecutive edges ``(N, K + 1)`` in snippets.

        The sum up to an edge is the cumulative sum with the snippet that it lies in, minus the part of that snippet
        behind it. So each mean is a weighted sum of four rows, which one call gathers.
        """
        exact = dtype_of_sums(edges.device)
        features = batch.features.to(exact)
        table = torch.cat([features.cumsum(0), features])
        whole = edges.floor()
        rows = batch.rows[video, :1] + whole.long()  # in which the edges lie: a zero row behind the last snippet
        behind, weight = (whole + 1 - edges).to(exact), 1 / edges.diff(dim=1).clamp(min=_NO_WIDTH).to(exact)
        start, stop = rows[:, :-1], rows[:, 1:]
        terms = torch.stack([stop, stop + len(features), start, start + len(features)], -1)
        factors = torch.stack([weight, -weight * behind[:, 1:], -weight, weight * behind[:, :-1]], -1)
        means = F.embedding_bag(terms.flatten(0, 1), table, mode='sum', per_sample_weights=factors.flatten(0, 1))
        return means.to(edges.dtype).unflatten(0, start.shape)
