"""Repairs of the host libraries, each made only where its fault is present.

Every function in :data:`REPAIRS` mends one fault of mmaction2 or mmengine, returns whether it had to, and says in its
docstring when it can be deleted. ``fsptal_mm`` calls :func:`apply` before it imports anything else.
"""

import argparse
import functools
import importlib.metadata
import importlib.util
import os
import sys
import types
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.device import get_device
from mmengine.dist import utils as dist_utils
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.runner import autocast
from mmengine.utils import package_utils

from fsptal_mm.compat_checkpoints import (
    load_checkpoints_safely,
    name_what_cannot_be_resumed,
    refuse_weights_of_another_model,
    resume_from_a_whole_checkpoint,
    run_no_config_of_a_checkpoint,
)
from fsptal_mm.compat_writing import name_the_scalars_of_a_full_disk, write_checkpoints_whole, write_configs_whole
from fsptal_mm.utils.errors import InputError

_ONEDNN_CACHE = 'ONEDNN_PRIMITIVE_CACHE_CAPACITY'


@functools.cache
def apply():
    """Make every repair that this installation needs, once, and return their names (for bug reports) as a tuple."""
    return tuple(repair.__name__ for repair in REPAIRS if repair())


def stub_missing_drn():
    """Let ``mmaction.models`` be imported although ``mmaction.models.localizers.drn`` is missing.

    Symptom: ``ModuleNotFoundError: No module named 'mmaction.models.localizers.drn'`` as soon as a model is built.
    Cause: the folder has no ``__init__.py`` upstream, so it is in neither the wheel nor the sdist on PyPI.
    Upstream: https://github.com/open-mmlab/mmaction2/issues/2714.
    The stand-in is not registered: a config that names DRN still gets the registry's KeyError.
    Delete when: the oldest mmaction2 supported ships ``drn/drn.py``.
    """
    spec, name = importlib.util.find_spec('mmaction'), 'mmaction.models.localizers.drn'
    folders = spec.submodule_search_locations if spec else []
    if not folders or name in sys.modules or Path(folders[0], 'models/localizers/drn/drn.py').is_file():
        return False
    package, module = types.ModuleType(name), types.ModuleType(f'{name}.drn')
    package.__path__ = []
    module.DRN = type('DRN', (), {'__module__': module.__name__})
    sys.modules.update({package.__name__: package, module.__name__: module})
    return True


def restore_numpy_trapz():
    """Give numpy its ``trapz`` back.

    Symptom: ``AttributeError: module 'numpy' has no attribute 'trapz'`` in mmaction2's AR@AN, after the first epoch.
    Cause: numpy 2.4 dropped the name; ``trapezoid`` (since 2.0) is the same function.
    Delete when: the oldest mmaction2 supported does not use ``np.trapz``.
    """
    if hasattr(np, 'trapz'):
        return False
    np.trapz = np.trapezoid  # noqa: NPY201
    return True


def replace_pkg_resources():
    """Let mmengine look up installed packages without ``pkg_resources``.

    Symptom: ``No module named 'pkg_resources'`` from ``_base_ = 'mmaction::...'``, ``mmengine.hub`` and lazy configs.
    Cause: setuptools 82 dropped it. The three functions that need it are replaced wherever they have been imported.
    A config's own ``custom_imports`` is read after its ``_base_``: there ``fsptal_mm`` must be imported beforehand.
    Delete when: the oldest mmengine supported uses ``importlib.metadata``.
    """
    name = 'pkg_resources'  # not imported to see: that takes long and warns
    if sys.modules[name] is not None if name in sys.modules else importlib.util.find_spec(name) is not None:
        return False
    for replacement in (is_installed, get_installed_path, package2module):
        name = replacement.__name__
        original = getattr(package_utils, name)
        for module in [m for m in sys.modules.values() if getattr(m, '__dict__', {}).get(name) is original]:
            setattr(module, name, replacement)
    return True


def is_installed(package):
    """Return whether ``package``, a distribution or a module, is installed."""
    try:
        importlib.metadata.distribution(package)
        return True
    except importlib.metadata.PackageNotFoundError:
        spec = importlib.util.find_spec(package)
        return spec is not None and spec.origin is not None


def get_installed_path(package):
    """Return the folder of ``package``, a module or a distribution; PackageNotFoundError if there is none."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:  # None too where a clone, a folder of that name, stands in the way
        spec = importlib.util.find_spec(package2module(package))
    return str(Path(spec.origin).parent)


def package2module(package):
    """Return the module that the distribution ``package`` installs; ValueError if it does not say."""
    modules = importlib.metadata.distribution(package).read_text('top_level.txt')
    if not modules:
        raise ValueError(f'can not infer the module name of {package}')
    return modules.split('\n')[0]


def launch_without_cuda():
    """Let ``--launcher pytorch|slurm|mpi`` train on several CPU processes, with no change of the config.

    Symptom: ``AttributeError: module 'torch._C' has no attribute '_cuda_setDevice'``; after that ``ValueError:
    DistributedDataParallel device_ids ... got device_ids [0]``.
    Cause: mmengine takes every machine without NPU, MLU or MUSA to have CUDA: device, nccl, ``device_ids``.
    Delete when: the oldest mmengine supported asks for CUDA at both places.
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
    @functools.wraps(init)
    def init_on_cpu(backend, *args, **kwargs):
        set_device, torch.cuda.set_device = torch.cuda.set_device, lambda device: None
        try:
            return init('gloo' if backend == 'nccl' else backend, *args, **kwargs)
        finally:
            torch.cuda.set_device = set_device

    return init_on_cpu


