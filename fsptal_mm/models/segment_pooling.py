"""Features of whole segments: exact means over ranges around and inside them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.models.precision import dtype_of_sums
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError, check_numbers

# Least divisor of a sum over a range, in snippets, since a range beyond the ends of the video has no width.
_NO_WIDTH = 1e-6


class SegmentPooling(nn.Module):
    """Means of snippet features over consecutive ranges of a segment and its surroundings.

    Each range is averaged exactly, with the fractions of snippets at its ends. Cumulative sums make the cost linear in
    the number of snippets plus the number of segments, however long the segments are.

    Args:
        places: Ascending edges of the ranges, in lengths of the segment from its start: 0 is its start, 1 its end.
        min_snippets: Shorter segments are widened about their middle to this length, for pooling only.
    """

    def __init__(
        self, places: Sequence[float] = (-1, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.25, 2), min_snippets: float = 1.0
    ) -> None:
        super().__init__()
        places = list(places)
        if len(places) < 2 or sorted(set(places)) != places:
            raise InputError('at least two ascending numbers', field='SegmentPooling.places', found=places)
        check_numbers('SegmentPooling', 1e-3, min_snippets=min_snippets)
        from_middle = torch.tensor(places, dtype=torch.float32) - 0.5  # in lengths of the segment
        self.register_buffer('from_middle', from_middle, persistent=False)
        # The sum over a range is the sum up to its end minus the sum up to its start.
        self.register_buffer('signs', torch.tensor([-1.0, 1.0]), persistent=False)
        self.min_snippets = min_snippets

    @property
    def num_ranges(self) -> int:
        """Number of ranges, K."""
        return len(self.from_middle) - 1

    def forward(self, batch: SnippetBatch, video: Tensor, segments: Tensor) -> Tensor:
        """Compute the mean features of the K ranges of each segment.

        Args:
            batch (SnippetBatch): ``(R, D)`` rows.
            video (Tensor): ``(N,)`` int64, the video of each segment.
            segments (Tensor): ``(N, 2)`` starts and ends in snippets.

        Returns:
            Tensor: ``(N, K, D)``; zeros for a range beyond the ends of the video.
        """
        middle, length = segments.mean(1, keepdim=True), segments[:, 1:] - segments[:, :1]
        edges = middle + self.from_middle.to(segments.dtype) * length.clamp(min=self.min_snippets)
        num_snippets = batch.mask.sum(1)[video].to(edges.dtype)[:, None]
        edges = torch.minimum(edges.clamp(min=0), num_snippets)
        return self._means_between(batch, video, edges)

    def _means_between(self, batch, video, edges):
        """Means ``(N, K, D)`` of the features between consecutive edges ``(N, K + 1)`` in snippets.

        The sum up to an edge is the cumulative sum up to and including the snippet in which the edge lies, minus the
        part of that snippet behind the edge: for an edge at 2.3, ``x0 + x1 + x2 - 0.7 x2``. A mean is the difference of
        two such sums, divided by the width of the range.

        Sums of thousands of snippets need more digits than float32 has. So each sum is split into its value rounded to
        float32 and a small rest, and the differences of both parts are added. No digit of a difference is lost, though
        all rows are gathered and summed in float32, which is twice as fast as float64.
        """
        features = batch.features.to(edges.dtype)
        cumulated = features.cumsum(0, dtype=dtype_of_sums(edges.device))
        rounded = cumulated.detach().to(edges.dtype)  # a constant: the whole gradient flows through the rest
        table = torch.cat([(cumulated - rounded).to(edges.dtype), features])  # (2 R, D)
        whole = edges.floor()
        rows = batch.rows[video, :1] + whole.long()  # of the snippet at each edge; a zero row for the end
        behind, width = whole + 1 - edges, edges.diff(dim=1)
        weight = (width > 0) / width.clamp(min=_NO_WIDTH)
        # Rows and weights for the start and the end of each range, (N * K, 2). The weights of the sums are -1 / width
        # and 1 / width. The snippet in which an edge lies gets minus this weight, times the part of it behind the edge.
        ends = rows.unfold(1, 2, 1).flatten(0, 1)
        signs = weight[..., None] * self.signs.to(weight.dtype)
        parts = (signs * behind.unfold(1, 2, 1)).flatten(0, 1)
        signs = signs.flatten(0, 1)
        # Rounded sums are first subtracted from one another, which is exact, and then divided by the width.
        coarse = _weighted_sums(rounded, ends, signs.sign())
        fine = _weighted_sums(table, torch.cat([ends, ends + len(features)], 1), torch.cat([signs, -parts], 1))
        return fine.addcmul_(coarse, weight.flatten()[:, None]).unflatten(0, width.shape)


def _weighted_sums(table, rows, weights):
    """Weighted sums ``(N, D)`` of M rows each of a table ``(R, D)``; ``rows`` and ``weights`` are ``(N, M)``."""
    return F.embedding_bag(rows, table, mode='sum', per_sample_weights=weights)
