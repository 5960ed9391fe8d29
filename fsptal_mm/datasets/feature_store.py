"""Features of a whole dataset as one array, in the memory of the host (CPU) or of the device (GPU)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.device import get_device
from torch import Tensor
from torch.utils.data import get_worker_info

from fsptal_mm.utils.errors import InputError

PLACES = ('memory', 'device')


class FeatureStore:
    """Features of all videos in one array, concatenated along time.

    The array is float16 if float16 represents all features exactly (as with float16 files), else float32.

    Args:
        infos (Sequence[dict]): Inputs of the pipeline, one per video.
        load (Callable): Transform that adds ``features (T, D)`` to an element of ``infos``, and checks them.
        place: ``'memory'``: memory of the host. ``'device'``: memory of the device that mmengine chooses.

    Raises:
        InputError: Features cannot be read, or D differs between videos; or ``place`` is ``'device'`` and this process
            is a worker of a data loader, which cannot send data on the device to the main process.
    """

    def __init__(self, infos: Sequence[dict[str, Any]], load: Callable, place: str) -> None:
        if place == 'device' and get_worker_info() is not None:
            found = get_worker_info().num_workers
            expected = "0 with keep_features='device', since workers cannot send data on the device to the main process"
            raise InputError(expected, field='num_workers', found=found)
        videos = [_smallest(load(dict(info))['features']) for info in infos]
        for info, features in zip(infos, videos):
            if features.shape[1] != videos[0].shape[1]:
                expected = f'{videos[0].shape[1]}, as of the first video'
                field = 'dimension of the snippet features'
                raise InputError(expected, video=info['video_id'], field=field, found=features.shape[1])
        self._edges = np.append(0, np.cumsum([len(features) for features in videos]))
        self._array = np.concatenate(videos, dtype=np.result_type(*{features.dtype for features in videos}))
        self._on_device = None
        if place == 'device':
            self._on_device = torch.from_numpy(self._array).to(get_device())
            # The pipeline runs on the host, where the features are no longer kept. As it needs T, it gets zeros (T, 1)
            # in their place. A pipeline that does not change features returns the zeros unchanged: model_inputs checks
            # this, and replaces the zeros by the features on the device.
            self._array = np.zeros((len(self._array), 1), dtype=np.float32)

    def host_features(self, index: int) -> np.ndarray:
        """Features ``(T, D)`` of a video, for the pipeline; zeros ``(T, 1)`` if the features are on the device."""
        return self._array[self._edges[index] : self._edges[index + 1]]

    def model_inputs(self, index: int, inputs: Tensor, video: str) -> Tensor:
        """Replace the inputs of a video by its features on the device, if they are there.

        Args:
            index: Index of the video.
            inputs (Tensor): Output of the pipeline for :meth:`host_features` of the video.
            video: Id of the video, for errors.

        Returns:
            Tensor: ``(T, D)`` on the device, or ``inputs`` if the features are in the memory of the host.

        Raises:
            InputError: The features are on the device, and the pipeline has changed the zeros in their place.
        """
        if self._on_device is None:
            return inputs
        features = self._on_device[self._edges[index] : self._edges[index + 1]]
        if inputs.shape != (len(features), 1) or inputs.any():
            expected = "a pipeline that leaves features as they are (ExtendPointLabels: stage='embedding'), or 'memory'"
            raise InputError(expected, video=video, field='keep_features', found='device')
        return features


def _smallest(features):
    """Convert features to float16 if no number changes by this, else to float32."""
    with np.errstate(over='ignore'):
        half = features.astype(np.float16)
    return half if np.array_equal(half, features) else features.astype(np.float32)
