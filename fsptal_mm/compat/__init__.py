"""Repairs of the host libraries, each made only where its fault is present.

Every function in :data:`REPAIRS` mends one fault of mmaction2 or mmengine, returns whether it had to, and says in its
docstring when it can be deleted. ``fsptal_mm`` calls :func:`apply` before it imports anything else.
"""

import functools

from .checkpoints import (
    load_checkpoints_safely,
    name_what_cannot_be_resumed,
    refuse_weights_of_another_model,
    resume_from_a_whole_checkpoint,
    run_no_config_of_a_checkpoint,
)
from .cpu import keep_few_compiled_convolutions, launch_without_cuda, train_in_bf16_on_cpu
from .imports import replace_pkg_resources, restore_numpy_trapz, stub_missing_drn
from .options import move_nested_data_root, name_what_is_no_option
from .writing import name_the_scalars_of_a_full_disk, write_checkpoints_whole, write_configs_whole


@functools.cache
def apply():
    """Make every repair that this installation needs, once, and return their names (for bug reports) as a tuple."""
    return tuple(repair.__name__ for repair in REPAIRS if repair())


REPAIRS = (
    stub_missing_drn,
    restore_numpy_trapz,
    load_checkpoints_safely,
    replace_pkg_resources,
    launch_without_cuda,
    train_in_bf16_on_cpu,
    keep_few_compiled_convolutions,
    move_nested_data_root,
    name_what_is_no_option,
    write_checkpoints_whole,
    write_configs_whole,
    name_the_scalars_of_a_full_disk,
    resume_from_a_whole_checkpoint,
    name_what_cannot_be_resumed,
    run_no_config_of_a_checkpoint,
    refuse_weights_of_another_model,
)
