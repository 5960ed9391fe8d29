"""Rows of a tensor in another order, with gradients that are taken back in the same way."""

from typing import Any

import torch
from torch import Tensor


def take_rows(values: Tensor, index: Tensor, back: Tensor, blank: Tensor) -> Tensor:
    """Select rows, ``values[index]``, none of them twice except blank ones.

    The gradient is then a selection of rows, too. In torch's own indexing it is a sum over all places that a row is
    copied to, in sequence: on a GPU, the thousands of padded places that copy one zero row take longer than all the
    rest.

    Args:
        values (Tensor): ``(R, ...)``.
        index (Tensor): ``(S,)`` int64, the rows to take.
        back (Tensor): ``(R,)`` int64, the place in ``index`` of every row; arbitrary for blank ones.
        blank (Tensor): ``(N,)`` int64, rows that are not selected, or are constants: their gradient is 0.

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
