"""Counts for a training step: operations that give a device work, part by part, and waits of the host for the device.

The counts are the same on every device, so a CPU shows what a GPU would have to do.
"""

import bisect
from collections import Counter
from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from .from_tests import HostSyncs, gives_work

_PARTS = dict(
    data_preprocessor='inputs to the device',
    embedding='trunk',
    embed='label extension',
    mine='targets, no-dropout scores',
    miner='mining',
    searcher='search',
    forward='classifier',
    loss_by_feat='video and point loss',
    score_loss='score contrast',
    separation='separation branch',
    separation_loss='feature separation',
    loss='second stage',
)


class PartCounts(TorchDispatchMode):
    """Counter of operations by the part of the model that they belong to.

    An operation of the backward pass belongs to the part whose forward pass it comes from: autograd numbers its nodes
    in the order in which the forward pass makes them, and each part remembers the numbers of its own.

    Attributes:
        counts: Counter of ``(part, is_backward)``.
    """

    def __init__(self, model):
        super().__init__()
        self.counts = Counter()
        self._stack, self._begins, self._names = ['rest'], [0], ['rest']
        head = model.head
        places = [(model, 'data_preprocessor'), (model, 'embedding'), (model, 'embed'), (head, 'forward')]
        places += [(head, name) for name in ('mine', 'miner', 'searcher', 'loss_by_feat', 'score_loss', 'separation')]
        places += [(head, 'separation_loss')]
        if model.refinement is not None:
            places += [(model.refinement, 'loss')]
        self._places = [(owner, name) for owner, name in places if getattr(owner, name, None) is not None]

    @contextmanager
    def part(self, name):
        """Count the operations inside the block for a part."""
        self._enter(self._stack.append, name)
        try:
            yield
        finally:
            self._enter(lambda _: self._stack.pop(), name)

    def _enter(self, change, name):
        change(name)
        # Nodes from this number on belong to the part that is now on top of the stack, until the top changes again.
        self._begins.append(torch._C._autograd._get_sequence_nr())
        self._names.append(self._stack[-1])

    @contextmanager
    def of_model(self):
        """Count the parts of the model inside the block."""
        undo = [self._wrap(owner, name) for owner, name in self._places]
        try:
            with self:
                yield self
        finally:
            for restore in undo:
                restore()

    def _wrap(self, owner, name):
        """Replace a method, or the forward pass of a module, by one that counts; return a function that undoes it."""
        part = getattr(owner, name)
        if isinstance(part, torch.nn.Module):
            owner, called = part, 'forward'
        else:
            called = name
        function = getattr(owner, called)

        def counted(*args, **kwargs):
            with self.part(_PARTS[name]):
                return function(*args, **kwargs)

        had = called in vars(owner)  # if only the class has the function, deleting ours restores it
        object.__setattr__(owner, called, counted)
        return lambda: object.__setattr__(owner, called, function) if had else vars(owner).pop(called)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if gives_work(func):
            node = torch._C._current_autograd_node()
            if node is None:
                self.counts[self._stack[-1], False] += 1
            else:
                at = bisect.bisect_right(self._begins, node._sequence_nr()) - 1
                self.counts[self._names[at], True] += 1
        return out


def count_step(model, optimizer, data):
    """Count the operations of a step, and the operations in it that the host waits for.

    Returns:
        tuple[Counter, list[str]]: Numbers of operations by ``(part, is_backward)``, and the names of the operations
        that the host waits for.
    """
    counts = PartCounts(model)
    optimizer.zero_grad()  # as before every step of a training
    with counts.of_model():
        losses = model(**model.data_preprocessor(data, True), mode='loss')
        total = torch.stack(list(losses.values())).sum()
        total.backward()
        with counts.part('optimizer'):
            optimizer.step()
    optimizer.zero_grad()
    with HostSyncs() as syncs:
        torch.stack(list(model(**model.data_preprocessor(data, True), mode='loss').values())).sum().backward()
    return counts.counts, syncs.names


def print_counts(title, counts, waits):
    """Print a table of :func:`count_step`."""
    parts = sorted({part for part, _ in counts}, key=lambda part: -counts[part, False] - counts[part, True])
    total, search = sum(counts.values()), counts['search', False]
    print(f'{title}: {total} operations, {total - search} without the search; the host waits {len(waits)} times')
    for part in parts:
        print(f'    {part:28}{counts[part, False]:5} forward {counts[part, True]:5} backward')
