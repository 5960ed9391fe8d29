"""A resumed run draws the random numbers that it would have drawn without the interruption."""

import torch
from mmaction.registry import HOOKS
from mmengine.dist import broadcast_object_list, get_rank
from mmengine.hooks import Hook

from ..random_numbers import own_random_numbers, seed_host


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds Python, numpy and torch at the start of every epoch from the run's seed, the epoch and the rank.

    mmengine stores no state of random numbers: a resumed run would begin again with those of epoch 0. With this hook,
    a run that is resumed from a checkpoint of an epoch's end goes on as if it had never stopped; on the CPU, bit for
    bit. What else draws random numbers is taken care of, too:

    - The sampler was built before the checkpoint was read, maybe with another seed: it gets the run's.
    - Workers of a loader are seeded once, by a number that the main process draws when they start, hence at different
      epochs with and without a resume. That number gets a generator of its own, and every item of a batch is prepared
      with random numbers that depend on seed, epoch and the item's index in the loader's data set alone (with
      ``RepeatDataset`` every copy has an index), however many workers there are and however long they live.

    The ranks' numbers differ: otherwise all would drop the same features. By iterations (``IterBasedTrainLoop``) there
    is one epoch only, and a resume is not exact.
    """

    priority = 'VERY_HIGH'  # before hooks that prepare the epoch and may draw random numbers or read items for it

    def before_train(self, runner):
        """Seed sampler and workers by the run's seed, which a checkpoint may just have set."""
        (self._seed,) = seeds = [runner.seed]  # differs from rank to rank with `diff_rank_seed`
        broadcast_object_list(seeds)
        loader = runner.train_dataloader
        if hasattr(loader.sampler, 'seed'):
            (loader.sampler.seed,) = seeds
        loader.generator = torch.Generator()
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # workers that live on see it change
        if not isinstance(loader.dataset, (list, tuple)):  # whose items are ready
            # PyTorch's loaders fetch the items of a batch by this method where a data set has it.
            loader.dataset.__getitems__ = _SeededItems(loader.dataset, seeds[0], self._epoch)

    def before_train_epoch(self, runner):
        """See the class."""
        self._epoch.fill_(runner.epoch)
        torch.manual_seed(seed_host(self._seed, runner.epoch, get_rank()))  # on every device


class _SeededItems:
    """Takes items on random numbers that belong to each, and leaves those of the process as they were.

    Args:
        dataset: Any that is read by index.
        seed: Of the run.
        epoch (Tensor): int64 in shared memory.
    """

    def __init__(self, dataset, seed, epoch):
        self.dataset = dataset
        self.seed = seed
        self.epoch = epoch

    def __call__(self, indices):
        items = []
        for index in indices:
            with own_random_numbers(self.seed, self.epoch, index):
                items.append(self.dataset[index])
        return items