def train_in_bf16_on_cpu():
    """Register an ``AmpOptimWrapper`` for the CPU, so that ``--amp`` works there too.

    Symptom: ``AssertionError: AmpOptimizerWrapper is only available training on gpu, npu, mlu or musa``.
    Cause: mmengine's class needs a loss scaler, which bfloat16 does not. ``train.py --amp`` insists on this type name.
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
    """Train in bfloat16 on the CPU; takes the arguments of mmengine's ``AmpOptimWrapper``.

    ``loss_scale`` and ``use_fsdp`` have no effect: bfloat16 has the range of float32 and needs no scaling. A ``dtype``
    other than None or bfloat16 raises InputError.
    """

    def __init__(self, loss_scale='dynamic', dtype=None, use_fsdp=False, **kwargs):
        if dtype not in (None, 'bfloat16', torch.bfloat16):
            raise InputError("'bfloat16' or None on the CPU", field='optim_wrapper.dtype', found=dtype)
        super().__init__(**kwargs)

    @contextmanager
    def optim_context(self, model):
        """Run the model's forward pass in bfloat16, and gradient accumulation as ever."""
        with super().optim_context(model), autocast(device_type='cpu', dtype=torch.bfloat16):
            yield


def keep_few_compiled_convolutions():
    """Let the memory of a training on the CPU stay as it is after a few epochs.

    Symptom: a training needs more with every epoch, several times as much in the end, though its tensors do not.
    Cause: oneDNN keeps what it compiled for the last 1024 shapes of tensors. Batches of videos nearly always have new
    ones, so these small blocks come to lie between the large ones of each step, which ``malloc`` then cannot give back.
    oneDNN reads the variable at the first convolution of a process; where it is set already, it stays.
    Delete when: torch compiles convolutions for any length at once.
    """
    if get_device() != 'cpu' or _ONEDNN_CACHE in os.environ:
        return False
    os.environ[_ONEDNN_CACHE] = '32'  # about as many as a step needs
    return True


def move_nested_data_root():
    """Make ``--cfg-options data_root=X`` reach every path below the old ``data_root``.

    Symptom: data are still read from the old folder.
    Cause: ``Config.merge_from_dict`` changes the top-level key only; the paths made from it are plain strings by then.
    Every string that is the old value, or begins with it and a ``/``, follows, at any depth; what the same options set
    explicitly stays as set. Only configs that import ``fsptal_mm`` are affected, as this wraps mmengine's method.
    Delete when: ``--cfg-options`` of mmengine resolves references between the values of a config.
    """
    probe = Config(dict(data_root='old', nested=dict(path='old/file')))
    probe.merge_from_dict(dict(data_root='new'))
    if probe.nested.path == 'new/file':
        return False
    merge = Config.merge_from_dict

    @functools.wraps(merge)
    def merge_from_dict(self, options, allow_list_keys=True):
        old, new = self.get('data_root'), options.get('data_root')
        if isinstance(old, str) and isinstance(new, str):
            _move(self._cfg_dict, old, new or '.')  # before the merge, so that the options have the last word
        merge(self, options, allow_list_keys)

    Config.merge_from_dict = merge_from_dict
    return True


def _move(node, old, new):
    """Return ``node`` with the leading folder ``old`` of its strings replaced by ``new``; dicts change in place."""
    if isinstance(node, (list, tuple)):
        return type(node)(_move(value, old, new) for value in node)
    if isinstance(node, dict):
        for key, value in dict.items(node):  # ConfigDict.items would import and build the objects of a lazy config
            dict.__setitem__(node, key, _move(value, old, new))
    stem = old.rstrip('/')
    if isinstance(node, str) and stem and f'{node}/'.startswith(f'{stem}/'):
        return new.rstrip('/') + node[len(stem) :] or '/'
    return node


def name_what_is_no_option():
    """Say which text behind ``--cfg-options`` is none, and how one looks.

    Symptom: a traceback that ends with ``ValueError: not enough values to unpack``, or with ``AssertionError``.
    Cause: ``DictAction`` takes every text to be ``KEY=VALUE`` with balanced brackets; argparse reports its own errors.
    Delete when: mmengine's action raises ``argparse.ArgumentError`` itself.
    """
    parse, option = DictAction.__call__, DictAction(['--cfg-options'], 'cfg_options', nargs='+')
    try:
        parse(option, None, argparse.Namespace(), ['nothing'])
    except argparse.ArgumentError:
        return False
    except (ValueError, AssertionError):
        pass

    @functools.wraps(parse)
    def parse_or_report(self, parser, namespace, values, option_string=None):
        try:
            parse(self, parser, namespace, values, option_string)
        except (ValueError, AssertionError) as error:
            wrong = [value for value in values if '=' not in value] or values
            raise argparse.ArgumentError(self, f'expected KEY=VALUE, but got {" ".join(wrong)}') from error

    DictAction.__call__ = parse_or_report
    return True


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
