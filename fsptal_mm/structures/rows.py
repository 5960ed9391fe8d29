"""Selection of rows of a tensor, with a fast gradient."""

from typing import Any

import torch
from torch import Tensor


def take_rows(values: Tensor, index: Tensor, back: Tensor, blank: Tensor) -> Tensor:
    """Select rows, ``values[index]``. Only blank rows may occur in ``index`` more than once.

    A row that is not blank has at most one place in the result, and its gradient is the gradient at that place. So the
    backward pass is a selection of rows, too. Torch's own indexing adds up the gradients of all places that a row is
    copied to, one after another. On a GPU, this takes longer than the rest of a training step if thousands of padded
    places copy one zero row.

    Example: row 0 is blank and index is ``(1, 2, 0, 0)``. Then back is ``(any, 0, 1)``: row 1 stands in place 0 of the
    result, row 2 in place 1, and they take their gradients from there.

    Args:
        values (Tensor): ``(R, ...)``.
        index (Tensor): ``(S,)`` int64, the rows to take.
        back (Tensor): ``(R,)`` int64, the place in ``index`` of every row; arbitrary for blank ones.
        blank (Tensor): ``(N,)`` int64, the blank rows: those that are not selected, and constants such as zero rows.
            Their gradient is 0.

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
