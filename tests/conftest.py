import os
import sys
from pathlib import Path

# Only the tests of `pytest -m cuda` use a GPU. All others run on the CPU, since forked processes cannot share a GPU,
# and results are compared bit for bit. The variable must be set before torch is imported. Processes that tests start
# inherit it.
if 'cuda' not in sys.argv:
    os.environ.setdefault('CUDA_VISIBLE_DEVICES', '')

import pytest
from mmengine.registry import DefaultScope

import fsptal_mm  # noqa: F401  (repairs the host libraries before any of them is used)


@pytest.hookimpl(tryfirst=True)  # called before tests are chosen by their marks
def pytest_collection_modifyitems(items):
    """Mark the tests that ask for a browser."""
    for item in items:
        if 'browser' in getattr(item, 'fixturenames', ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope='session')
def data_root():
    """Folder that holds a folder for each real dataset; tests that need it are skipped without it."""
    root = os.environ.get('FSPTAL_DATA_ROOT')
    if not root:
        pytest.skip('FSPTAL_DATA_ROOT is not set: no real annotations and features at hand')
    return Path(root)


@pytest.fixture(autouse=True)
def own_scope():
    """Remove the default scope that a runner of mmengine leaves behind, so that the next test starts without it."""
    before = DefaultScope._instance_dict.copy()
    yield
    DefaultScope._instance_dict.clear()
    DefaultScope._instance_dict.update(before)
