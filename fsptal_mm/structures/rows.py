"""Selection of rows of a tensor whose gradient is a selection of rows, too."""

from typing import Any

import torch
from torch import Tensor


def take_rows(values: Tensor, index: Tensor, back: Tensor, blank: Tensor) -> Tensor:
    """Select rows, ``values[index]``, none of them twice except blank ones.

    As every other row has one place at most, its gradient is simply the gradient at that place. Torch's own indexing
    adds up the gradients of all places that a row is copied to, one after another: on a GPU, the thousands of padded
    places that copy one zero row take longer than all the rest.

    Example: row 0 is blank and index is ``(1, 2, 0, 0)``. Then back is ``(any, 0, 1)``: row 1 stands in place 0 of the
    result, and takes its gradient from there.

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
    """Operation of :func:`take_rows`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, index: Tensor, back: Tensor, blank: Tensor) -> Tensor:
        ctx.save_for_backward(back, blank)
        return values.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        back, blank = ctx.saved_tensors
        # Both operations are differentiable, so that the gradient has a gradient itself.
        return gradient.index_select(0, back).index_fill(0, blank, 0), None, None, None
