"""Repairs of training on the CPU; :mod:`fsptal_mm.compat` makes them."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import utils as dist_utils
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.runner import autocast

from fsptal_mm.utils.errors import InputError


def launch_without_cuda() -> bool:
    """Let ``--launcher pytorch|slurm|mpi`` train in several processes on the CPU, without a change of the config.

    Symptom: ``AttributeError: module 'torch._C' has no attribute '_cuda_setDevice'``; after that ``ValueError:
    DistributedDataParallel device_ids ... got device_ids [0]``.
    Cause: on every machine without NPU, MLU or MUSA, mmengine sets a CUDA device, uses nccl and passes ``device_ids``.
    Delete when: the oldest mmengine supported checks for CUDA before each of these three steps.
    """
    if get_device() != 'cpu':
        return False
    for name in ('_init_dist_pytorch', '_init_dist_slurm', '_init_dist_mpi'):
        setattr(dist_utils, name, _init_without_cuda(getattr(dist_utils, name)))
    wrap = MMDistributedDataParallel.__init__

    @functools.wraps(wrap)
    def wrap_on_cpu(self, *args, **kwargs):
        wrap(self, *args, **{**kwargs, 'device_ids': None})

    MMDistributedDataParallel.__init__ = wrap_on_cpu
    return True


def _init_without_cuda(init):
    """Wrap a function of mmengine that starts communication of processes: it then uses gloo and sets no CUDA device."""

    @functools.wraps(init)
    def init_on_cpu(backend, *args, **kwargs):
        set_device, torch.cuda.set_device = torch.cuda.set_device, lambda device: None
        try:
            return init('gloo' if backend == 'nccl' else backend, *args, **kwargs)
        finally:
            torch.cuda.set_device = set_device

    return init_on_cpu


def train_in_bf16_on_cpu() -> bool:
    """Register an ``AmpOptimWrapper`` for the CPU, so that ``--amp`` works there too.

    Symptom: ``AssertionError: AmpOptimizerWrapper is only available training on gpu, npu, mlu or musa``.
    Cause: mmengine's class refuses the CPU, although bfloat16 does not need its loss scaler. ``train.py --amp`` insists
    on this type name.
    Delete when: mmengine's own class runs on the CPU.
    """
    if get_device() != 'cpu':
        return False
    from mmaction.registry import OPTIM_WRAPPERS  # not needed, hence not imported, on other devices

    if 'AmpOptimWrapper' in OPTIM_WRAPPERS.module_dict:
        return False
    OPTIM_WRAPPERS.register_module(name='AmpOptimWrapper', module=CPUAmpOptimWrapper)
    return True


class CPUAmpOptimWrapper(OptimWrapper):
    """Optimizer wrapper for bfloat16 on the CPU, with the arguments of mmengine's ``AmpOptimWrapper``.

    ``loss_scale`` and ``use_fsdp`` have no effect: bfloat16 has the range of float32 and needs no scaling. A ``dtype``
    other than None or bfloat16 raises InputError.
    """

    def __init__(
        self,
        loss_scale: str | float | dict = 'dynamic',
        dtype: str | torch.dtype | None = None,
        use_fsdp: bool = False,
        **kwargs: Any,
    ) -> None:
        if dtype not in (None, 'bfloat16', torch.bfloat16):
            raise InputError("'bfloat16' or None on the CPU", field='optim_wrapper.dtype', found=dtype)
        super().__init__(**kwargs)

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Run the model's forward pass in bfloat16; gradients are accumulated as in ``OptimWrapper``."""
        with super().optim_context(model), autocast(device_type='cpu', dtype=torch.bfloat16):
            yield
