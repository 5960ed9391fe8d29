"""From a transform's dictionary to what the model takes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmaction.structures import ActionDataSample
from mmcv.transforms import BaseTransform
from mmengine.structures import InstanceData

from fsptal_mm.structures import segments_inside

_EVALUATION_KEYS = ('gt_segments_sec', 'gt_segment_labels', 'ambiguous_sec')
_POINT_KEYS = ('point_sec', 'point_labels', 'point_instances', 'background_sec')


@TRANSFORMS.register_module()
class PackPointTALInputs(BaseTransform):
    """Packs features and labels.

    ``inputs`` are the features ``(T, D)``, as float32, or clips as they are; the data sample carries
    ``snippet_instances (T, C)``, ``background_labels (T,)`` and ``gt_video_labels (C,)`` as data, and as meta
    information what inference and evaluation need: the grid, the duration, the points and the ground-truth
    segments. Segments travel with the sample so that every process of a distributed test can give the metric what
    it needs; no part of training reads them.

    Required keys: ``features``, ``snippet_instances``, ``background_labels``, ``grid``, ``duration_sec``,
    ``video_id``, ``video_labels``, ``num_classes`` and the evaluation keys.

    Args:
        meta_keys: Further keys to keep as meta information where present.
    """

    def __init__(self, meta_keys: Sequence[str] = ('snippet_positions', 'embedding_positions')) -> None:
        self.meta_keys = meta_keys

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """See the class."""
        video_labels = torch.zeros(results['num_classes'])
        video_labels[torch.as_tensor(results['video_labels'], dtype=torch.long)] = 1
        meta = {key: results[key] for key in (*_EVALUATION_KEYS, *self.meta_keys) if key in results}
        # With the prefix of the segments and video labels: what the annotation gives.
        meta.update({f'gt_{key}': results[key] for key in _POINT_KEYS if key in results})
        meta.update(
            video_id=results['video_id'],
            num_snippets=len(results['snippet_instances']),
            grid=results['grid'],
            duration_sec=results['duration_sec'],
        )
        sample = ActionDataSample(metainfo=meta)
        sample.snippet_instances = torch.from_numpy(results['snippet_instances'])
        sample.background_labels = torch.from_numpy(results['background_labels'])
        sample.gt_video_labels = video_labels
        features = results['features']
        # Clips stay bytes, a quarter of the memory: the data preprocessor turns some of them into numbers at a time.
        features = np.ascontiguousarray(features, dtype=np.float32 if features.ndim == 2 else features.dtype)
        return dict(inputs=torch.from_numpy(features), data_samples=sample)


@TRANSFORMS.register_module()
class PackLocalizerInputs(BaseTransform):
    """Packs features and ground-truth segments as mmaction2's own localizers take them, such as BMN.

    Localizers know time only as a share of what the features cover. "Frames" are snippets here, so the model needs
    ``feature_extraction_interval=1``. For one of a fixed length, ``CropToWindow`` or ``ResizeSnippets`` goes before.

    ``inputs`` are the features ``(D, T)``; the data sample carries ``gt_instances.gt_bbox (N, 2)``, the ground-truth
    segments as shares from 0 to 1, without those of which less than half lies in what the features cover. Its metainfo
    is ``video_name``, ``duration_second`` (what the features cover), ``duration_frame`` and ``feature_frame`` (T) for
    the localizer, and ``video_id``, ``duration_sec``, ``offset_sec`` (where the features begin), ``window_share_sec``
    (of a window) and the ground-truth segments for the metric.

    Required keys: ``features (T, D)``, ``grid``, ``duration_sec``, ``video_id`` and the evaluation keys.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """See the class."""
        num_snippets, grid = len(results['features']), results['grid']
        covered_sec = num_snippets * grid.snippet_sec
        offset_sec = grid.offset_sec
        segments = segments_inside(results['gt_segments_sec'], offset_sec, offset_sec + covered_sec)
        sample = ActionDataSample(
            gt_instances=InstanceData(gt_bbox=torch.from_numpy((segments - offset_sec) / covered_sec)),
            metainfo={key: results[key] for key in (*_EVALUATION_KEYS, 'window_share_sec') if key in results}
            | dict(
                video_id=results['video_id'],
                video_name=results['video_id'],
                duration_sec=results['duration_sec'],
                duration_second=covered_sec,
                duration_frame=num_snippets,
                feature_frame=num_snippets,
                offset_sec=offset_sec,
            ),
        )
        features = np.ascontiguousarray(results['features'].T, dtype=np.float32)
        return dict(inputs=torch.from_numpy(features), data_samples=sample)
