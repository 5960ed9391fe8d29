"""A seed for each epoch, so that a resumed run draws the same random numbers as an uninterrupted run."""

import torch
from mmaction.registry import HOOKS
from mmengine.dist import broadcast_object_list, get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from ..random_numbers import SeededItems, seed_host


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Hook that seeds Python, numpy and torch for every epoch, by the run's seed, the epoch and the rank.

    mmengine stores no state of random numbers, so that a resumed run begins again with those of epoch 0. With this
    hook, a run that is resumed from a checkpoint of an epoch's end goes on as if it had never stopped; on the CPU, bit
    for bit. Two other sources of random numbers are seeded, too:

    - The sampler gets the seed of the run: it is built before the checkpoint is read, perhaps with another seed.
    - Workers of a loader are seeded once, by a number that the main process draws when they start; with a resume, they
      start at another epoch than without. So the training loop gets a loader with a generator of its own, over a
      ``SeededItems`` view of the dataset. The random numbers of an item then depend only on the seed, the epoch and the
      index of the item in the dataset (with ``RepeatDataset``, each copy of an item has its own index), however many
      workers there are and however long they live.

    Random numbers differ from rank to rank: otherwise, dropout would drop the same features on all ranks. With
    ``IterBasedTrainLoop`` there is one epoch only, and a resume is not exact.
    """

    priority = 'VERY_HIGH'  # before hooks that prepare the epoch and may draw random numbers or read items for it

    def before_train(self, runner: Runner) -> None:
        """Seed sampler and items by the run's seed, which a checkpoint may just have set."""
        self._seed = runner.seed  # differs from rank to rank with `diff_rank_seed`
        seeds = [runner.seed]
        broadcast_object_list(seeds)  # samplers and items need one seed in all processes: that of rank 0
        loader = runner.train_dataloader
        for sampler in (loader.sampler, getattr(loader.batch_sampler, 'sampler', None)):
            if hasattr(sampler, 'seed'):
                sampler.seed = seeds[0]
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # shared: workers see it change
        runner.train_loop.dataloader = _like(loader, SeededItems(loader.dataset, seeds[0], self._epoch))

    def before_train_epoch(self, runner: Runner) -> None:
        """Seed the random numbers of this epoch, on the host and on every device."""
        self._epoch.fill_(runner.epoch)
        torch.manual_seed(seed_host(self._seed, runner.epoch, get_rank()))  # on every device


def _like(loader, dataset):
    """Copy of a loader, with its sampler and a new generator, over another dataset of the same length."""
    if loader.batch_size is None:  # it has a batch sampler, or gives single items
        batches = dict(batch_size=None, sampler=loader.sampler)
        if loader.batch_sampler is not None:
            batches = dict(batch_sampler=loader.batch_sampler)
    else:
        batches = dict(batch_size=loader.batch_size, sampler=loader.sampler, drop_last=loader.drop_last)
    same = ('num_workers', 'collate_fn', 'pin_memory', 'timeout', 'worker_init_fn', 'multiprocessing_context')
    same += ('prefetch_factor', 'persistent_workers')
    return DataLoader(dataset, **batches, **{name: getattr(loader, name) for name in same}, generator=torch.Generator())
