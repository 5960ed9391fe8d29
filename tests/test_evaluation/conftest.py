"""Fixtures that several tests of the evaluation share."""

import pytest

from fsptal_mm.evaluation import point_metric, samples, tal_metric


@pytest.fixture
def messages(monkeypatch):
    """Messages that metrics and readers log."""
    logged = []
    for module in (samples, tal_metric, point_metric):
        monkeypatch.setattr(module, 'print_log', lambda message, **_: logged.append(message))
    return logged
