"""Counters of the waits of the host for the device, and of launched operators; they work on any device."""

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_aten = torch.ops.aten
# Operators that wait for the device, since their value or the shape of their result depends on the content of a tensor.
_WAITING = {_aten._local_scalar_dense, _aten.nonzero, _aten.masked_select, _aten._unique2, _aten.bincount, _aten.equal}
_INDEXING = {_aten.index, _aten.index_put, _aten.index_put_, _aten._index_put_impl_}
_WITHOUT_WORK = {_aten.empty, _aten.empty_like, _aten.new_empty, _aten.empty_strided}
_METHODS = {torch.Tensor.cpu, torch.Tensor.tolist, torch.Tensor.__array__}


class HostSyncs:
    """Counter of operators inside the block that would make the host wait if their tensors were on a GPU.

    These are reads of single values (``item()``, ``float()``, ``if tensor:``), ``nonzero()`` and similar operators,
    indexing with a mask, ``cpu()`` and ``tolist()``. The last two are counted separately, since they do not reach the
    dispatcher if tensors are on the host already. Operators on a tensor that is on the host on purpose count, too.

    Attributes:
        count: Number of such operators so far.
        names: Their names, in order.
    """

    def __init__(self):
        self.names = []
        self._modes = _Methods(self.names), _Operators(self.names)

    @property
    def count(self):
        return len(self.names)

    def __enter__(self):
        for mode in self._modes:
            mode.__enter__()
        return self

    def __exit__(self, *error):
        for mode in reversed(self._modes):
            mode.__exit__(*error)


class Launches(TorchDispatchMode):
    """Counter of operators inside the block that give the device work: all but views and the reservation of memory.

    Attributes:
        count: Number of such operators so far.
    """

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += gives_work(func)
        return func(*args, **(kwargs or {}))


def gives_work(func):
    """Whether an operator is neither a view, nor reserves memory, nor marks a place for the profiler."""
    return not (func.is_view or func.overloadpacket in _WITHOUT_WORK or func.namespace == 'profiler')


class _Operators(TorchDispatchMode):
    def __init__(self, names):
        super().__init__()
        self.names = names

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        packet = func.overloadpacket
        by_mask = packet in _INDEXING and any(index is not None and index.dtype == torch.bool for index in args[1])
        if packet in _WAITING or by_mask or func is _aten.repeat_interleave.Tensor:
            self.names.append(str(func))
        return func(*args, **(kwargs or {}))


class _Methods(TorchFunctionMode):
    def __init__(self, names):
        super().__init__()
        self.names = names

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in _METHODS:
            self.names.append(func.__name__)
        return func(*args, **(kwargs or {}))
