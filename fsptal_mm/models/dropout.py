"""Dropout whose random numbers cost little on a CPU."""

import torch
from torch import nn

_DRAWS = 2**16  # that 16 random bits can tell apart


class Dropout(nn.Dropout):
    """``nn.Dropout`` that draws 16 random bits for an element, which on a CPU takes half the time of the library's way.

    The share of elements that are kept is a multiple of ``2**-16``; they are divided by this share, not by the one
    asked for, so that the mean stays what it is.
    """

    def forward(self, features):
        """Drop elements of a tensor of any shape, in training."""
        if not self.training or self.p == 0:
            return features
        kept = min(round((1 - self.p) * _DRAWS), _DRAWS - 1)
        count = features.numel()
        words = torch.empty(-(-count // 4), dtype=torch.int64, device=features.device).random_(-(2**63), None)
        bits = words.view(torch.int16)[:count].view(features.shape)  # from -2**15 on, all equally likely
        factor = (bits < kept - _DRAWS // 2).to(features.dtype).mul_(_DRAWS / max(kept, 1))
        return features * factor
