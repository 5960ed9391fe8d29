"""Too little memory on a GPU, reported as an InputError with a remedy."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from mmaction.structures import ActionDataSample

from fsptal_mm.utils.errors import InputError

_REMEDY = (
    'a batch that fits: take a smaller batch_size of the dataloader with optim_wrapper.accumulative_counts, or --amp'
)


@contextmanager
def naming_longest_video(data_samples: Sequence[ActionDataSample] | None) -> Iterator[None]:
    """Turn a lack of GPU memory into an InputError that names the longest video of the batch and a remedy.

    Args:
        data_samples (Sequence[ActionDataSample], optional): Data samples of the batch, with metainfo ``video_id`` and
            ``num_snippets``.

    Raises:
        InputError: Memory of the GPU ran out inside the block.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        lengths = {sample.get('video_id'): sample.get('num_snippets', 0) for sample in data_samples or ()}
        video = max(lengths, key=lengths.get, default=None)
        found = f'{lengths.get(video, "unknown")} snippets in the longest video of {len(lengths)}'
        raise InputError(_REMEDY, video=video, field='memory of the GPU', found=found) from error
