"""Attention among the snippets of a video and one token per class (HR-Pro: Zhang et al., AAAI 2024)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.models.trunks.snippet_embedding import PackedConv1d
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError, check_numbers


class ReliabilityEncoder(nn.Module):
    """Layers of attention among the snippets of a video and class tokens, then a convolution with ReLU over snippets.

    Videos do not mix. Linear layers run over the packed snippets; attention is padded to the longest video. In training
    with ``attention_dropout``, memory grows with the square of the number of snippets; otherwise it grows linearly.

    Args:
        channels: Dimension of snippets and tokens, and of the output.
        num_layers: Number of layers; each is attention and an MLP, in post-norm form.
        num_heads: Number of attention heads; divides ``channels``.
        mlp_channels: Width of the MLPs.
        dropout: Rate of dropout on the outputs of attention and MLP, and inside the MLP.
        attention_dropout: Rate of dropout on the weights of the attention.

    Raises:
        InputError: An argument is out of range, or ``num_heads`` does not divide ``channels``.
    """

    def __init__(
        self,
        channels: int,
        num_layers: int = 2,
        num_heads: int = 8,
        mlp_channels: int = 128,
        dropout: float = 0.3,
        attention_dropout: float = 0.1,
    ) -> None:
        super().__init__()
        counts = dict(channels=channels, num_layers=num_layers, num_heads=num_heads, mlp_channels=mlp_channels)
        check_numbers('ReliabilityEncoder', 1, whole=True, **counts)
        check_numbers('ReliabilityEncoder', 0, 1, dropout=dropout, attention_dropout=attention_dropout)
        if channels % num_heads:
            expected = f'a divisor of the {channels} channels'
            raise InputError(expected, field='ReliabilityEncoder.num_heads', found=num_heads)
        self.layers = nn.ModuleList(
            _Layer(channels, num_heads, mlp_channels, dropout, attention_dropout) for _ in range(num_layers)
        )
        self.conv = PackedConv1d(channels, channels, 3)

    def forward(self, batch: SnippetBatch, tokens: Tensor) -> SnippetBatch:
        """Embed snippets.

        Args:
            batch (SnippetBatch): ``(R, D)`` rows.
            tokens (Tensor): ``(C, D)``, copied for every video.

        Returns:
            SnippetBatch: ``(R, D)`` rows with zero gaps.
        """
        num_videos, num_rows = len(batch.lengths), len(batch.features)
        # The tokens of all videos are further rows behind the R rows of snippets.
        token_rows = num_rows + torch.arange(num_videos * len(tokens), device=tokens.device).view(num_videos, -1)
        index = torch.cat([batch.rows, token_rows], 1)  # (B, T + C) rows of the snippets and tokens of each video
        mask = F.pad(batch.mask, (0, len(tokens)), value=True)
        place = index.new_zeros(num_rows + token_rows.numel())  # where each row stands in `index`; arbitrary for gaps
        place = place.scatter(0, index.flatten(), torch.arange(index.numel(), device=index.device))
        rows = torch.cat([batch.features, tokens.to(batch.features.dtype).repeat(num_videos, 1)])
        for layer in self.layers:
            rows = layer(rows, index, place, mask)
        snippets = batch.with_features(batch.zero_gaps(rows[:num_rows]))
        return batch.with_features(F.relu(self.conv(snippets)))


class _Layer(nn.Module):
    """Post-norm layer: ``x = norm(x + attention(x))``, then ``x = norm(x + mlp(x))``.

    Queries and keys are projected twice, as published.
    """

    def __init__(self, channels, num_heads, mlp_channels, dropout, attention_dropout):
        super().__init__()
        self.num_heads = num_heads
        self.attention_dropout = attention_dropout
        self.query, self.key = (
            nn.Sequential(nn.Linear(channels, channels), nn.Linear(channels, channels)) for _ in range(2)
        )
        self.value, self.out = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, mlp_channels), nn.ReLU(), nn.Dropout(dropout), nn.Linear(mlp_channels, channels)
        )
        self.attention_norm, self.mlp_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)
        # As in `nn.MultiheadAttention`: Xavier initialisation of the three projections as one matrix of 3 D rows.
        bound = (6 / (4 * channels)) ** 0.5
        for projection in (self.query[1], self.key[1], self.value):
            nn.init.uniform_(projection.weight, -bound, bound)
            nn.init.zeros_(projection.bias)
        nn.init.zeros_(self.out.bias)

    def forward(self, rows, index, place, mask):
        """Apply the layer to R' rows: the packed snippets, then the tokens of all videos. N is T + C.

        Args:
            rows: ``(R', D)``.
            index: ``(B, N)`` row of each snippet and token of a video.
            place: ``(R',)`` place of each row in ``index.flatten()``; arbitrary for gaps.
            mask: ``(B, N)`` bool, true on real snippets and on tokens.
        """
        rows = self.attention_norm(rows + self.dropout(self._attend(rows, index, place, mask)))
        return self.mlp_norm(rows + self.dropout(self.mlp(rows)))

    def _attend(self, rows, index, place, mask):
        query, key, value = (
            projected[index].unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, heads, T + C, d)
            for projected in (self.query(rows), self.key(rows), self.value(rows))
        )
        dropout = self.attention_dropout if self.training else 0.0
        attended = F.scaled_dot_product_attention(query, key, value, mask[:, None, None], dropout)
        return self.out(attended.transpose(1, 2).flatten(2).flatten(0, 1)[place])
