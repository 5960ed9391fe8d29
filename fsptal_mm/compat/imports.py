"""Repairs of imports that fail; :mod:`fsptal_mm.compat` makes them."""

import importlib.metadata
import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
from mmengine.utils import package_utils


def stub_missing_drn() -> bool:
    """Let ``mmaction.models`` be imported although ``mmaction.models.localizers.drn`` is missing.

    Symptom: ``ModuleNotFoundError: No module named 'mmaction.models.localizers.drn'`` as soon as a model is built.
    Cause: the folder ``drn`` has no ``__init__.py``, so the wheel and the sdist on PyPI do not contain it.
    Upstream: https://github.com/open-mmlab/mmaction2/issues/2714.
    The module that stands in for it registers no model: a config that names DRN still gets the registry's KeyError.
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


def restore_numpy_trapz() -> bool:
    """Give numpy its ``trapz`` back.

    Symptom: ``AttributeError: module 'numpy' has no attribute 'trapz'`` in mmaction2's AR@AN, after the first epoch.
    Cause: numpy 2.4 dropped the name; ``trapezoid`` (since 2.0) is the same function.
    Delete when: the oldest mmaction2 supported does not use ``np.trapz``.
    """
    if hasattr(np, 'trapz'):
        return False
    np.trapz = np.trapezoid  # noqa: NPY201
    return True


def replace_pkg_resources() -> bool:
    """Let mmengine look up installed packages without ``pkg_resources``.

    Symptom: ``No module named 'pkg_resources'`` from ``_base_ = 'mmaction::...'``, ``mmengine.hub`` and lazy configs.
    Cause: setuptools 82 dropped it. The three functions of mmengine that need it are replaced in every module that has
    imported them.
    ``custom_imports`` in a config with such a ``_base_`` comes too late, as mmengine reads the base first: import
    ``fsptal_mm`` before the config is read.
    Delete when: the oldest mmengine supported uses ``importlib.metadata``.
    """
    name = 'pkg_resources'  # not imported for the check, since that takes long and warns
    module = sys.modules[name] if name in sys.modules else importlib.util.find_spec(name)
    if module is not None:
        return False
    for replacement in (is_installed, get_installed_path, package2module):
        name = replacement.__name__
        original = getattr(package_utils, name)
        holders = [module for module in sys.modules.values() if getattr(module, '__dict__', {}).get(name) is original]
        for module in holders:
            setattr(module, name, replacement)
    return True


def is_installed(package: str) -> bool:
    """Return whether ``package``, a distribution or a module, is installed."""
    try:
        importlib.metadata.distribution(package)
        return True
    except importlib.metadata.PackageNotFoundError:
        spec = importlib.util.find_spec(package)
        return spec is not None and spec.origin is not None


def get_installed_path(package: str) -> str:
    """Return the folder of ``package``, a module or a distribution; PackageNotFoundError if it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:  # origin is None, too, if a folder of that name hides the module
        spec = importlib.util.find_spec(package2module(package))
    return str(Path(spec.origin).parent)


def package2module(package: str) -> str:
    """Return the module that the distribution ``package`` installs; ValueError if it does not state one."""
    modules = importlib.metadata.distribution(package).read_text('top_level.txt')
    if not modules:
        raise ValueError(f'can not infer the module name of {package}')
    return modules.split('\n')[0]
