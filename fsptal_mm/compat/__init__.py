"""Repairs of the host libraries, each made only if its fault is present.

The host libraries are mmaction2 and mmengine. Every function in :data:`REPAIRS` repairs one fault of them, if the fault
is present, and returns whether the repair was made. The docstring of the function says when the function can be
deleted. ``fsptal_mm`` calls :func:`apply` before it imports anything else. What improves the hosts without being a
repair (atomic checkpoints, exact resume, strict loading of weights, messages) is in other classes and tools.
"""

import functools

from .checkpoints import load_checkpoints_safely, run_no_config_of_a_checkpoint
from .cpu import launch_without_cuda, train_in_bf16_on_cpu
from .imports import replace_pkg_resources, restore_numpy_trapz, stub_missing_drn


@functools.cache
def apply() -> tuple[str, ...]:
    """Make every repair that this installation needs, once, and return their names (for bug reports)."""
    return tuple(repair.__name__ for repair in REPAIRS if repair())


REPAIRS = (
    stub_missing_drn,
    restore_numpy_trapz,
    load_checkpoints_safely,
    run_no_config_of_a_checkpoint,
    replace_pkg_resources,
    launch_without_cuda,
    train_in_bf16_on_cpu,
)
