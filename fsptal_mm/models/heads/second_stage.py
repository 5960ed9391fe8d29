"""Base class of all second stages: the proposals that they take, and how refined segments become detections."""

import numpy as np
import torch
from mmaction.registry import TASK_UTILS
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModule
from mmengine.structures import InstanceData

from fsptal_mm.models.task_modules.nms import find_nms
from fsptal_mm.structures import SegmentBatch


class SecondStage(BaseModule):
    """Base class of the heads that score and refine the proposals of stage 1, and are trained on pseudo segments.

    Args:
        proposals (dict): Config of the ``ProposalGenerator`` of the proposals to refine.
        sampler (dict): Config of ``CandidateSampler``, which draws the segments to train on.
        assigner (dict): Config of ``SegmentAssigner``, which gives the drawn segments their targets.
        nms (dict): NMS of the refined segments, as in ``ProposalGenerator``.
        init_cfg: As in ``mmengine.model.BaseModule``.
    """

    def __init__(
        self, proposals: dict, sampler: dict, assigner: dict, nms: dict, init_cfg: dict | list[dict] | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.proposals = TASK_UTILS.build(proposals)
        self.sampler = TASK_UTILS.build(sampler)
        self.assigner = TASK_UTILS.build(assigner)
        self.nms, self.nms_args = find_nms(nms)
        # Whether training of the second stage has begun. Checkpoints hold it, so that an untrained second stage never
        # predicts.
        self.register_buffer('is_trained', torch.tensor(False))

    def to_detections(
        self, sample: ActionDataSample, segments: np.ndarray, scores: np.ndarray, labels: np.ndarray
    ) -> InstanceData:
        """Turn refined segments of one video into detections, with NMS.

        Args:
            sample (ActionDataSample): With metainfo ``grid`` and ``duration_sec``.
            segments (np.ndarray): ``(N, 2)`` starts and ends in snippets.
            scores (np.ndarray): ``(N,)``.
            labels (np.ndarray): ``(N,)`` class indices.

        Returns:
            InstanceData: ``segments_sec (K, 2)``, ``scores (K,)`` and ``labels (K,)``, best first.
        """
        segments_sec = np.clip(sample.grid.to_sec(segments), 0, sample.duration_sec)
        is_segment = ~(segments_sec[:, 1] <= segments_sec[:, 0])  # NaN stays, for the metric to refuse
        segments_sec, scores, labels = (part[is_segment] for part in (segments_sec, scores, labels))
        keep, scores = self.nms(segments_sec, scores, labels=labels, **self.nms_args)
        parts = dict(segments_sec=segments_sec[keep], scores=scores, labels=labels[keep])
        return InstanceData(**{name: torch.from_numpy(part) for name, part in parts.items()})


def proposals_in_snippets(sample: ActionDataSample) -> SegmentBatch:
    """The ``pred_segments`` of a data sample as a :class:`SegmentBatch` of one video, on the host."""
    found = sample.pred_segments
    return SegmentBatch.of_video(sample.grid.to_position(found.segments_sec), found.labels, found.scores)
