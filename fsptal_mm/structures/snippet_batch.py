"""Packed sequence: the snippets of a batch of videos end to end, without padding; and conversion to padded tensors."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .rows import take_rows


@dataclass(frozen=True)
class SnippetBatch:
    """Packed sequence: the snippets of B videos as rows, end to end, with zero rows (gaps) around each video.

    A convolution over the rows equals zero-padded convolutions over the single videos, on two conditions: it sees at
    most ``gap`` rows to each side, and the gaps are set to zero again before the next convolution (:meth:`zero_gaps`).
    Packing saves work: padding a random batch of 16 THUMOS14 videos to the longest would multiply the rows by 3.6.

    Example: videos of 2 and 1 snippets, a0 a1 and b0, with gap 1 are the rows 0 a0 a1 0 b0 0. Then ``rows`` is
    ``((1, 2), (4, 0))``, ``gaps`` ``(0, 3, 5)`` and ``places`` ``(0, 0, 1, 0, 2, 0)``.

    Attributes:
        features: ``(R, D)`` rows, ``R = sum(lengths) + (B + 1) * gap``.
        lengths: Number of snippets of each of the B videos, on the host, so that nothing here waits for the device.
        gap: Zero rows before, between and after the videos.
        mask: ``(B, T)`` bool, true on real snippets; ``T = max(lengths)``.
        rows: ``(B, T)`` int64, the row of every snippet; padded snippets point to row 0, which is a zero row.
        gaps: ``((B + 1) * gap,)`` int64, the zero rows.
        places: ``(R,)`` int64, the place of every row in ``rows.flatten()``; 0 for zero rows.
        affinity_embedding: ``(R, D_e)`` rows with zero gaps, E of Sec. 3.5, if a trunk such as ``AffinityEmbedding``
            made it beside its features; otherwise ``None``.
    """

    features: Tensor
    lengths: tuple
    gap: int
    mask: Tensor
    rows: Tensor
    gaps: Tensor
    places: Tensor
    affinity_embedding: Tensor | None = None

    @classmethod
    def from_videos(
        cls, videos: list[Tensor], gap: int = 1, device: torch.device | str | None = None
    ) -> 'SnippetBatch':
        """Pack a list of ``(T_i, D)`` features.

        Args:
            videos (list[Tensor]): Features of one data type and dimension, on any device.
            gap: Number of zero rows between videos, at least half the kernel (rounded down) of the widest convolution
                that is to run over them.
            device: Device of the batch; by default that of the first video.
        """
        device = videos[0].device if device is None else torch.device(device)
        batch = cls._empty(tuple(map(len, videos)), gap, device)
        return batch.with_features(batch.join([video.to(device, non_blocking=True) for video in videos]))

    @classmethod
    def _empty(cls, lengths, gap, device):
        """Batch of videos of the given lengths whose features are still missing."""
        # All on the host, in numpy: an operation on tensors would cost ten times as much, and occupy the device.
        length = np.array(lengths)
        gap_starts = np.append(0, (length + gap).cumsum())[:, None]  # (B + 1, 1), first row of each gap
        gaps = (gap_starts + np.arange(gap)).ravel()
        time = np.arange(length.max())
        mask = time < length[:, None]
        rows = np.where(mask, gap_starts[:-1] + gap + time, 0)
        places = np.zeros(length.sum() + len(gaps), dtype=np.int64)
        places[rows[mask]] = np.flatnonzero(mask)
        return cls(None, lengths, gap, *to_device(device, mask, rows, gaps, places))

    @property
    def num_rows(self) -> int:
        """Number of rows, R."""
        return sum(self.lengths) + len(self.gaps)

    def with_features(self, features: Tensor) -> 'SnippetBatch':
        """Return the batch with other features, ``(R, D')``."""
        return replace(self, features=features)

    def with_affinity(self, embedding: Tensor) -> 'SnippetBatch':
        """Return the batch with an affinity embedding E, ``(R, D_e)`` with zero gaps."""
        return replace(self, affinity_embedding=embedding)

    def _take(self, batch, function):
        """Fill another batch: ``function`` computes its features, and E if there is one, from those of this batch."""
        embedding = None if self.affinity_embedding is None else function(self.affinity_embedding)
        return replace(batch, features=function(self.features), affinity_embedding=embedding)

    def zero_gaps(self, values: Tensor) -> Tensor:
        """Set the rows of ``(R, K)`` values that are not snippets back to zero."""
        return values.index_fill(0, self.gaps, 0)

    def pad(self, values: Tensor) -> Tensor:
        """Spread ``(R, K)`` row values over ``(B, T, K)``; values on padded snippets are arbitrary but finite.

        Meant for scores, which are small: features stay packed.
        """
        rows = take_rows(values, self.rows.flatten(), self.places, self.gaps)
        return rows.unflatten(0, self.rows.shape)

    def split(self, values: Tensor) -> tuple[Tensor, ...]:
        """Cut ``(R, K)`` row values into those of single videos, ``(T_i, K)``, as views."""
        cuts = [self.gap]
        for length in self.lengths:
            cuts += [length, self.gap]
        return values.split(cuts)[1::2]

    def join(self, videos: list[Tensor]) -> Tensor:
        """Lay the ``(T_i, K)`` values of single videos end to end, ``(R, K)`` with zero gaps; inverse of ``split``."""
        zeros = videos[0].new_zeros((self.gap, *videos[0].shape[1:]))
        return torch.cat([zeros, *(part for video in videos for part in (video, zeros))])

    def with_gap(self, gap: int) -> 'SnippetBatch':
        """Pack the videos anew, with at least ``gap`` zero rows between them, for a wider convolution."""
        return self if gap <= self.gap else self.from_videos(list(self.split(self.features)), gap)

    def select(self, chosen: Tensor, counts: Sequence[int] | None = None) -> tuple['SnippetBatch', Tensor]:
        """Select snippets of every video, in order, as a batch of its own.

        Args:
            chosen (Tensor): ``(B, T)`` bool, within ``mask``; a video may have no chosen snippet.
            counts (Sequence[int], optional): Number of chosen snippets of each video; by default they are fetched from
                the device, for which the host waits.

        Returns:
            tuple[SnippetBatch, Tensor]: The new batch; and ``(R',)`` int64, for each row of the new batch the row of
            this batch that it copies. Zero rows copy row 0.
        """
        counts = np.array(chosen.sum(1).tolist() if counts is None else counts)
        device = self.features.device
        batch = self._empty(tuple(counts.tolist()), self.gap, device)
        # `place`: the new row of every snippet, counted from 1, or 0 where it is not chosen; entry 0 is thrown away at
        # the end. Example: with gap 1 and chosen = (0, 1, 1) in the first video, the places are (0, 2, 3), that is, the
        # new rows 1 and 2.
        first_row = self.gap * np.arange(1, len(counts) + 1) + counts.cumsum() - counts  # of each video
        place = chosen.cumsum(1).add_(to_device(device, first_row[:, None])[0]).mul_(chosen).flatten()
        rows = self.rows.new_zeros(batch.num_rows + 1).scatter_(0, place, self.rows.flatten())[1:]
        return self._take(batch, lambda values: values.index_select(0, rows)), rows

    def resample(self, positions: Sequence[np.ndarray | Tensor | None]) -> 'SnippetBatch':
        """Interpolate the features of every video linearly, and E with them.

        Args:
            positions (Sequence): For each video ``(T_i',)`` fractional indices of snippets, on the host, within
                ``[0, T_i - 1]``; ``None`` for a video that stays as it is.

        Returns:
            SnippetBatch: Videos of ``T_i'`` snippets.
        """
        positions = [
            np.arange(length, dtype=np.float64) if position is None else np.asarray(position)
            for length, position in zip(self.lengths, positions)
        ]
        batch = self._empty(tuple(map(len, positions)), self.gap, self.features.device)
        # Each new row is a weighted sum of the two old rows around its position; position 2.3: 0.7 row 2 + 0.3 row 3.
        around = np.zeros((batch.num_rows, 2), dtype=np.int64)  # new zero rows are sums of old row 0, with weights 0
        weights = np.zeros(around.shape, dtype=np.float32)
        old_start = new_start = self.gap  # first row of the video in this batch, and in the new one
        for length, position in zip(self.lengths, positions):
            rows, before = slice(new_start, new_start + len(position)), np.floor(position).astype(np.int64)
            around[rows] = old_start + np.stack([before, np.minimum(before + 1, length - 1)], 1)
            weights[rows] = np.stack([before + 1 - position, position - before], 1)
            old_start, new_start = old_start + length + self.gap, rows.stop + self.gap
        around, weights = to_device(self.features.device, around, weights)

        def interpolate(values):
            return F.embedding_bag(around, values, mode='sum', per_sample_weights=weights.to(values.dtype))

        return self._take(batch, interpolate)


def to_device(device: torch.device | str, *arrays: np.ndarray) -> tuple[Tensor, ...]:
    """Copy arrays of the host to a device, as tensors; the host does not wait."""
    return tuple(torch.from_numpy(array).to(device, non_blocking=True) for array in arrays)
