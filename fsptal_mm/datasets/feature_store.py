"""Features of a whole dataset as one array, on the host or on the device that trains."""

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
    """The features of N videos, one behind the other.

    They are kept as float16 where that loses nothing (as of files of float16), else as float32.

    Args:
        infos (Sequence[dict]): Of the videos, as a pipeline takes them.
        load (Callable): Transform that adds ``features (T, D)`` to an info and checks them.
        place: ``'memory'``, of the host, or ``'device'``, the one that mmengine chooses.

    Raises:
        InputError: Features that cannot be read, or of different dimensions; or a worker process, which has no device.
    """

    def __init__(self, infos: Sequence[dict[str, Any]], load: Callable, place: str) -> None:
        if place == 'device' and get_worker_info() is not None:
            found = get_worker_info().num_workers
            expected = "0 with keep_features='device': the features are where the model is"
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
            self._array = np.zeros((len(self._array), 1), dtype=np.float32)  # stands for them in the pipeline

    def host_features(self, index: int) -> np.ndarray:
        """``(T, D)`` features of a video; ``(T, 1)`` zeros in their place where they are on the device."""
        return self._array[self._edges[index] : self._edges[index + 1]]

    def model_inputs(self, index: int, inputs: Tensor, video: str) -> Tensor:
        """Inputs of the model for a video, whose :meth:`host_features` went through the pipeline.

        Raises:
            InputError: The pipeline changes features, which are on the device.
        """
        if self._on_device is None:
            return inputs
        features = self._on_device[self._edges[index] : self._edges[index + 1]]
        if inputs.shape != (len(features), 1) or inputs.any():
            expected = "a pipeline that leaves features as they are (ExtendPointLabels: stage='embedding'), or 'memory'"
            raise InputError(expected, video=video, field='keep_features', found='device')
        return features


def _smallest(features):
    """Features as float16 if they can be told from it again."""
    with np.errstate(over='ignore'):
        half = features.astype(np.float16)
    return half if np.array_equal(half, features) else features.astype(np.float32)
