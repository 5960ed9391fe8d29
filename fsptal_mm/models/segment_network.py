"""Networks of the second stage: they classify and refine whole segments."""

from typing import Any

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.models.segment_pooling import SegmentPooling
from fsptal_mm.models.trunks.snippet_embedding import PackedConv1d
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError, check_numbers

_CLASS_BIAS = -2.0  # initial bias: a segment is most likely background
_MARGIN = 0.25  # how far `ContrastSegmentNetwork` looks beyond a segment on each side, as a share of its length
_NUM_RANGES = (2, 8, 2)  # number of ranges of `ContrastSegmentNetwork` before a segment, inside it, and behind it


@MODELS.register_module()
class SegmentNetwork(nn.Module):
    """Network that gives each of many segments class logits and a refined start and end.

    A convolution embeds the snippets; their means over ranges around and inside a segment go through two linear layers.
    Start and end move by offsets that the network gives as shares of the segment's length.

    Args:
        num_classes: Number of classes, C.
        in_channels: Dimension D of the features.
        channels: Dimension D' of the embedded snippets.
        kernel_size: Kernel of the convolution, in snippets.
        hidden_channels: Dimension of the two linear layers.
        input_dropout: Rate of dropout on the features.
        pooled_dropout: Rate of dropout on the means over ranges.
        hidden_dropout: Rate of dropout on the outputs of each linear layer.
        **pooling: Arguments of :class:`SegmentPooling`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        channels: int = 96,
        kernel_size: int = 5,
        hidden_channels: int = 256,
        input_dropout: float = 0.3,
        pooled_dropout: float = 0.25,
        hidden_dropout: float = 0.5,
        **pooling: Any,
    ) -> None:
        super().__init__()
        check_numbers('SegmentNetwork', 1, whole=True, channels=channels, hidden_channels=hidden_channels)
        dropouts = dict(input_dropout=input_dropout, pooled_dropout=pooled_dropout, hidden_dropout=hidden_dropout)
        check_numbers('SegmentNetwork', 0, 1, **dropouts)
        self.input_dropout = nn.Dropout(input_dropout)
        self.conv = PackedConv1d(in_channels, channels, kernel_size)
        self.norm = nn.LayerNorm(channels)
        self.pooling = SegmentPooling(**pooling)
        pooled_channels = self.pooling.num_ranges * channels + 2  # + 2: length, and length as a share of the video
        self.hidden = nn.Sequential(
            nn.Dropout(pooled_dropout),
            nn.Linear(pooled_channels, hidden_channels),
            nn.ReLU(),
            nn.Dropout(hidden_dropout),
        )
        self.residual = nn.Sequential(nn.Linear(hidden_channels, hidden_channels), nn.ReLU())
        self.residual_dropout = nn.Dropout(hidden_dropout)
        self.classifier = nn.Linear(hidden_channels, num_classes)
        self.regressor = nn.Linear(hidden_channels, 2)
        nn.init.constant_(self.classifier.bias, _CLASS_BIAS)
        nn.init.zeros_(self.regressor.weight)  # at first, no segment moves
        nn.init.zeros_(self.regressor.bias)

    def forward(self, batch: SnippetBatch, video: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Classify and refine segments.

        Args:
            batch (SnippetBatch): ``(R, D)`` features.
            video (Tensor): ``(N,)`` int64, the video of each segment.
            segments (Tensor): ``(N, 2)`` starts and ends in snippets, longer than 0.

        Returns:
            tuple[Tensor, Tensor]: Logits ``(N, C)`` and refined segments ``(N, 2)`` in snippets, both float32.
        """
        batch = batch.with_gap(self.conv.padding[0])  # the gap that stage 1 needs may be smaller
        rows = self.norm(self.conv(batch.with_features(self.input_dropout(batch.features))))  # (R, D')
        embedded = batch.with_features(batch.zero_gaps(F.relu(rows)))
        means = self.pooling(embedded, video, segments).flatten(1)  # (N, K D')
        length = segments[:, 1:] - segments[:, :1]
        share = length / batch.mask.sum(1)[video, None]
        hidden = self.hidden(torch.cat([means, length.log() / 3, share], 1))  # log / 3 is about 1 for usual lengths
        hidden = self.residual_dropout(hidden + self.residual(hidden))
        return self.classifier(hidden).float(), segments + self.regressor(hidden).float() * length


@MODELS.register_module()
class ContrastSegmentNetwork(nn.Module):
    """Network that compares the inside of a segment with its surroundings, as stage 2 of HR-Pro does (AAAI 2024).

    Snippet features are averaged over 2 ranges before a segment, 8 inside and 2 behind it. The largest values before,
    inside and behind it are vectors L, M and R. The class logits come from ``[M - L, M, M - R]``, the offset of the
    start from L, and that of the end from R.

    Args:
        num_classes: Number of logits, C.
        in_channels: Dimension D of the features.
        dropout: Rate of dropout behind the first layer of the classifier.
    """

    def __init__(self, num_classes: int, in_channels: int, dropout: float = 0.7) -> None:
        super().__init__()
        check_numbers('ContrastSegmentNetwork', 2, whole=True, in_channels=in_channels)
        check_numbers('ContrastSegmentNetwork', 0, 1, dropout=dropout)
        self.in_channels = in_channels
        step = (1 + 2 * _MARGIN) / sum(_NUM_RANGES)
        self.pooling = SegmentPooling([step * place - _MARGIN for place in range(sum(_NUM_RANGES) + 1)])
        self.fusion = nn.Sequential(nn.Linear(3 * in_channels, in_channels), nn.ReLU(), nn.Dropout(dropout))
        self.classifier, self.start, self.end = (
            nn.Sequential(nn.Linear(in_channels, in_channels // 2), nn.ReLU(), nn.Linear(in_channels // 2, outputs))
            for outputs in (num_classes, 1, 1)
        )

    def forward(self, batch: SnippetBatch, video: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Classify and refine segments: arguments and results as in :meth:`SegmentNetwork.forward`."""
        if batch.features.shape[1] != self.in_channels:
            expected = f'{self.in_channels}, the `in_channels` of the model'
            raise InputError(expected, field='dimension of the features', found=batch.features.shape[1])
        means = self.pooling(batch, video, segments)  # (N, 12, D)
        before, inside, behind = (part.amax(1) for part in means.split(_NUM_RANGES, 1))
        logits = self.classifier(self.fusion(torch.cat([inside - before, inside, inside - behind], 1)))
        offsets = torch.cat([self.start(before), self.end(behind)], 1).float()
        return logits.float(), segments + offsets * (segments[:, 1:] - segments[:, :1])
