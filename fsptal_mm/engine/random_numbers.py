"""Random numbers of Python, numpy and torch on the host, seeded together."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset


@contextmanager
def own_random_numbers(*entropy: Any) -> Iterator[None]:
    """Make random numbers in the block depend on ``entropy`` alone; afterwards, those of the process go on.

    Args:
        *entropy: Non-negative whole numbers, such as a seed and an epoch.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    seed_host(*entropy)
    try:
        yield
    finally:
        for restore, state in zip((random.setstate, np.random.set_state, torch.set_rng_state), states):
            restore(state)


def seed_host(*entropy: Any) -> int:
    """Seed Python, numpy and torch on the host by non-negative whole numbers; returns torch's seed."""
    of_python, of_numpy, of_torch = np.random.SeedSequence([int(part) for part in entropy]).generate_state(3).tolist()
    random.seed(of_python)
    np.random.seed(of_numpy)  # noqa: NPY002  (what transforms of the toolbox draw from)
    torch.default_generator.manual_seed(of_torch)
    return of_torch


class SeededItems(Dataset):
    """View of a dataset that prepares each item with random numbers of its own.

    Everything else (``metainfo``, ``get_data_info``, ...) is that of the dataset.

    Args:
        dataset: Any dataset that is read by index.
        *entropy: Non-negative whole numbers. The random numbers of an item depend on these and its index alone. One of
            the numbers may be a tensor in shared memory, which the main process changes while workers live.
    """

    def __init__(self, dataset: Dataset, *entropy: Any) -> None:
        self.dataset = dataset
        self.entropy = entropy

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        with own_random_numbers(*self.entropy, index):
            return self.dataset[index]

    def __getattr__(self, name):
        # Special methods are not passed on: if the dataset has `__getitems__`, a loader would fetch items by it, and
        # `__getitem__` above would not be called. `dataset` itself is missing while a worker unpickles the view.
        if name.startswith('__') or name == 'dataset':
            raise AttributeError(name)
        return getattr(self.dataset, name)


@contextmanager
def without_random_samples(dataset: Dataset) -> Iterator[None]:
    """Set ``at_random`` to False in the block, for all transforms of a dataset that have this attribute.

    Such a transform is ``SampleSnippets``. The dataset may have wrappers, such as ``RepeatDataset``.
    """
    steps, parts = [], [dataset]
    while parts:
        own = vars(parts.pop())
        parts += [*own.get('datasets', ()), *([own['dataset']] if 'dataset' in own else [])]
        steps += [step for step in getattr(own.get('pipeline'), 'transforms', ()) if hasattr(step, 'at_random')]
    before = [step.at_random for step in steps]
    for step in steps:
        step.at_random = False
    try:
        yield
    finally:
        for step, value in zip(steps, before):
            step.at_random = value
