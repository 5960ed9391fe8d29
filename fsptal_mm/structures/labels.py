"""Training labels: of the snippets and segments of a batch; and of single videos, which are kept between steps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from mmaction.structures import ActionDataSample
from torch import Tensor

from fsptal_mm.utils.errors import InputError

from .grid import snippet_edges_sec
from .segments import outer_length
from .snippet_batch import to_device

NO_INSTANCE = -1
_PER_SEGMENT = ('start', 'stop', 'outer_start', 'outer_stop', 'is_background')  # and `group`: an entry per segment


@dataclass(frozen=True)
class PointTargets:
    """Labels of the snippets of a batch, padded: given (points and background clicks), or given and mined.

    Attributes:
        snippet_instances: ``(B, T, C)`` int32: the action instance of class c that snippet t is labelled with, or -1
            for none. Instances are numbered within a video. The paper's point labels P are 1 where this is ``>= 0``.
        background_labels: ``(B, T)`` bool, snippets labelled as background (mined, or clicked by the annotator).
        video_labels: ``(B, C)`` float, 1 for the classes that occur in the video.
        mask: ``(B, T)`` bool, true on real snippets; padded snippets have no label.
    """

    snippet_instances: Tensor
    background_labels: Tensor
    video_labels: Tensor
    mask: Tensor

    @classmethod
    def from_samples(cls, data_samples: Sequence[ActionDataSample], mask: Tensor) -> 'PointTargets':
        """Collect the targets of a batch on the host, and move them to the device of the batch at once.

        Args:
            data_samples (list[ActionDataSample]): With ``snippet_instances (T, C)``, ``background_labels (T,)`` and
                ``gt_video_labels (C,)``, on the host.
            mask (Tensor): ``(B, T)`` of the batch; targets go to its device.
        """
        num_videos, num_snippets = mask.shape
        num_classes = data_samples[0].snippet_instances.shape[1]
        # Filled in numpy, which takes a tenth of the time of tensor operations.
        instances = np.full((num_videos, num_snippets, num_classes), NO_INSTANCE, dtype=np.int32)
        background = np.zeros((num_videos, num_snippets), dtype=bool)
        for video, sample in enumerate(data_samples):
            instances[video, : len(sample.snippet_instances)] = sample.snippet_instances.numpy()
            background[video, : len(sample.background_labels)] = sample.background_labels.numpy()
        video_labels = np.stack([sample.gt_video_labels.numpy() for sample in data_samples])
        return cls(*to_device(mask.device, instances, background, video_labels), mask)

    def with_background(self, background_labels: Tensor) -> 'PointTargets':
        """Return the targets with other background labels, ``(B, T)`` bool."""
        other = replace(self, background_labels=background_labels)
        # Cached properties live in `vars`. Those of the actions, which stay the same, need not be computed anew.
        vars(other).update({name: vars(self)[name] for name in ('labels', 'is_action') if name in vars(self)})
        return other

    @cached_property
    def labels(self) -> Tensor:
        """Action labels ``(B, T, C)`` bool, which are the point labels P and mined labels, if the targets hold any."""
        return self.snippet_instances >= 0

    @cached_property
    def is_action(self) -> Tensor:
        """Snippets with an action label of any class, ``(B, T)`` bool."""
        return self.snippet_instances.amax(-1) >= 0  # faster than `any`

    @cached_property
    def kinds(self) -> Tensor:
        """Action snippets and background snippets, ``(2, B, T)`` bool."""
        return torch.stack([self.is_action, self.background_labels])


@dataclass(frozen=True)
class SegmentLabels:
    """Pseudo segment labels SL of a batch: N segments in G groups; a group is one class of one video.

    Attributes:
        video: ``(G,)`` int64 video of each group.
        label: ``(G,)`` int64 class of each group.
        group: ``(N,)`` int64 group of each segment, ascending; the segments of a group are in time order.
        start: ``(N,)`` int64; a segment is the snippets ``[start, stop)``.
        stop: ``(N,)`` int64.
        outer_start: ``(N,)`` int64; the outer ranges of Eq. 8 are ``[outer_start, start)`` and
            ``[stop, outer_stop)``. (The paper names the last snippet of a range instead of the snippet behind it.)
        outer_stop: ``(N,)`` int64.
        is_background: ``(N,)`` bool, true for a stretch of the video without the class. Its scores are 1 - q-hat, not
            q-hat.
    """

    video: Tensor
    label: Tensor
    group: Tensor
    start: Tensor
    stop: Tensor
    outer_start: Tensor
    outer_stop: Tensor
    is_background: Tensor

    def of_video(self, video: int) -> 'SegmentLabels':
        """Select the segments of one video as a batch of its own: the video is 0, and groups count from 0."""
        groups = self.video == video
        chosen = groups[self.group]
        return SegmentLabels(
            torch.zeros_like(self.video[groups]),
            self.label[groups],
            self.group[chosen] - (self.video < video).sum(),  # minus the number of groups of earlier videos
            *(getattr(self, name)[chosen] for name in _PER_SEGMENT),
        )

    @classmethod
    def join(cls, videos: Sequence['SegmentLabels'], device: torch.device | None = None) -> 'SegmentLabels':
        """Join the segments of single videos, as :meth:`of_video` gives them, into one batch."""
        num_groups = torch.tensor([len(segments.video) for segments in videos])
        num_segments = torch.tensor([len(segments.group) for segments in videos])
        video = torch.arange(len(videos)).repeat_interleave(num_groups)
        groups_before = (num_groups.cumsum(0) - num_groups).repeat_interleave(num_segments)  # in earlier videos
        group = torch.cat([segments.group for segments in videos]) + groups_before
        joined = {
            name: torch.cat([getattr(segments, name) for segments in videos]).to(device, non_blocking=True)
            for name in ('label', *_PER_SEGMENT)
        }
        return cls(video=video.to(device, non_blocking=True), group=group.to(device, non_blocking=True), **joined)

    def away_from_actions(self, mask: Tensor, margin: float) -> Tensor:
        """Snippets that are far from every action segment of their video.

        Args:
            mask (Tensor): ``(B, T)`` bool, true on real snippets.
            margin: Least distance from a segment, as a share of the segment's length. In snippets, the
                distance is rounded up, see :func:`outer_length`.

        Returns:
            Tensor: ``(B, T)`` bool, within ``mask``.
        """
        num_videos, num_snippets = mask.shape
        reach = outer_length(self.stop - self.start, margin)
        first = (self.start - reach).clamp(min=0)
        stop = (self.stop + reach).clamp(max=num_snippets)
        # Count how many action segments, widened by the margin, cover each snippet. A segment writes +1 at its first
        # snippet and -1 at its stop; the sum over time up to a snippet is the count. Example: [1, 3) of 4 snippets
        # writes 0 1 0 -1 0, with the sums 0 1 1 0 0. A video has T + 1 entries, since a stop may be T.
        video_start = self.video[self.group] * (num_snippets + 1)
        is_action = (~self.is_background).long()
        change = video_start.new_zeros(num_videos * (num_snippets + 1))
        change = change.index_add(0, video_start + first, is_action).index_add(0, video_start + stop, -is_action)
        return mask & (change.view(num_videos, -1).cumsum(1)[:, :-1] == 0)


@dataclass(frozen=True)
class VideoLabels:
    """Given and mined labels of one video of T snippets, on the host.

    The fields are named as in a data sample: :meth:`PointTargets.from_samples` takes video labels in place of samples.

    Attributes:
        actions: Sparse ``(T, C)`` int32, ``snippet_instances + 1``: 0 where there is no label, so that only labels take
            memory.
        background_labels: ``(T,)`` bool.
        gt_video_labels: ``(C,)`` float.
        given: ``(T,)`` bool, snippets that the annotation labels as action or as background.
        edges_sec: ``(T + 1,)`` seconds: snippet t reaches from entry t to entry t + 1.
        segments (SegmentLabels, optional): Pseudo segments of the segment search, as :meth:`SegmentLabels.of_video`
            gives them; ``None`` if the head searches none.
    """

    actions: Tensor
    background_labels: Tensor
    gt_video_labels: Tensor
    given: Tensor
    edges_sec: np.ndarray
    segments: SegmentLabels | None

    @property
    def snippet_instances(self) -> Tensor:
        """Instance that each snippet is labelled with, or -1 for none, ``(T, C)`` int32."""
        return self.actions.to_dense() + NO_INSTANCE

    def to_state(self) -> dict[str, Any]:
        """Convert to plain values and tensors, which a checkpoint can hold."""
        actions = self.actions.coalesce()
        state = {name: value for name, value in vars(self).items() if name not in ('actions', 'segments')}
        return state | dict(
            action_indices=actions.indices(),
            action_values=actions.values(),
            segments=self.segments and dict(vars(self.segments)),
        )

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> 'VideoLabels':
        """Restore labels from the result of :meth:`to_state`."""
        own = dict(state)
        segments, shape = own.pop('segments'), (len(state['given']), len(state['gt_video_labels']))
        actions = torch.sparse_coo_tensor(
            own.pop('action_indices'), own.pop('action_values'), shape, check_invariants=True
        )
        return cls(actions=actions, segments=segments and SegmentLabels(**segments), **own)

    def of_range(self, start: int, stop: int) -> 'VideoLabels':
        """Select the labels of the snippets ``[start, stop)``. Video labels become the classes that are labelled there.

        Raises:
            InputError: The labels hold pseudo segments, which would have to be cut.
        """
        if self.segments is not None:
            expected = "a pipeline without SampleSnippets(mode='crop'), since pseudo segments of whole videos are kept"
            raise InputError(expected, field='train_dataloader.dataset.pipeline', found='SampleSnippets')
        actions = self.actions.to_dense()[start:stop]
        return replace(
            self,
            actions=actions.to_sparse(),
            background_labels=self.background_labels[start:stop],
            gt_video_labels=(actions > 0).any(0).to(self.gt_video_labels),
            given=self.given[start:stop],
            edges_sec=self.edges_sec[start : stop + 1],
        )

    @staticmethod
    def from_batch(
        data_samples: Sequence[ActionDataSample],
        given: PointTargets,
        targets: PointTargets,
        segments: SegmentLabels | None,
    ) -> dict[str, 'VideoLabels']:
        """Split the labels of a batch into those of its videos; the host waits for the device.

        Args:
            data_samples (list[ActionDataSample]): With metainfo ``video_id`` and what :func:`snippet_edges_sec` reads.
            given (PointTargets): Given labels.
            targets (PointTargets): Given and mined labels.
            segments (SegmentLabels, optional): Pseudo segments of the segment search.

        Returns:
            dict[str, VideoLabels]: By video id.
        """
        instances, background, video_labels = (
            part.cpu() for part in (targets.snippet_instances, targets.background_labels, targets.video_labels)
        )
        segments = segments and SegmentLabels(*(part.cpu() for part in vars(segments).values()))
        is_given = (given.is_action | given.background_labels).cpu()
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
    def to_batch(
        store: dict[str, 'VideoLabels'], data_samples: Sequence[ActionDataSample], mask: Tensor
    ) -> tuple[PointTargets, SegmentLabels | None]:
        """Look up the labels of a batch.

        Args:
            store (dict[str, VideoLabels]): Labels by video id.
            data_samples (list[ActionDataSample]): With metainfo ``video_id`` and ``num_snippets``; of a window of the
                video, also with ``snippet_range``, the first snippet of the window and the one behind it.
            mask (Tensor): ``(B, T)`` of the batch; labels go to its device.

        Returns:
            tuple: :class:`PointTargets`; and :class:`SegmentLabels`, or None if a video has none.

        Raises:
            InputError: A video has another number of snippets than when its labels were mined.
        """
        videos = [store[sample.video_id] for sample in data_samples]
        ranges = [sample.get('snippet_range') for sample in data_samples]
        videos = [labels if part is None else labels.of_range(*part) for labels, part in zip(videos, ranges)]
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
