"""What a batch of point-labelled videos asks of the model."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

NO_INSTANCE = -1


@dataclass(frozen=True)
class PointTargets:
    """Point labels of a batch, padded. Given ones from the annotation; mined ones are of the same form.

    Attributes:
        instances: ``(B, T, C)`` int32: the action instance of class c that snippet t is labelled with, or -1 for none.
            Instances are numbered within a video. ``instances >= 0`` are the 0/1 point labels P of the paper.
        background: ``(B, T)`` bool, snippets labelled as background (mined, or clicked by the annotator).
        video_labels: ``(B, C)`` float, 1 for the classes that occur in the video.
        mask: ``(B, T)`` bool, true on real snippets; labels stand only there.
    """

    instances: Tensor
    background: Tensor
    video_labels: Tensor
    mask: Tensor

    @classmethod
    def from_samples(cls, data_samples, mask):
        """Collect the targets of a batch, built on the host and moved once.

        Args:
            data_samples (list[ActionDataSample]): With ``point_instances (T, C)``, ``point_background (T,)`` and
                ``gt_video_labels (C,)``, on the host.
            mask (Tensor): ``(B, T)`` of the batch; targets go to its device.
        """
        num_videos, num_snippets = mask.shape
        num_classes = data_samples[0].point_instances.shape[1]
        instances = torch.full((num_videos, num_snippets, num_classes), NO_INSTANCE, dtype=torch.int32)
        background = torch.zeros((num_videos, num_snippets), dtype=torch.bool)
        for video, sample in enumerate(data_samples):
            instances[video, : len(sample.point_instances)] = sample.point_instances
            background[video, : len(sample.point_background)] = sample.point_background
        video_labels = torch.stack([sample.gt_video_labels for sample in data_samples])
        instances, background, video_labels = (
            target.to(mask.device, non_blocking=True) for target in (instances, background, video_labels)
        )
        return cls(instances, background, video_labels, mask)

    @cached_property
    def labels(self):
        """``(B, T, C)`` bool, the point labels P."""
        return self.instances >= 0

    @cached_property
    def is_action(self):
        """``(B, T)`` bool, snippets with a point label of any class."""
        return self.instances.amax(-1) >= 0  # faster than `any`
