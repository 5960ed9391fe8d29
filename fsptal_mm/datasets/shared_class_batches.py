"""Batch sampler that puts videos of one class into the same batch, for losses that compare videos."""

import math
from collections.abc import Iterator

import numpy as np
from mmaction.registry import DATA_SAMPLERS
from mmengine.dataset import DefaultSampler

from fsptal_mm.utils.errors import InputError, check_numbers


@DATA_SAMPLERS.register_module()
class SharedClassBatchSampler:
    """Batch sampler whose batches begin with pairs of different videos that share a class.

    For each pair, a class is drawn, then two of its videos. The rest of the batch are videos of any class. All draws
    are uniform, as in the public code of CO2-Net and DELU, so a video may occur several times in an epoch, or not at
    all. An epoch has ``ceil(len(sampler) / batch_size)`` batches. If no class has two videos, there are no pairs. The
    draws depend on seed, epoch and rank of the sampler.

    Args:
        sampler: ``DefaultSampler`` of the training dataset, whose items hold ``video_labels``. The runner passes it.
        batch_size: Batch size of the loader. The runner passes it.
        num_pairs: Number of pairs at the beginning of a batch.

    Raises:
        InputError: ``num_pairs`` is no whole number >= 0, or the pairs do not fit into a batch.
    """

    def __init__(self, sampler: DefaultSampler, batch_size: int, num_pairs: int = 3) -> None:
        check_numbers('SharedClassBatchSampler', 0, whole=True, num_pairs=num_pairs)
        if 2 * num_pairs > batch_size:
            expected = f'at most half of the batch of {batch_size} videos'
            raise InputError(expected, field='SharedClassBatchSampler.num_pairs', found=num_pairs)
        self.sampler = sampler
        self.batch_size = batch_size
        self.num_pairs = num_pairs
        self._of_class = None

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return math.ceil(len(self.sampler) / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Draw the indices of one batch after another."""
        if self._of_class is None:
            self._of_class = self._videos_of_classes()
        rng = np.random.default_rng([self.sampler.seed, self.sampler.epoch, self.sampler.rank])
        for _ in range(len(self)):
            batch = []
            for _ in range(self.num_pairs if self._of_class else 0):
                videos = self._of_class[rng.integers(len(self._of_class))]
                batch += rng.choice(videos, 2, replace=False).tolist()
            rest = self.batch_size - len(batch)
            yield batch + rng.integers(len(self.sampler.dataset), size=rest).tolist()

    def _videos_of_classes(self):
        """Indices of the videos of each class, for the classes that have at least two videos."""
        dataset, found = self.sampler.dataset, {}
        for index in range(len(dataset)):
            for label in dataset.get_data_info(index)['video_labels'].tolist():
                found.setdefault(label, []).append(index)
        return [found[label] for label in sorted(found) if len(found[label]) > 1]
