"""A trunk that sees further than a convolution: self-attention over the snippets of a video."""

import math

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import nn
from torch.nn import functional as F

from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError, check_numbers

from .snippet_embedding import PackedConv1d


@MODELS.register_module()
class TransformerEmbedding(BaseModule):
    """A convolution and layers of self-attention, each video for itself; an alternative to ``SnippetEmbedding``.

    The convolution tells where a snippet stands among its neighbours, as in ActionFormer (Zhang et al., ECCV 2022), so
    that no length of video is foreign to the model. Memory grows linearly with the snippets: attention weights are
    never kept, or, with ``window``, never reach further.

    Args:
        in_channels: Dimension D of the snippet features.
        out_channels: Dimension of F; ``in_channels`` by default.
        num_layers: Layers of attention and MLP.
        num_heads: Of the attention; divides ``out_channels``.
        window: Snippets to each side that a snippet attends to; ``None`` for the whole video.
        mlp_ratio: Width of the MLPs over ``out_channels``.
        kernel_size: Of the convolution, in snippets.
        dropout: On what each layer adds, in training.
        input_dropout: On the snippet features, in training.
        init_cfg: As in ``mmengine.model.BaseModule``.

    Raises:
        InputError: ``num_heads`` that do not divide the channels, or a ``window`` below 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        num_layers: int = 2,
        num_heads: int = 8,
        window: int | None = None,
        mlp_ratio: float = 2,
        kernel_size: int = 3,
        dropout: float = 0.1,
        input_dropout: float = 0.0,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        channels = in_channels if out_channels is None else out_channels
        counts = dict(channels=channels, num_layers=num_layers, num_heads=num_heads)
        check_numbers('TransformerEmbedding', 1, whole=True, **counts)
        check_numbers('TransformerEmbedding', 1, whole=True, optional=True, window=window)
        check_numbers('TransformerEmbedding', 0, 1, dropout=dropout, input_dropout=input_dropout)
        check_numbers('TransformerEmbedding', 1 / channels, mlp_ratio=mlp_ratio)
        if channels % num_heads:
            expected = f'a divisor of the {channels} channels'
            raise InputError(expected, field='TransformerEmbedding.num_heads', found=num_heads)
        self.input_dropout = nn.Dropout(input_dropout)
        self.conv = PackedConv1d(in_channels, channels, kernel_size)
        self.layers = nn.ModuleList(_Layer(channels, num_heads, window, mlp_ratio, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(channels)

    def forward(self, batch: SnippetBatch) -> SnippetBatch:
        """Embed a :class:`.SnippetBatch`; ``(R, D)`` to ``(R, D')``, zero gaps stay zero."""
        rows = F.relu(self.conv(batch.with_features(self.input_dropout(batch.features))))
        for layer in self.layers:
            rows = layer(rows, batch)
        return batch.with_features(batch.zero_gaps(self.norm(rows)))


class _Layer(nn.Module):
    """Attention and MLP, normalised before and added (a pre-norm transformer layer)."""

    def __init__(self, channels, num_heads, window, mlp_ratio, dropout):
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = _VideoAttention(channels, num_heads, window)
        hidden = int(channels * mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))
        self.dropout = nn.Dropout(dropout)  # not on attention weights, which would then have to be kept

    def forward(self, rows, batch):
        rows = rows + self.dropout(self.attention(self.attention_norm(rows), batch))
        return rows + self.dropout(self.mlp(self.mlp_norm(rows)))


class _VideoAttention(nn.Module):
    """Multi-head self-attention over the snippets of each video of a packed sequence."""

    def __init__(self, channels, num_heads, window):
        super().__init__()
        self.num_heads = num_heads
        self.window = window
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, rows, batch):
        """``(R, D)`` to ``(R, D)``; what stands in the gaps is arbitrary, and nothing attends to it."""
        heads = self.query_key_value(rows).unflatten(1, (3, self.num_heads, -1))
        attended = [self._attend(*video.permute(1, 2, 0, 3)) for video in batch.split(heads)]
        return self.out(batch.join([video.transpose(0, 1).flatten(1) for video in attended]))

    def _attend(self, query, key, value):
        """``(heads, T, d)`` each."""
        if self.window is not None and self.window < query.shape[1] - 1:
            return self._attend_locally(query, key, value)
        return F.scaled_dot_product_attention(query[None], key[None], value[None])[0]

    def _attend_locally(self, query, key, value):
        """Queries in blocks of ``window`` snippets, each of which sees its own and the two adjacent blocks of keys."""
        size, length, device = self.window, query.shape[1], query.device
        num_blocks = math.ceil(length / size)
        rest = num_blocks * size - length
        query = F.pad(query, (0, 0, 0, rest)).unflatten(1, (num_blocks, size))
        key, value = (F.pad(part, (0, 0, size, size + rest)).unfold(1, 3 * size, size).mT for part in (key, value))
        start = size * torch.arange(num_blocks, device=device)[:, None]
        query_at = (start + torch.arange(size, device=device))[:, :, None]
        key_at = (start + torch.arange(-size, 2 * size, device=device))[:, None, :]
        is_seen = ((query_at - key_at).abs() <= size) & (key_at >= 0) & (key_at < length)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=is_seen)
        return attended.flatten(1, 2)[:, :length]
