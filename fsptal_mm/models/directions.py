"""Features of length 1, whose dot products are cosines; and a classifier by cosine."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Features shorter than this are divided by it and not by their length. Their cosines are then near 0, and the gradient
# of their direction is bounded, so that it fits into float16.
_NORM_EPS = 1e-4
_SCALE = 10.0  # initial scale of CosineLinear, the same as in the foreground branch


def directions(features: Tensor, scale: float = 1.0) -> Tensor:
    """Divide features ``(..., D)`` by their length, in float32, since in half precision a small length would become 0.

    Args:
        features (Tensor): Of any data type.
        scale: Factor by which the caller multiplies the cosines. The smallest length by which features are divided is
            proportional to it, so that the bound on the gradient stays the same.
    """
    return _Normalise.apply(features.float(), _NORM_EPS * scale)


class _Normalise(torch.autograd.Function):
    """``F.normalize`` over the last dimension, but its backward pass reads the features half as often."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, eps: float) -> Tensor:
        length = torch.linalg.vector_norm(features, dim=-1, keepdim=True).clamp(min=eps)
        direction = features / length
        ctx.save_for_backward(direction, length)
        ctx.eps = eps
        return direction

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        direction, length = ctx.saved_tensors
        # A change along a feature changes its length alone, not its direction: this part of the gradient is removed.
        # Features up to the length eps are divided by a constant, so that their gradient keeps this part.
        along = (gradient * direction).sum(-1, keepdim=True).masked_fill(length <= ctx.eps, 0)
        return torch.addcmul(gradient, along, direction, value=-1) / length, None


class CosineLinear(nn.Linear):
    """Classifier ``scale * cos(x, w_c) + bias_c`` of features x of length 1, with a learnt scale.

    Args:
        in_channels: Dimension D of x.
        out_channels: Number of outputs C.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        nn.init.zeros_(self.bias)
        self.scale = nn.Parameter(torch.tensor(_SCALE))

    def forward(self, rows: Tensor) -> Tensor:
        """Classify ``(R, D)`` rows that :func:`directions` has made, perhaps with dropout; returns ``(R, C)``."""
        return F.linear(rows, self.scale * directions(self.weight), self.bias)
