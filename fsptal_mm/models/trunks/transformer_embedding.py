"""Trunk with self-attention over the snippets of a video, which sees further than a convolution."""

import math

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseModule
from torch import nn
from torch.nn import functional as F

from fsptal_mm.models.video_attention import video_attention
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError, check_numbers

from .snippet_embedding import PackedConv1d


@MODELS.register_module()
class TransformerEmbedding(BaseModule):
    """Trunk of a convolution and layers of self-attention within each video; an alternative to ``SnippetEmbedding``.

    The convolution takes the place of position embeddings, as in ActionFormer (Zhang et al., ECCV 2022), so that videos
    may be longer than the training videos. Memory grows linearly with the snippets, since attention weights are not
    kept. With ``window``, computation grows linearly, too.

    Args:
        in_channels: Dimension D of the snippet features.
        out_channels: Dimension of F; ``in_channels`` by default.
        num_layers: Number of layers; each is attention and an MLP.
        num_heads: Number of attention heads; divides ``out_channels``.
        window: Number of snippets on each side that a snippet attends to; ``None`` for the whole video.
        mlp_ratio: Hidden width of the MLPs, as a multiple of ``out_channels``.
        kernel_size: Kernel of the convolution, in snippets.
        dropout: Rate of dropout on the outputs of attention and MLP before these are added, in training.
        input_dropout: Rate of dropout on the snippet features, in training.
        init_cfg: As in ``mmengine.model.BaseModule``.

    Raises:
        InputError: ``num_heads`` does not divide the channels, or ``window`` is below 1.
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
        """Embed a :class:`.SnippetBatch`: X ``(R, D)`` becomes F ``(R, D')``; zero gaps stay zero."""
        rows = F.relu(self.conv(batch.with_features(self.input_dropout(batch.features))))
        for layer in self.layers:
            rows = layer(rows, batch)
        return batch.with_features(batch.zero_gaps(self.norm(rows)))


class _Layer(nn.Module):
    """Pre-norm transformer layer: ``x = x + attention(norm(x))``, then ``x = x + mlp(norm(x))``."""

    def __init__(self, channels, num_heads, window, mlp_ratio, dropout):
        super().__init__()
        self.attention_norm, self.mlp_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attention = _VideoAttention(channels, num_heads, window)
        hidden = int(channels * mlp_ratio)
        self.mlp = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))
        self.dropout = nn.Dropout(dropout)  # none on attention weights, which would then have to be kept in memory

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
        """Attend from ``(R, D)`` rows to the rows of the same video; returns ``(R, D)``, arbitrary in gaps."""
        query, key_value = self.query_key_value(rows).unflatten(1, (3, self.num_heads, -1)).split([1, 2], 1)
        if self.window is not None and self.window < max(batch.lengths) - 1:
            return self.out(self._attend_locally(batch, query[:, 0], *key_value.unbind(1)).flatten(1))
        return self.out(video_attention(batch, query[:, 0], key_value).flatten(1))

    def _attend_locally(self, batch, query, key, value):
        """Attend within ``window`` rows to each side, block by block; arguments are ``(R, heads, d)`` each.

        The rows are cut into blocks of ``window`` rows. The rows of a block are compared with those of the same
        block and of the two adjacent blocks. A mask excludes rows that are too far away or of another video, since
        a block may hold rows of several videos.
        """
        size, length = self.window, len(query)
        num_blocks = math.ceil(length / size)
        rest = num_blocks * size - length  # rows that the last block lacks
        # Queries are (blocks, heads, size, d); keys and values are (blocks, heads, 3 * size, d).
        query = F.pad(query, (0, 0, 0, 0, 0, rest)).unflatten(0, (num_blocks, size)).transpose(1, 2)
        around = (0, 0, 0, 0, size, size + rest)
        key, value = (F.pad(part, around).unfold(0, 3 * size, size).mT for part in (key, value))
        video = (batch.places // batch.rows.shape[1]).index_fill(0, batch.gaps, -1)  # of each row; -1 in gaps
        query_video = F.pad(video, (0, rest), value=-1).view(num_blocks, size, 1)
        key_video = F.pad(video, (size, size + rest), value=-1).unfold(0, 3 * size, size)[:, None]
        place = torch.arange(3 * size, device=video.device)
        near = (place[:size, None] + size - place).abs() <= size  # row i of a block is number size + i of its keys
        # A row of a gap sees at least itself: a softmax over nothing would be NaN.
        is_seen = near & (query_video == key_video)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=is_seen[:, None])
        return attended.transpose(1, 2).flatten(0, 1)[:length]
