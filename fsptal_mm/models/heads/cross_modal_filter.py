"""One feature stream filters the channels of the other (CO2-Net: Hong et al., ACM MM 2021, as in DELU)."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.models.trunks.snippet_embedding import PackedConv1d
from fsptal_mm.structures import SnippetBatch

_SLOPE = 0.2  # negative slope of every leaky ReLU of the network
_TAPS = 3  # snippets that a convolution sees


class CrossModalFilter(nn.Module):
    """Filter of the features x of one stream, ``x' = sigmoid(m g) x``, and an attention computed from x'.

    The factor g is computed from the mean of x over the video, and m from the other stream, snippet by snippet.

    Args:
        channels: Dimension d of x.
        other_channels: Dimension of the other stream.
        dropout: Rate of dropout on m, on g, within the attention and, as in the public code, on the attention's logit.
    """

    def __init__(self, channels: int, other_channels: int, dropout: float = 0.5) -> None:
        super().__init__()
        hidden = channels // 2
        # The public code has a convolution of three taps here. It sees the single mean and zeros on both sides, so that
        # a linear layer with the weights of the middle tap does the same.
        self.of_video = nn.Linear(channels, channels)
        self.of_snippets = PackedConv1d(other_channels, channels, _TAPS)
        self.attention = nn.ModuleList([PackedConv1d(channels, hidden, _TAPS), PackedConv1d(hidden, hidden, _TAPS)])
        self.attention_logit = nn.Linear(hidden, 1)
        self.dropout = nn.Dropout(dropout)
        init_layers(self)
        with torch.no_grad():
            self.of_video.weight /= math.sqrt(_TAPS)  # as large as the initial weights of one of three taps

    def forward(self, batch: SnippetBatch, other: SnippetBatch) -> tuple[Tensor, Tensor]:
        """Filter x, the features of ``batch``, by the features of ``other``, of the same videos.

        Returns:
            tuple[Tensor, Tensor]: x' ``(R, d)`` with zero gaps, and attention ``(R, 1)``.
        """
        of_video = self.dropout(F.leaky_relu(self.of_video(video_means(batch)), _SLOPE))  # g, (B, d)
        of_snippets = self.dropout(F.leaky_relu(self.of_snippets(other), _SLOPE))  # m, (R, d)
        filtered = (of_snippets * of_video.index_select(0, _video_of_rows(batch))).sigmoid() * batch.features
        first, second = self.attention
        rows = self.dropout(F.leaky_relu(first(batch.with_features(filtered)), _SLOPE))
        rows = F.leaky_relu(second(batch.with_features(rows)), _SLOPE)
        return filtered, self.dropout(self.attention_logit(rows)).sigmoid()


def video_means(batch: SnippetBatch) -> Tensor:
    """Mean features ``(B, D)`` of the videos of a batch with zero gaps; in float32, since float16 may overflow."""
    rows = batch.features.float()
    sums = rows.new_zeros(len(batch.lengths), rows.shape[1]).index_add(0, _video_of_rows(batch), rows)
    return sums / batch.mask.sum(1, keepdim=True)


def _video_of_rows(batch):
    """Index of the video of every row, ``(R,)`` int64; 0 for rows of gaps."""
    return batch.places // batch.mask.shape[1]


def init_layers(module: nn.Module) -> None:
    """Initialise all linear layers and convolutions: weights by Kaiming's uniform rule, biases with zeros."""
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Conv1d)):
            nn.init.kaiming_uniform_(part.weight)
            nn.init.zeros_(part.bias)
