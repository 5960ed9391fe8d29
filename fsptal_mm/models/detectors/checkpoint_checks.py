"""Checks of a checkpoint against the detector, as hooks of torch that run before its weights are loaded."""

import logging
from typing import Any

from mmengine.logging import print_log
from torch import Tensor, nn

from fsptal_mm.utils.errors import InputError


def check_second_stage(model: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Compare the stages of a checkpoint, whose weights are not loaded yet, with those of the model.

    If only the model has a second stage, its initial weights are added to ``state_dict``, so that it keeps them. It
    then counts as untrained.

    Raises:
        InputError: The checkpoint has a second stage, and the model has none.
    """
    prefix += 'refinement.'
    has_second_stage = any(name.startswith(prefix) for name in state_dict)
    if model.refinement is None and has_second_stage:
        expected = 'a config with `model.refinement`; `model.refine=False` there gives the predictions of stage 1 alone'
        raise InputError(expected, field='checkpoint', found='weights of two stages')
    if model.refinement is not None and state_dict and not has_second_stage:
        message = (
            'The checkpoint holds stage 1 alone: the second stage starts afresh, and stage 1 predicts until the second '
            'stage has been trained'
        )
        print_log(message, 'current', logging.WARNING)
        model.refinement.is_trained.fill_(False)
        state_dict.update({prefix + name: value for name, value in model.refinement.state_dict().items()})


def note_misfit(model: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Note in ``model.misfit`` which weights of a checkpoint differ in name or shape from those of the model.

    A test refuses such a model (``PointTAL.test_step``); a training may start from it.
    """
    own = model.state_dict(prefix=prefix)
    given = {name: value for name, value in state_dict.items() if name.startswith(prefix)}
    found = [f'{name} is not in the checkpoint' for name in own if name not in given]
    found += [f'{name} is not in the model' for name in given if name not in own]
    for name in given.keys() & own.keys():
        shapes = [tuple(getattr(weights[name], 'shape', ())) for weights in (given, own)]
        if shapes[0] != shapes[1]:
            found.append(f'{name} is {shapes[0]} instead of {shapes[1]}')
    model.misfit = '; '.join(sorted(found)) or None
