"""Second stage with random proposals and pseudo segments, for the benchmarks that time it."""

import torch

from fsptal_mm.structures import SegmentBatch

_PROPOSALS = 400  # as many as a video of the THUMOS-shaped dataset has, with NMS at .95


def second_stage_config(dim, num_classes):
    """Config of a ``RefinementHead`` with two networks, on X and on F, both of dimension ``dim``."""
    members = [dict(in_channels=dim), dict(inputs='embedding', in_channels=dim)]
    return dict(type='RefinementHead', num_classes=num_classes, members=members)


def draw_segments(count, num_snippets, num_classes, generator):
    """Draw random segments of one video, of 2 to 40 snippets."""
    length = 2 + 38 * torch.rand(count, generator=generator)
    start = torch.rand(count, generator=generator) * (num_snippets - length).clamp(min=0)
    labels = torch.randint(num_classes, (count,), generator=generator)
    return SegmentBatch.of_video(torch.stack([start, start + length], 1), labels)


def start_second_stage(model, batches, num_classes):
    """Start the second stage of a model with random proposals, and a random pseudo segment for each point."""
    store, generator = {}, torch.Generator().manual_seed(0)
    for data in batches:
        for features, sample in zip(data['inputs'], data['data_samples']):
            counts = _PROPOSALS, len(sample.gt_point_sec)
            store[sample.video_id] = tuple(
                draw_segments(count, len(features), num_classes, generator) for count in counts
            )
    model.start_refinement(store)
