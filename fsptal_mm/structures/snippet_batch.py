"""A batch of videos of different lengths without padding: the packed sequence, and the way to padded score tensors."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class SnippetBatch:
    """Videos laid end to end with zero rows around them.

    A convolution over the rows equals zero-padded convolutions over the single videos as long as its reach is at most
    ``gap`` rows and the gaps are zero again before the next one (:meth:`zero_gaps`). Real benchmarks pay for this at
    once: padding a random batch of 16 THUMOS14 videos to the longest multiplies the work by 3.6.

    Attributes:
        features: ``(R, D)`` rows, ``R = sum(lengths) + (B + 1) * gap``.
        lengths: Number of snippets of each of the B videos, known on the host: nothing here waits for the device.
        gap: Zero rows before, between and after the videos.
        mask: ``(B, T)`` bool, true on real snippets; ``T = max(lengths)``.
        rows: ``(B, T)`` int64, the row of every snippet; padded snippets point to row 0, which is a zero row.
        gaps: ``((B + 1) * gap,)`` int64, the zero rows.
        affinity_embedding: ``(R, D_e)`` rows with zero gaps, E of Sec. 3.5, where a trunk such as ``AffinityEmbedding``
            made it beside its features; ``None`` elsewhere.
    """

    features: Tensor
    lengths: tuple
    gap: int
    mask: Tensor
    rows: Tensor
    gaps: Tensor
    affinity_embedding: Tensor | None = None

    @classmethod
    def from_videos(
        cls, videos: list[Tensor], gap: int = 1, device: torch.device | str | None = None
    ) -> 'SnippetBatch':
        """Pack a list of ``(T_i, D)`` features.

        Args:
            videos (list[Tensor]): Features of one data type and dimension; or clips ``(T_i, ...)`` for a backbone.
            gap: Zero rows between videos: half the kernel of the widest convolution that is to run over them.
            device: Where the batch shall live; by default where the first video is.
        """
        device = videos[0].device if device is None else torch.device(device)
        batch = cls._empty(tuple(map(len, videos)), gap, device)
        return batch.with_features(batch.join([video.to(device, non_blocking=True) for video in videos]))

    @classmethod
    def _empty(cls, lengths, gap, device):
        """Batch of videos of the given lengths whose features are still missing."""
        gap_starts = [0]
        for length in lengths:
            gap_starts.append(gap_starts[-1] + gap + length)
        gap_starts = torch.tensor(gap_starts)[:, None]
        gaps = (gap_starts + torch.arange(gap)).flatten()
        time = torch.arange(max(lengths))
        mask = time < torch.tensor(lengths)[:, None]
        rows = torch.where(mask, gap_starts[:-1] + gap + time, 0)
        return cls(None, lengths, gap, *(index.to(device, non_blocking=True) for index in (mask, rows, gaps)))

    @property
    def num_rows(self) -> int:
        """Number of rows, R."""
        return sum(self.lengths) + len(self.gaps)

    def with_features(self, features: Tensor) -> 'SnippetBatch':
        """The same videos with other features ``(R, D')``."""
        return replace(self, features=features)

    def with_affinity(self, embedding: Tensor) -> 'SnippetBatch':
        """The same videos with an affinity embedding E, ``(R, D_e)`` with zero gaps."""
        return replace(self, affinity_embedding=embedding)

    def _take(self, batch, function):
        """Another batch with what a function makes of the rows of this one, of its features and of E."""
        embedding = None if self.affinity_embedding is None else function(self.affinity_embedding)
        return replace(batch, features=function(self.features), affinity_embedding=embedding)

    def zero_gaps(self, values: Tensor) -> Tensor:
        """Set the rows of ``(R, K)`` values that are no snippets back to zero."""
        return values.index_fill(0, self.gaps, 0)

    def pad(self, values: Tensor) -> Tensor:
        """Spread ``(R, K)`` row values over ``(B, T, K)``; what stands on padded snippets is arbitrary but finite.

        Meant for scores, which are small: features stay packed.
        """
        return values[self.rows]

    def split(self, values: Tensor) -> tuple[Tensor, ...]:
        """Cut ``(R, K)`` row values into the single videos' ``(T_i, K)``, as views."""
        cuts = [self.gap]
        for length in self.lengths:
            cuts += [length, self.gap]
        return values.split(cuts)[1::2]

    def join(self, videos: list[Tensor]) -> Tensor:
        """Lay the single videos' ``(T_i, K)`` values end to end, ``(R, K)`` with zero gaps: what :meth:`split` cuts."""
        zeros = videos[0].new_zeros((self.gap, *videos[0].shape[1:]))
        return torch.cat([zeros, *(part for video in videos for part in (video, zeros))])

    def with_gap(self, gap: int) -> 'SnippetBatch':
        """The same videos with at least as many zero rows between them, for a wider convolution."""
        return self if gap <= self.gap else self.from_videos(list(self.split(self.features)), gap)

    def select(self, chosen: Tensor) -> tuple['SnippetBatch', Tensor]:
        """Some snippets of every video, in order, as a batch of its own; waits for the device twice.

        Args:
            chosen (Tensor): ``(B, T)`` bool, within ``mask``; none of a video is possible, too.

        Returns:
            tuple[SnippetBatch, Tensor]: The batch, and the rows ``(R',)`` int64 of this one that its rows are; zero
            rows are row 0.
        """
        batch = self._empty(tuple(chosen.sum(1).tolist()), self.gap, self.features.device)
        rows = batch.rows.new_zeros(batch.num_rows)
        is_snippet = torch.ones_like(rows, dtype=torch.bool).index_fill_(0, batch.gaps, False)
        rows.masked_scatter_(is_snippet, self.rows[chosen])
        return self._take(batch, lambda values: values.index_select(0, rows)), rows

    def resample(self, positions: list[Tensor]) -> 'SnippetBatch':
        """Interpolate the features of every video linearly, and E with them.

        Args:
            positions (list[Tensor]): ``(T_i',)`` places on the host, in snippets within ``[0, T_i - 1]``.

        Returns:
            SnippetBatch: Of lengths ``T_i'``.
        """
        batch = self._empty(tuple(map(len, positions)), self.gap, self.features.device)
        left = torch.zeros(batch.num_rows, dtype=torch.int64)  # zero rows are taken from zero rows
        right, share = torch.zeros_like(left), torch.zeros(len(left), 1, dtype=torch.float64)
        start = at = self.gap
        for length, place in zip(self.lengths, positions):
            rows, before = slice(at, at + len(place)), place.floor().long()
            left[rows] = start + before
            right[rows] = start + (before + 1).clamp(max=length - 1)
            share[rows, 0] = (place - before).double()
            start, at = start + length + self.gap, rows.stop + self.gap
        device, dtype = self.features.device, self.features.dtype
        left, right = (rows.to(device, non_blocking=True) for rows in (left, right))
        share = share.to(dtype).to(device, non_blocking=True)

        def interpolate(values):
            before, after = (values.index_select(0, rows) for rows in (left, right))
            return torch.lerp(before, after, share.to(values.dtype))

        return self._take(batch, interpolate)
