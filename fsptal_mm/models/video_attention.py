"""Attention among the snippets of each video of a packed batch, for all videos at once."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fsptal_mm.structures import SnippetBatch, take_rows, to_device

# Videos are padded to the longest of their group. The lengths in a group differ by at most this factor, except in the
# last group, which holds all shorter videos. At the lengths of THUMOS14, padding in 6 groups costs a fifth more work
# than attention video by video.
_RATIO, _NUM_GROUPS = 1.5, 6


def video_attention(
    batch: SnippetBatch,
    query: Tensor,
    key_value: Tensor,
    asking: SnippetBatch | None = None,
    scale: float | None = None,
) -> Tensor:
    """Attend from the snippets of each video to all snippets of the same video.

    No T x T matrix is kept. The number of operations does not grow with the number of videos: videos are grouped by
    length into at most six groups, and each group is one padded batch.

    Args:
        batch (SnippetBatch): Layout of keys and values, R rows; its features are not used.
        query (Tensor): ``(R', H, d)`` rows of ``asking``, with H heads of d channels.
        key_value (Tensor): ``(R, 2, H, d)`` rows, the keys first.
        asking (SnippetBatch, optional): Layout of the queries, R' rows of the same videos, such as some of their
            snippets; by default ``batch``.
        scale: Factor of the products of query and key; by default ``1 / sqrt(d)``.

    Returns:
        Tensor: ``(R', H, d)`` with zero gaps.
    """
    asking = batch if asking is None else asking
    plan = _plan
    if torch.compiler.is_compiling():  # the plan is made on the host in numpy, which a compiler would take for tensors
        plan = torch.compiler.disable(_plan)  # a decorator would import the compiler at every start, 2 s
    keys, queries = plan(batch, asking)
    key, value = keys.take(key_value, batch).unbind(1)
    groups = queries.groups(queries.take(query, asking)), keys.groups(key), keys.groups(value), keys.masks(query.dtype)
    attended = []
    for *rows, mask in zip(*groups):
        rows = [part.transpose(1, 2) for part in rows]  # (videos, H, T, d) each
        attended.append(F.scaled_dot_product_attention(*rows, attn_mask=mask, scale=scale).transpose(1, 2))
    return queries.put_back(attended, asking)


def _plan(batch, asking):
    groups = _groups(batch.lengths)
    return _Slots(batch, groups), _Slots(asking, groups)


def _groups(lengths):
    """Indices of the videos of each group, the group of the longest videos first.

    With the ratio 1.5 and a longest video of 900 snippets, the first group holds the videos of more than 600 snippets,
    the second those of more than 400.
    """
    lengths = np.array(lengths)
    group = np.log(lengths.max() / lengths) // np.log(_RATIO)
    group = np.minimum(group, _NUM_GROUPS - 1)
    return [np.flatnonzero(group == number) for number in np.unique(group)]


class _Slots:
    """Padded places (slots) for the rows of a packed batch: group after group, each padded to its longest video.

    Attributes:
        shapes: Number of videos and padded length of each group.
        sizes: Number of slots of each group; S together.
        index: ``(S,)`` row of each slot; 0 for an empty slot.
        place: ``(R,)`` slot of each row; 0 for gaps.
        mask: ``(S,)`` 0, or -inf for an empty slot.
        empty: Indices of the empty slots.
    """

    def __init__(self, batch, groups):
        lengths = np.array(batch.lengths)
        start = batch.gap * np.arange(1, len(lengths) + 1) + lengths.cumsum() - lengths  # first row of each video
        self.shapes, index = [], []
        for videos in groups:
            time = np.arange(max(1, lengths[videos].max()))  # at least 1: a group may have no query
            row = start[videos, None] + time
            index.append(np.where(time < lengths[videos, None], row, -1).ravel())
            self.shapes.append((len(videos), len(time)))
        self.sizes = [len(part) for part in index]
        index = np.concatenate(index)
        is_row = index >= 0
        place = np.zeros(batch.num_rows, dtype=np.int64)
        place[index[is_row]] = np.flatnonzero(is_row)
        device = batch.rows.device
        mask = np.where(is_row, 0, -np.inf).astype(np.float32)
        self.index, self.place, self.mask, self.empty = to_device(
            device, np.maximum(index, 0), place, mask, np.flatnonzero(~is_row)
        )

    def take(self, values, batch):
        """Put ``(R, ...)`` rows into the slots of all groups, ``(S, ...)``."""
        return take_rows(values, self.index, self.place, batch.gaps)

    def groups(self, slots):
        """Cut ``(S, ...)`` slots into the groups, ``(videos, T, ...)`` each."""
        return [part.unflatten(0, shape) for part, shape in zip(slots.split(self.sizes), self.shapes)]

    def masks(self, dtype):
        """For each group, the mask ``(videos, 1, 1, T)`` to add to the logits: 0 for snippets, -inf for padding."""
        return [part[:, None, None] for part in self.groups(self.mask.to(dtype))]

    def put_back(self, parts, batch):
        """Inverse of :meth:`groups` and :meth:`take`: ``(R, ...)`` rows with zero gaps."""
        slots = torch.cat([part.flatten(0, 1) for part in parts])
        return batch.zero_gaps(take_rows(slots, self.place, self.index, self.empty))
