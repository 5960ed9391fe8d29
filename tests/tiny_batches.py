"""Labelled batches of random features, as a data loader gives them."""

import torch
from mmaction.structures import ActionDataSample

from fsptal_mm.structures import SnippetGrid


def make_batch(num_videos, num_snippets, num_instances, dim=6):
    """Videos of unequal lengths, their instances of three classes by turns."""
    inputs, samples = [], []
    for video in range(num_videos):
        length = num_snippets - video
        instances = torch.full((length, 3), -1, dtype=torch.int32)
        times = torch.arange(num_instances) * length // num_instances
        instances[times, times % 3] = torch.arange(num_instances).int()
        meta = dict(video_id=f'v{video}', num_snippets=length, grid=SnippetGrid(1.0), duration_sec=float(length))
        sample = ActionDataSample(metainfo=meta)
        sample.snippet_instances, sample.background_labels = instances, torch.zeros(length, dtype=torch.bool)
        sample.gt_video_labels = (instances >= 0).any(0).float()
        inputs.append(torch.rand(length, dim, generator=torch.Generator().manual_seed(video)))
        samples.append(sample)
    return dict(inputs=inputs, data_samples=samples)
