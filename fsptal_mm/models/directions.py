"""Directions of features, which cosines compare, and a classifier by cosine."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Shorter features count as similar to nothing, which bounds the gradient of their direction; it fits into float16.
_NORM_EPS = 1e-4
_SCALE = 10.0  # at first, as of the foreground branch


def directions(features: Tensor, scale: float = 1.0) -> Tensor:
    """Features ``(..., D)`` of length 1, in float32: in half precision a small norm would underflow to 0.

    Args:
        features (Tensor): Any.
        scale: What their cosines are multiplied by, and with them the gradient that is to stay bounded.
    """
    return F.normalize(features.float(), dim=-1, eps=_NORM_EPS * scale)


class CosineLinear(nn.Linear):
    """``scale * cos(x, w_c) + bias_c`` of directions x, with a learnt scale.

    Args:
        in_channels: D.
        out_channels: Number of outputs c.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        nn.init.zeros_(self.bias)
        self.scale = nn.Parameter(torch.tensor(_SCALE))

    def forward(self, rows: Tensor) -> Tensor:
        """Classify ``(R, D)`` rows, as :func:`directions` makes them; dropout may come in between."""
        return self.scale * F.linear(rows, F.normalize(self.weight, dim=-1)) + self.bias
