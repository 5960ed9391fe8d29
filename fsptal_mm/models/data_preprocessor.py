"""Data preprocessor for snippet features, and for clips that a backbone turns into features."""

import math
import numbers
from collections.abc import Sequence

import torch
from mmaction.registry import MODELS
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from fsptal_mm.structures import ClipBatch, SnippetBatch
from fsptal_mm.utils.errors import InputError, check_numbers

_CHANNEL_DIM = dict(NCHW=-3, NCTHW=-4)


@MODELS.register_module()
class SnippetDataPreprocessor(BaseDataPreprocessor):
    """Data preprocessor that packs the features of a batch on the model's device, or prepares clips for a backbone.

    ``inputs`` (a list of ``(T_i, D)`` tensors) become a :class:`.SnippetBatch`. Clips (tensors of more than two
    dimensions) become a :class:`.ClipBatch` and stay uint8 on the host until :meth:`prepare_clips` takes a few of them.
    Data samples stay on the host, since a head moves the targets that it needs, one tensor of each kind for the batch.

    Args:
        gap_snippets: Number of zero rows between videos, at least half the kernel of the widest convolution in the
            model (rounded down), so that no convolution sees two videos at once.
        mean: Mean of each channel of the frames, as in mmaction2's ``ActionDataPreprocessor``; ``None`` for no
            normalisation.
        std: Standard deviation of each channel; ``None`` if ``mean`` is.
        format_shape: Form of the clips, as mmaction2 names it: ``'NCHW'`` for 2D backbones, ``(T_i, C, H, W)`` or
            ``(T_i, frames, C, H, W)``; ``'NCTHW'`` for 3D backbones, ``(T_i, C, frames, H, W)`` or
            ``(T_i, views, C, frames, H, W)``.
        non_blocking: Argument of the base class, without effect, because copies from pinned memory never block here.

    Raises:
        InputError: An argument is out of range, clips do not fit the arguments, or the features of two videos differ in
            dimension.
    """

    def __init__(
        self,
        gap_snippets: int = 1,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        format_shape: str = 'NCHW',
        non_blocking: bool = True,
    ) -> None:
        super().__init__(non_blocking=non_blocking)
        if format_shape not in _CHANNEL_DIM:
            field = 'SnippetDataPreprocessor.format_shape'
            raise InputError(f'one of {sorted(_CHANNEL_DIM)}', field=field, found=format_shape)
        check_numbers('SnippetDataPreprocessor', 0, whole=True, gap_snippets=gap_snippets)
        is_right = _are_numbers(mean) and _are_numbers(std) and len(mean) == len(std) and min(std) > 0
        if not is_right and not (mean is None and std is None):
            expected = 'numbers for both or for neither, one per channel, std above 0'
            raise InputError(expected, field='SnippetDataPreprocessor.mean, std', found=(mean, std))
        self.gap_snippets = gap_snippets
        self.format_shape = format_shape
        self._channel_dim = _CHANNEL_DIM[format_shape]
        for name, value in (('mean', mean), ('std', std)):
            value = None if value is None else torch.tensor(value).float().reshape(-1, *[1] * (-self._channel_dim - 1))
            self.register_buffer(name, value, persistent=False)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Pack the inputs of a batch and move them to the device of the model."""
        inputs = data['inputs']
        if inputs[0].ndim > 2:
            inputs = ClipBatch(list(inputs), self.gap_snippets)
        else:
            _check_dimensions(inputs, data.get('data_samples'))
            inputs = SnippetBatch.from_videos(inputs, self.gap_snippets, self.device)
            # A dataset that keeps features on the device stores them in float16 if no number changes by that; the model
            # gets float32.
            if inputs.features.dtype == torch.float16:
                inputs = inputs.with_features(inputs.features.float())
        return dict(inputs=inputs, data_samples=data.get('data_samples'))

    def prepare_clips(self, clips: Tensor) -> Tensor:
        """Bring clips ``(n, ...)`` into the form that the backbone takes.

        Returns:
            Tensor: Normalised float32 on the model's device: ``(n * frames, C, H, W)``, or
            ``(n * views, C, frames, H, W)``.
        """
        dims = (1 - self._channel_dim, 2 - self._channel_dim)
        channels = clips.shape[self._channel_dim] if clips.ndim in dims else None
        if channels is None or (self.mean is not None and channels != len(self.mean)):
            expected = f'{self.format_shape} with {" or ".join(map(str, dims))} dimensions, the snippets first'
            expected += '' if self.mean is None else f', and {len(self.mean)} channels, as many as `mean` has'
            raise InputError(expected, field='shape of the clips', found=tuple(clips.shape))
        clips = clips.to(self.device, non_blocking=True).float()
        if self.mean is not None:
            clips = (clips - self.mean) / self.std
        return clips.flatten(0, self._channel_dim - 1)


def _are_numbers(values):
    """Whether the values are a list of finite numbers, one per channel."""
    return (
        isinstance(values, (list, tuple))
        and len(values) > 0
        and all(isinstance(value, numbers.Real) and math.isfinite(value) for value in values)
    )


def _check_dimensions(videos, data_samples):
    """Raise an InputError if the features of a video and those of the first video differ in dimension."""
    for place, video in enumerate(videos):
        if video.shape[1:] != videos[0].shape[1:]:
            raise InputError(
                f'{videos[0].shape[-1]}, as of the first video of the batch',
                video=data_samples[place].get('video_id') if data_samples else f'{place} of the batch',
                field='dimension of the snippet features',
                found=video.shape[-1],
            )
