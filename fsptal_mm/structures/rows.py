"""Rows of a tensor in another order, with gradients that are taken back in the same way."""

from typing import Any

import torch
from torch import Tensor


def take_rows(values: Tensor, index: Tensor, back: Tensor, blank: Tensor) -> Tensor:
    """``values[index]`` where no row is taken twice, but for blank ones.

    The gradient is then a selection of rows, too. That of torch's own indexing is a sum over all places that a row was
    taken to, one after the other: on a GPU, thousands of padded places that show one zero row take longer than
    all the rest.

    Args:
        values (Tensor): ``(R, ...)``.
        index (Tensor): ``(S,)`` int64, the rows to take.
        back (Tensor): ``(R,)`` int64, the place in ``index`` of every row; arbitrary for blank ones.
        blank (Tensor): ``(N,)`` int64, rows that are not taken, or that count as constants: their gradient is 0.

    Returns:
        Tensor: ``(S, ...)``.
    """
    return _TakeRows.apply(values, index, back, blank)


class _TakeRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor, back: Tensor, blank: Tensor) -> Tensor:
        ctx.save_for_backward(back, blank)
        return values.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        back, blank = ctx.saved_tensors
        # As differentiable operations, so that the gradient has a gradient itself.
        return gradient.index_select(0, back).index_fill(0, blank, 0), None, None, None
