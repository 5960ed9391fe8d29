"""Memory that tensors take, computed from their sizes (the memory of the process is not measured)."""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):
    """Counter of the bytes of tensors that operators inside the block make and that are alive at the same time.

    Attributes:
        peak: Largest number of bytes that were alive at the same time.
    """

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self._storages = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if torch.is_tensor(leaf)}
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if torch.is_tensor(leaf) and leaf.untyped_storage()._cdata not in given | self._storages:
                self._count(leaf.untyped_storage())
        return out

    def _count(self, storage):
        self._storages.add(storage._cdata)
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._release, storage._cdata, storage.nbytes())

    def _release(self, storage, num_bytes):
        self._storages.discard(storage)
        self.live -= num_bytes


class LargestTensor(TorchDispatchMode):
    """Size of the largest tensor that any operator inside the block returns.

    Attributes:
        numel: Number of elements of that tensor.
    """

    def __init__(self):
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.numel = max([self.numel, *(leaf.numel() for leaf in tree_leaves(out) if torch.is_tensor(leaf))])
        return out
