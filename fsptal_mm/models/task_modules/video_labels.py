"""Pseudo labels of single videos, to be kept from one mining pass to the next."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fsptal_mm.structures import NO_INSTANCE, PointTargets, snippet_edges_sec
from fsptal_mm.utils.errors import InputError

from .segment_search.searcher import SegmentLabels


@dataclass(frozen=True)
class VideoLabels:
    """Given and mined labels of one video of T snippets, on the host.

    Attributes named as in a data sample mean what they mean there, with the mined labels added.

    Attributes:
        actions: Sparse ``(T, C)`` int32, ``point_instances + 1``: few of a video's classes occur in it.
        point_background: ``(T,)`` bool.
        gt_video_labels: ``(C,)`` float.
        given: ``(T,)`` bool, snippets that the annotation labels as action or as background.
        edges_sec: ``(T + 1,)`` seconds: snippet t reaches from entry t to entry t + 1.
        segments (SegmentLabels, optional): Best segments, of video 0.
    """

    actions: Tensor
    point_background: Tensor
    gt_video_labels: Tensor
    given: Tensor
    edges_sec: np.ndarray
    segments: SegmentLabels | None

    @property
    def point_instances(self):
        """``(T, C)`` int32, -1 for none."""
        return self.actions.to_dense() + NO_INSTANCE

    @staticmethod
    def from_batch(data_samples, given, targets, segments):
        """Take the labels of a batch apart; waits for the device.

        Args:
            data_samples (list[ActionDataSample]): With metainfo ``video_id`` and what :func:`snippet_edges_sec` reads.
            given (PointTargets): Given labels.
            targets (PointTargets): Given and mined labels.
            segments (SegmentLabels, optional): Best segments.

        Returns:
            dict[str, VideoLabels]: By video id.
        """
        instances, background, video_labels = (
            part.cpu() for part in (targets.instances, targets.background, targets.video_labels)
        )
        segments = segments and SegmentLabels(*(part.cpu() for part in vars(segments).values()))
        is_given = (given.is_action | given.background).cpu()
        store = {}
        for video, sample in enumerate(data_samples):
            length = sample.num_snippets
            store[sample.video_id] = VideoLabels(
                (instances[video, :length] - NO_INSTANCE).to_sparse(),
                background[video, :length].clone(),
                video_labels[video].clone(),
                is_given[video, :length].clone(),
                snippet_edges_sec(sample),
                segments and segments.of_video(video),
            )
        return store

    @staticmethod
    def to_batch(store, data_samples, mask):
        """Look up the labels of a batch.

        Args:
            store (dict[str, VideoLabels]): Labels by video id.
            data_samples (list[ActionDataSample]): With metainfo ``video_id`` and ``num_snippets``.
            mask (Tensor): ``(B, T)`` of the batch; labels go to its device.

        Returns:
            tuple: :class:`PointTargets`, and :class:`SegmentLabels` or None.

        Raises:
            InputError: A video is not as long as it was in the mining pass.
        """
        videos = [store[sample.video_id] for sample in data_samples]
        for labels, sample in zip(videos, data_samples):
            if len(labels.given) != sample.num_snippets:
                raise InputError(
                    f'{len(labels.given)} snippets, as when its labels were mined: labels can be kept only if the '
                    'training pipeline gives a video the same length every time',
                    video=sample.video_id,
                    field='number of snippets',
                    found=sample.num_snippets,
                )
        searched = all(labels.segments is not None for labels in videos)
        segments = SegmentLabels.join([labels.segments for labels in videos], mask.device) if searched else None
        return PointTargets.from_samples(videos, mask), segments
