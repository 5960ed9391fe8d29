"""Repairs of the host libraries, each made only where its fault is present.

Every function in :data:`REPAIRS` mends one fault of mmaction2 or mmengine, returns whether it had to, and says in its
docstring when it can be deleted. ``fsptal_mm`` calls :func:`apply` before it imports anything else. What is a matter of
taste and no fault (whole checkpoints, exact resume, strict weights, messages) is in classes and tools of this package.
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
