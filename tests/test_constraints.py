"""The versions that were tested are versions that the package allows."""

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
NOT_TESTED_TOGETHER = {'full', 'tensorboard', 'wandb'}  # extras that the environment of the tests does without


def required():
    """Every dependency, also of the extras that are tested, as in pyproject.toml."""
    tomllib = pytest.importorskip('tomllib', reason='tomllib came with Python 3.11')
    project = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
    extras = [part for name, part in project['optional-dependencies'].items() if name not in NOT_TESTED_TOGETHER]
    found = [Requirement(text) for text in sum(extras, project['dependencies'])]
    return [requirement for requirement in found if requirement.name != project['name']]


def pinned():
    lines = [line.split('#')[0].strip() for line in (ROOT / 'constraints.txt').read_text().splitlines()]
    pins = [line.split('==') for line in lines if line]
    return {canonicalize_name(name): version for name, version in pins}


def test_every_dependency_was_tested_in_a_version_of_its_range():
    versions = pinned()
    core = {'torch', 'numpy', 'mmengine', 'mmaction2', 'mmcv-lite', 'h5py', 'scipy', 'filelock'}
    for requirement in required():
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, f'constraints.txt lacks {requirement.name}'
        assert requirement.specifier.contains(version), f'{version} is not {requirement}'
        signs = {part.operator for part in requirement.specifier}
        assert '>=' in signs, f'{requirement.name} has no lower bound'
        assert '<' in signs or requirement.name not in core, f'{requirement.name} has no upper bound'
