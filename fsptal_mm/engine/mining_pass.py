"""A pass over the training videos before an epoch starts."""

from collections.abc import Callable
from typing import Any

import torch
from mmengine.dataset import DefaultSampler
from mmengine.dist import all_gather_object
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from fsptal_mm.models.evaluation_mode import evaluation_mode

from .random_numbers import SeededItems, without_random_samples
from .unwrapping import unwrapped_model


@torch.no_grad()
def mining_pass(runner: Runner, mine: Callable, epoch: int | None = None) -> dict[str, Any]:
    """Run a function on every training video with the model as it is now, and collect what it returns.

    Args:
        runner (Runner): Runner of a training.
        mine (Callable): Takes the model, in evaluation mode, the inputs of a batch and its data samples. Returns a dict
            by video id, on the host.
        epoch: Epoch whose random numbers the transforms draw; by default the current one. With the epoch of an earlier
            pass, a resumed run finds what the interrupted run found in that pass.

    Returns:
        dict: What was mined from all training videos, by video id. Each process mines a share of the videos, but gets
        the results of all videos, since it trains on different videos in every epoch.
    """
    model, mined = unwrapped_model(runner), {}
    dataset = runner.train_dataloader.dataset
    # In the precision of training.
    with (
        evaluation_mode(model),
        runner.optim_wrapper.optim_context(runner.model),
        without_random_samples(dataset),
    ):
        if epoch is not None:
            inner = dataset.dataset if isinstance(dataset, SeededItems) else dataset
            dataset = SeededItems(inner, runner.seed, epoch)
        for data in _loader(runner.train_dataloader, dataset):
            inputs = model.data_preprocessor(data)['inputs']
            mined.update(mine(model, inputs, data['data_samples']))
    return {video_id: found for part in all_gather_object(mined) for video_id, found in part.items()}


def _loader(of_training, dataset):
    """Loader over this process's share of the training videos, each video once and in order.

    Workers are started for the pass only. The loader has a generator of its own, so that a pass does not change the
    order of videos or the random numbers of training.
    """
    return DataLoader(
        dataset,
        of_training.batch_size or 1,
        sampler=DefaultSampler(dataset, shuffle=False, seed=0, round_up=False),
        num_workers=of_training.num_workers,
        collate_fn=of_training.collate_fn,
        pin_memory=of_training.pin_memory,
        worker_init_fn=of_training.worker_init_fn,
        generator=torch.Generator(),
    )
