"""Counters and reference code from tests/, and a counter of the bytes that are kept for a backward pass."""

import sys
from pathlib import Path

import torch

_TESTS = Path(__file__).parents[3] / 'tests'
sys.path += [str(_TESTS), str(_TESTS / 'test_models')]
from host_sync import HostSyncs, gives_work
from peak_memory import PeakMemory
from segment_reference import chains

__all__ = ['HostSyncs', 'PeakMemory', 'chains', 'gives_work', 'saved_bytes']


def saved_bytes(function, model):
    """Count the bytes of the storages that a forward pass saves for its backward pass.

    Each storage counts once; those of the weights do not count.

    Args:
        function: Runs the forward pass.
        model: Model with the weights.
    """
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
    saved = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved[storage.data_ptr()] = storage  # kept alive until it is counted, so that its address is not used again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = function()
    del result
    return sum(storage.nbytes() for storage in saved.values())
