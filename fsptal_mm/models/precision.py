"""Data type of sums over many snippets."""

import torch

_WITHOUT_FLOAT64 = ('mps',)


def dtype_of_sums(device: torch.device) -> torch.dtype:
    """Return float64, since differences of long sums lose digits in float32; float32 if the device has no float64."""
    return torch.float32 if device.type in _WITHOUT_FLOAT64 else torch.float64
