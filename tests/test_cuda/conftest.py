"""Tests that compare a GPU with the CPU.

``pytest -m cuda`` needs a GPU. ``FSPTAL_TEST_DEVICE=cpu pytest -m cuda tests/test_cuda`` compares the CPU with itself,
which shows that the tests run.
"""

import os

import pytest
import torch


@pytest.fixture
def device():
    """The device that is compared with the CPU, in full float32."""
    device = torch.device(os.environ.get('FSPTAL_TEST_DEVICE', 'cuda'))
    if device.type == 'cuda' and not torch.cuda.is_available():
        pytest.skip('no GPU, or none for this run: `pytest -m cuda` alone sees it')
    switches = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [switch.allow_tf32 for switch in switches]
    for switch in switches:
        switch.allow_tf32 = False
    yield device
    for switch, value in zip(switches, before):
        switch.allow_tf32 = value


@pytest.fixture
def same_random_numbers(monkeypatch):
    """``torch.rand`` draws on the CPU, so that each device sees the same numbers."""
    draw = torch.rand

    def rand(*size, device=None, **options):
        return draw(*size, **options).to(device)

    monkeypatch.setattr(torch, 'rand', rand)
