"""The model behind the wrapper of distributed training."""

from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn


def unwrapped_model(runner: Runner) -> nn.Module:
    """The model of a runner, without the wrapper of distributed training if there is one."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
