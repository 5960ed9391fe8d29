"""Attention within segments and among them (ASM-Loc: He et al., CVPR 2022)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError, check_numbers

NORMS = ('bn', 'ln')


class SegmentAttention(nn.Module):
    """Attention of snippets to those with which they share a segment, and of the segments of a video to one another.

    In the second kind of attention, a segment is represented by the mean of its snippets. Its result goes to all of its
    snippets; a snippet in several segments gets the mean of their results. The results of both kinds are multiplied by
    a learnt factor, which is 0 at first, and added to the features. Memory grows with the square of the longest video,
    because any two snippets may share a segment.

    Args:
        channels: Dimension D of the features.
        num_heads: Number of heads of both kinds of attention; divides the channels.
        norm: ``'bn'``: batch normalisation over all snippets of a batch, as in the public code, so that videos are not
            independent of one another. ``'ln'``: layer normalisation of each snippet by itself.

    Raises:
        InputError: ``num_heads`` does not divide the channels, or ``norm`` is unknown.
    """

    def __init__(self, channels: int, num_heads: int = 8, norm: str = 'ln') -> None:
        super().__init__()
        check_numbers('SegmentAttention', 1, whole=True, num_heads=num_heads)
        if channels % num_heads:
            expected = f'a divisor of the {channels} channels'
            raise InputError(expected, field='SegmentAttention.num_heads', found=num_heads)
        if norm not in NORMS:
            raise InputError(f'one of {NORMS}', field='SegmentAttention.norm', found=norm)
        self.within, self.among = (_Attention(channels, num_heads, norm) for _ in range(2))

    def forward(self, batch: SnippetBatch, members: Tensor) -> SnippetBatch:
        """Add both kinds of attention to the features.

        Args:
            batch (SnippetBatch): ``(R, D)`` features.
            members (Tensor): ``(B, T, K)`` bool: whether snippet t lies in segment k of its video. Segments without a
                snippet are padding.

        Returns:
            SnippetBatch: ``(R, D)`` features.
        """
        is_member = members.to(batch.features.dtype)
        together = torch.matmul(is_member, is_member.mT) > 0  # (B, T, T); the product counts common segments
        batch = self.within.add(batch, self.within(batch.pad(batch.features), together))
        snippets = batch.pad(batch.features)  # (B, T, D)
        segments = _mean(is_member.mT, snippets)  # (B, K, D)
        is_segment = members.any(1)
        gathered = self.among(segments, is_segment[:, :, None] & is_segment[:, None])
        return self.among.add(batch, _mean(is_member, gathered))


class _Attention(nn.Module):
    """Multi-head self-attention with a mask; :meth:`add` adds its normalised result, at first with weights of 0."""

    def __init__(self, channels, num_heads, norm):
        super().__init__()
        self.num_heads = num_heads
        self.query, self.key, self.value, self.out = (nn.Linear(channels, channels) for _ in range(4))
        self.norm = nn.BatchNorm1d(channels) if norm == 'bn' else nn.LayerNorm(channels)
        nn.init.zeros_(self.norm.weight)

    def forward(self, values, sees):
        """Attend among ``(B, N, D)`` values: i to j if ``sees[b, i, j]``. The result of i is 0 if i sees nothing."""
        sees_any = sees.any(2, keepdim=True)
        sees = sees | ~sees_any  # all instead of nothing: a softmax over nothing would be NaN
        parts = (
            part(values).unflatten(2, (self.num_heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        found = F.scaled_dot_product_attention(*parts, attn_mask=sees[:, None]).transpose(1, 2).flatten(2)
        return found * sees_any

    def add(self, batch, attended):
        """Normalise ``(B, T, D)`` results and add them to the features; the norm sees each snippet once, no padding."""
        rows = self.out(attended).flatten(0, 1).index_select(0, batch.places)
        rows = self.norm(torch.cat(batch.split(rows)))
        return batch.with_features(batch.features + batch.join(list(rows.split(batch.lengths))))


def _mean(is_member, values):
    """Means ``(B, N, D)`` of ``(B, M, D)`` values over the members of N sets, 0/1 ``(B, N, M)``; 0 for an empty set."""
    return torch.matmul(is_member, values) / is_member.sum(2, keepdim=True).clamp(min=1)
