"""Number of cases that the robustness tests run: a short choice by default, all with ``FSPTAL_ROBUSTNESS=full``."""

import os

import pytest
from hypothesis import HealthCheck, settings

_FULL = os.environ.get('FSPTAL_ROBUSTNESS') == 'full'

# No deadline, since other programs may slow the machine. No health checks: one of them forbids fixtures that serve all
# cases of a test, but each case here overwrites the files of the case before.
_COMMON = dict(deadline=None, database=None, suppress_health_check=list(HealthCheck))
settings.register_profile('robustness-short', max_examples=20, derandomize=True, **_COMMON)
settings.register_profile('robustness-full', max_examples=500, print_blob=True, **_COMMON)
settings.load_profile('robustness-full' if _FULL else 'robustness-short')


@pytest.fixture(scope='session')
def full_count():
    """Whether all cases are wanted, for tests that count without hypothesis."""
    return _FULL
