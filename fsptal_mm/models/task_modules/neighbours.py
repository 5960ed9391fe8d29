"""Nearest marked snippets on both sides of every snippet."""

from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F


class Neighbours:
    """Nearest marked snippets to the left and right of every snippet, found in a fixed number of tensor operations.

    Args:
        here (Tensor): ``(B, T)`` bool marks.

    Attributes:
        here: The marks.
        index: ``(B, T)`` index of every snippet.
        left: ``(B, T)`` index of the nearest mark at or before each snippet, -1 if there is none.
        right: ``(B, T)`` index of the nearest mark at or after each snippet, T if there is none.
    """

    def __init__(self, here: Tensor) -> None:
        num_snippets = here.shape[1]
        self.index = torch.arange(num_snippets, device=here.device).expand(here.shape)
        self.here, elsewhere = here, ~here
        self.left = self.index.masked_fill(elsewhere, -1).cummax(1).values
        self.right = self.index.masked_fill(elsewhere, num_snippets).flip(1).cummin(1).values.flip(1)

    @cached_property
    def before(self) -> Tensor:
        """Index ``(B, T)`` of the nearest mark strictly before each snippet, -1 if there is none."""
        return F.pad(self.left[:, :-1], (1, 0), value=-1)

    @cached_property
    def after(self) -> Tensor:
        """Index ``(B, T)`` of the nearest mark strictly after each snippet, T if there is none."""
        return F.pad(self.right[:, 1:], (0, 1), value=self.right.shape[1])
