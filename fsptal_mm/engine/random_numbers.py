"""Random numbers of Python, numpy and torch on the host, seeded together."""

import random
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def own_random_numbers(*entropy):
    """Draw random numbers that depend on non-negative whole numbers alone, and leave the process's as they were."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    seed_host(*entropy)
    try:
        yield
    finally:
        for restore, state in zip((random.setstate, np.random.set_state, torch.set_rng_state), states):
            restore(state)


def seed_host(*entropy):
    """Seed Python, numpy and torch on the host by non-negative whole numbers; returns torch's seed."""
    of_python, of_numpy, of_torch = np.random.SeedSequence([int(part) for part in entropy]).generate_state(3).tolist()
    random.seed(of_python)
    np.random.seed(of_numpy)  # noqa: NPY002  (what transforms of the toolbox draw from)
    torch.default_generator.manual_seed(of_torch)
    return of_torch
