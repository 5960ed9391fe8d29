"""Features of whole segments: exact means over ranges around and inside them."""

import torch
from torch import nn

from fsptal_mm.utils.errors import InputError, check_numbers

_WITHOUT_FLOAT64 = ('mps',)
_NO_WIDTH = 1e-6  # snippets, of a range beyond the ends of a video


class SegmentPooling(nn.Module):
    """Means of snippet features over consecutive ranges of a segment and its surroundings.

    Each range is averaged exactly, with the fractions of snippets at its ends, from cumulative sums: the cost is linear
    in the number of snippets and of segments, however long these are.

    Args:
        places: Ascending edges of the ranges, in lengths of the segment from its start: 0 is its start, 1 its end.
        min_snippets: Shorter segments are widened about their middle for pooling.
    """

    def __init__(self, places=(-1, -0.25, 0, 0.25, 0.5, 0.75, 1, 1.25, 2), min_snippets=1.0):
        super().__init__()
        places = list(places)
        if len(places) < 2 or sorted(set(places)) != places:
            raise InputError('at least two ascending numbers', field='SegmentPooling.places', found=places)
        check_numbers('SegmentPooling', 1e-3, min_snippets=min_snippets)
        self.register_buffer('places', torch.tensor(places, dtype=torch.float32), persistent=False)
        self.min_snippets = min_snippets

    @property
    def num_ranges(self):
        """Number of ranges, K."""
        return len(self.places) - 1

    def forward(self, batch, video, segments):
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
        width = edges.diff(dim=1)[..., None]
        return self._sums_up_to(batch, video, edges).diff(dim=1).to(width.dtype) / width.clamp(min=_NO_WIDTH)

    def _sums_up_to(self, batch, video, places):
        """Sums of the features from the start of the batch to ``(N, K)`` places in snippets; ``(N, K, D)``."""
        features = batch.features
        exact = torch.float32 if features.device.type in _WITHOUT_FLOAT64 else torch.float64
        total = features.to(exact).cumsum(0)  # long sums, for which float32 is coarse
        whole = places.floor()
        rows = batch.rows[video, :1] + whole.long()  # in which the places lie: a zero row behind the last snippet
        return total[rows] - (whole + 1 - places)[..., None] * features[rows]
