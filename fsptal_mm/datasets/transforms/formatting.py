"""Transforms that pack features and labels into the input of a model."""

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
    """Pack features or clips, and labels, for :class:`.PointTAL`.

    ``inputs`` are the features ``(T, D)`` as float32, or the clips ``(T, ...)`` as uint8. The data sample holds
    ``snippet_instances (T, C)``, ``background_labels (T,)`` and ``gt_video_labels (C,)`` as data. Its meta information
    is for inference and evaluation: the grid, the duration, the points and, in a dataset with ``test_mode``, the
    ground-truth segments. Every sample holds all that its evaluation needs, so that in a distributed test each process
    can evaluate its videos. Training samples hold no ground-truth segments, so that training cannot use them.

    Required keys: ``features``, ``snippet_instances``, ``background_labels``, ``grid``, ``duration_sec``,
    ``video_id``, ``video_labels``, ``num_classes``; for evaluation ``gt_segments_sec``, ``gt_segment_labels``,
    ``ambiguous_sec``.

    Args:
        meta_keys: Further keys to keep as meta information, if present.
    """

    def __init__(
        self, meta_keys: Sequence[str] = ('snippet_positions', 'embedding_positions', 'snippet_range')
    ) -> None:
        self.meta_keys = meta_keys

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack one video."""
        video_labels = torch.zeros(results['num_classes'])
        video_labels[torch.as_tensor(results['video_labels'], dtype=torch.long)] = 1
        truth = () if results.get('is_training') else _EVALUATION_KEYS
        meta = {key: results[key] for key in (*truth, *self.meta_keys) if key in results}
        # Points come from the annotations, like segments and video labels. So they get the prefix gt_, too.
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
        # Clips stay uint8, a quarter of the memory of float32: the data preprocessor converts a few clips at a time.
        features = np.ascontiguousarray(features, dtype=np.float32 if features.ndim == 2 else features.dtype)
        return dict(inputs=torch.from_numpy(features), data_samples=sample)


@TRANSFORMS.register_module()
class PackLocalizerInputs(BaseTransform):
    """Pack features and ground-truth segments for mmaction2's own localizers, such as BMN.

    These localizers express time as a share of the range that the features cover. What they call frames are snippets
    here, so the model needs ``feature_extraction_interval=1``. If the model needs a fixed number of snippets, put
    ``CropToWindow`` or ``ResizeSnippets`` before this transform.

    ``inputs`` are the features ``(D, T)``. The data sample holds ``gt_instances.gt_bbox (N, 2)``, the ground-truth
    segments as shares from 0 to 1; a segment is left out if the features cover less than half of it. Meta information
    for the localizer: ``video_name``, ``duration_second`` (seconds that the features cover), ``duration_frame`` and
    ``feature_frame`` (both T). For the metric: ``video_id``, ``duration_sec``, ``offset_sec`` (start of the features)
    and the ground-truth segments; for a window, also ``window_share_sec``: the metric keeps only proposals whose middle
    lies in this time range.

    Required keys: ``features (T, D)``, ``grid``, ``duration_sec``, ``video_id``, ``gt_segments_sec``,
    ``gt_segment_labels``, ``ambiguous_sec``.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Pack one video."""
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
