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
        is_snippet: ``(R, 1)`` bool, false on the zero rows.
    """

    features: Tensor
    lengths: tuple
    gap: int
    mask: Tensor
    rows: Tensor
    is_snippet: Tensor

    @classmethod
    def from_videos(cls, videos, gap=1, device=None):
        """Pack a list of ``(T_i, D)`` features.

        Args:
            videos (list[Tensor]): Features of one data type and dimension; or clips ``(T_i, ...)`` for a backbone.
            gap: Zero rows between videos: half the kernel of the widest convolution that is to run over them.
            device: Where the batch shall live; by default where the first video is.
        """
        device = videos[0].device if device is None else torch.device(device)
        lengths = tuple(len(video) for video in videos)
        starts = [gap]
        for length in lengths:
            starts.append(starts[-1] + length + gap)
        features = torch.zeros((starts[-1], *videos[0].shape[1:]), dtype=videos[0].dtype, device=device)
        for start, video in zip(starts, videos):
            features[start : start + len(video)].copy_(video, non_blocking=True)
        time = torch.arange(max(lengths))
        mask = time < torch.tensor(lengths)[:, None]
        rows = torch.where(mask, torch.tensor(starts[:-1])[:, None] + time, 0)
        is_snippet = torch.zeros((starts[-1], 1), dtype=torch.bool)
        is_snippet[rows[mask]] = True
        mask, rows, is_snippet = (index.to(device, non_blocking=True) for index in (mask, rows, is_snippet))
        return cls(features, lengths, gap, mask, rows, is_snippet)

    def with_features(self, features):
        """The same videos with other features ``(R, D')``."""
        return replace(self, features=features)

    def zero_gaps(self, values):
        """Set the rows of ``(R, K)`` values that are no snippets back to zero."""
        return values.masked_fill(~self.is_snippet, 0)

    def pad(self, values):
        """Spread ``(R, K)`` row values over ``(B, T, K)``; what stands on padded snippets is arbitrary but finite.

        Meant for scores, which are small: features stay packed.
        """
        return values[self.rows]

    def split(self, values):
        """Cut ``(R, K)`` row values into the single videos' ``(T_i, K)``, as views."""
        cuts = [self.gap]
        for length in self.lengths:
            cuts += [length, self.gap]
        return values.split(cuts)[1::2]
