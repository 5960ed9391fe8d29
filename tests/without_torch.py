"""A plugin of pytest that runs the tests of what needs no torch where there is none.

    PYTHONPATH=.:tests python3.13 -m pytest -p without_torch

The package's own ``__init__`` files load torch through the toolbox; here, bare packages stand in for them, and a
few lines for what the readers take from mmengine. Needs numpy, scipy, rich, filelock, pytest and hypothesis.
"""

import importlib
import importlib.util
import logging
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

ROOT = Path(__file__).parents[1]
TESTS = (
    'test_utils/test_errors.py',
    'test_utils/test_writing.py',
    'test_imports.py',
    'test_structures/test_grid.py',
    'test_structures/test_segments.py',
    'test_datasets/test_folds.py',
    'test_datasets/test_readers.py',
    'test_datasets/test_json_readers.py',
    'test_datasets/test_point_readers.py',
    'test_datasets/test_annotations.py',
    'test_datasets/test_record_cleaning.py',
    'test_datasets/test_point_sampling.py',
    'test_evaluation/test_points.py',
    'test_evaluation/test_bootstrap.py',
    'robustness/test_annotation_files.py',
)


def _package(name, path=None, **contents):
    module = ModuleType(name)
    module.__dict__.update(contents)
    if path is not None:
        module.__path__, module.__file__ = [str(path)], str(path / '__init__.py')
    sys.modules[name] = module
    return module


def _stand_in():
    package = ROOT / 'fsptal_mm'
    _package('fsptal_mm', package)
    for name in ('utils', 'structures', 'datasets', 'evaluation'):
        setattr(sys.modules['fsptal_mm'], name, _package(f'fsptal_mm.{name}', package / name))

    def print_log(message, logger=None, level=logging.INFO):
        logging.getLogger(logger).log(level, message)

    _package('mmengine', ROOT / 'none')
    _package('mmengine.logging', print_log=print_log)
    _package('mmengine.registry', DefaultScope=SimpleNamespace(_instance_dict={}))
    for name in ('grid', 'segments', 'instances'):
        contents = importlib.import_module(f'fsptal_mm.structures.{name}')
        sys.modules['fsptal_mm.structures'].__dict__.update(vars(contents))
    results = importlib.import_module('fsptal_mm.evaluation.results')
    sys.modules['fsptal_mm.evaluation'].__dict__.update(vars(results))


if importlib.util.find_spec('torch') is None:
    _stand_in()  # before the conftest files are read


def pytest_configure(config):
    """Run these tests, unless others are named."""
    if config.args == [str(config.rootpath / 'tests')] or config.args == ['tests']:
        config.args = [str(ROOT / 'tests' / name) for name in TESTS]
