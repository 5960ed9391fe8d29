"""The second stage: proposals are classified, scored and refined as whole segments."""

from collections.abc import Sequence

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn

from fsptal_mm.models.losses.score_contrast import group_mean
from fsptal_mm.structures import SegmentBatch, SnippetBatch
from fsptal_mm.utils.errors import InputError, check_numbers

from .second_stage import SecondStage, proposals_in_snippets

_MIN_SCORE = 1e-6  # scores of stage 1 may be negative: they are clamped to this before they are raised to a power


@MODELS.register_module()
class RefinementHead(SecondStage):
    """Region network that classifies, scores and refines the proposals of stage 1, trained on pseudo segments.

    A few small networks give each candidate a score for every class and a refined segment. The target of the score of a
    class is the tIoU with its best pseudo segment. Similar networks: R-C3D (Xu et al., ICCV 2017) and stage 2 of HR-Pro
    (Zhang et al., AAAI 2024).

    Args:
        num_classes: Number of classes, C.
        members (Sequence[dict]): An ensemble of networks, each with its own initial weights and dropout; their scores
            and segments are averaged. Each entry holds a ``type``, by default :class:`.SegmentNetwork`; its arguments
            without ``num_classes``; and ``inputs``: ``'features'``, the snippet features X, or ``'embedding'``, F of
            stage 1's trunk. Networks on X and on F err on different segments.
        min_refined_tiou: The segment loss counts only candidates whose tIoU with a pseudo segment is at least this.
        sampler (dict): Config of ``CandidateSampler``.
        assigner (dict): Config of ``SegmentAssigner``.
        class_loss (dict): Config of ``QualityFocalLoss``, or of another module that is called with the same arguments.
        segment_loss (dict): Config of ``SegmentGIoULoss``, or of another module that is called with the same arguments.
        proposals (dict): Config of the ``ProposalGenerator`` of the proposals to refine: as in stage 1, but with an NMS
            that removes near copies only.
        max_proposals_per_class: At test time, at most this many proposals of each class of a video are refined, those
            with the best scores of stage 1; ``None`` for all. A small number is enough where a class
            seldom occurs twice in a video.
        stage1_power: Exponent a of a detection's score ``s^a p``: s is the score of stage 1, p the score of this head.
        refined_share: How far a detection moves from the proposal (0) to the refined segment (1).
        nms (dict): NMS of the refined segments, as in ``ProposalGenerator``.
        init_cfg: As in ``mmengine.model.BaseModule``.

    Raises:
        InputError: An argument is out of range, or a member has no valid ``inputs``.
    """

    def __init__(
        self,
        num_classes: int,
        members: Sequence[dict],
        min_refined_tiou: float = 0.35,
        sampler: dict = dict(type='CandidateSampler'),
        assigner: dict = dict(type='SegmentAssigner'),
        class_loss: dict = dict(type='QualityFocalLoss', loss_weight=4.0),
        segment_loss: dict = dict(type='SegmentGIoULoss', loss_weight=1.0),
        proposals: dict = dict(type='ProposalGenerator', nms=dict(type='nms', iou_threshold=0.95)),
        max_proposals_per_class: int | None = 500,
        stage1_power: float = 0.5,
        refined_share: float = 1.0,
        nms: dict = dict(type='soft_nms', sigma=0.3, min_score=0.001, max_candidates=1000),
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(proposals, sampler, assigner, nms, init_cfg)
        check_numbers('RefinementHead', 1, whole=True, num_classes=num_classes)
        check_numbers('RefinementHead', 0, 1, min_refined_tiou=min_refined_tiou, refined_share=refined_share)
        check_numbers('RefinementHead', 0, stage1_power=stage1_power)
        limit = dict(max_proposals_per_class=max_proposals_per_class)
        check_numbers('RefinementHead', 1, whole=True, optional=True, **limit)
        self.num_classes = num_classes
        self.inputs, self.members = [], nn.ModuleList()
        for member in members:
            member = dict(member)
            self.inputs.append(member.pop('inputs', 'features'))
            self.members.append(MODELS.build(dict(type='SegmentNetwork', num_classes=num_classes) | member))
        if not self.inputs or set(self.inputs) - {'features', 'embedding'}:
            expected = "at least one member, each with 'features' or 'embedding'"
            raise InputError(expected, field='RefinementHead.members: inputs', found=self.inputs)
        self.min_refined_tiou = min_refined_tiou
        self.class_loss = MODELS.build(class_loss)
        self.segment_loss = MODELS.build(segment_loss)
        self.max_proposals_per_class = max_proposals_per_class
        self.stage1_power = stage1_power
        self.refined_share = refined_share

    def forward(self, batches: dict[str, SnippetBatch], video: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Classify and refine segments.

        Args:
            batches (dict[str, SnippetBatch]): X as ``features`` and F as ``embedding``; what no member takes
                may be missing.
            video (Tensor): ``(N,)`` int64, the video of each segment.
            segments (Tensor): ``(N, 2)`` starts and ends in snippets.

        Returns:
            tuple[Tensor, Tensor]: For each of M members, logits ``(M, N, C)`` and refined segments ``(M, N, 2)`` in
            snippets, both float32.
        """
        found = [member(batches[inputs], video, segments) for inputs, member in zip(self.inputs, self.members)]
        return tuple(torch.stack(part) for part in zip(*found))

    def loss(
        self, batches: dict[str, SnippetBatch], proposals: SegmentBatch, pseudo_segments: SegmentBatch
    ) -> dict[str, Tensor]:
        """Losses of a training batch.

        Args:
            batches (dict[str, SnippetBatch]): As in :meth:`forward`, of B videos.
            proposals (SegmentBatch): Proposals of stage 1. No two proposals of a video have the same start and end.
            pseudo_segments (SegmentBatch): Pseudo segments of labelled instances; their scores are weights in the
                losses.

        Returns:
            dict[str, Tensor]: ``loss_refined_class`` and ``loss_refined_segment``: means over the candidates of a
            video, then over videos.
        """
        batch = batches[self.inputs[0]]

        def assign(video, candidates):
            return self.assigner(video, candidates, pseudo_segments, self.num_classes)

        video, candidates, targets, exists = self.sampler(proposals, pseudo_segments, batch.mask.sum(1), assign)
        logits, refined = self(batches, video, candidates)
        # (S,), one loss for each candidate: the mean over the members.
        on_class = targets.weights * self.class_loss(logits, targets.quality.expand_as(logits)).mean(0)
        on_segment = targets.weights * self.segment_loss(refined, targets.segments.expand_as(refined)).mean(0)
        is_refined = exists & (targets.tiou >= self.min_refined_tiou)
        losses, chosen = torch.stack([on_class, on_segment]), torch.stack([exists, is_refined])
        on_class, on_segment = group_mean(losses, video, len(batch.lengths), chosen).mean(1)
        return dict(loss_refined_class=on_class, loss_refined_segment=on_segment)

    @torch.no_grad()
    def predict(self, batches: dict[str, SnippetBatch], data_samples: list[ActionDataSample]) -> list[ActionDataSample]:
        """Refine the proposals of stage 1.

        Args:
            batches (dict[str, SnippetBatch]): As in :meth:`forward`.
            data_samples (list[ActionDataSample]): With the proposals of stage 1, before NMS, in ``pred_segments``,
                and metainfo ``grid`` and ``duration_sec``.

        Returns:
            list[ActionDataSample]: The same data samples; ``pred_segments`` are the refined segments, best first.
        """
        device = batches[self.inputs[0]].mask.device
        proposals = [self._to_refine(proposals_in_snippets(sample)) for sample in data_samples]
        # A run above a level of 1 - b is a proposal of every detected class, so many proposals share start and end.
        # Therefore, the networks get each distinct segment once. `places` holds for each video its distinct segments
        # (K, 2), and the index (N,) of each proposal's segment among these.
        places = [own.places() for own in proposals]
        batch = SegmentBatch.join([SegmentBatch.of_video(distinct) for distinct, _ in places], device)
        logits, refined = self(batches, batch.video, batch.segments)
        class_scores = logits.sigmoid().mean(0).cpu().split(batch.counts)
        refined = torch.lerp(batch.segments, refined.mean(0), self.refined_share).cpu().split(batch.counts)
        for sample, own, (_, place), scores, segments in zip(data_samples, proposals, places, class_scores, refined):
            scores = own.scores.clamp(min=_MIN_SCORE) ** self.stage1_power * scores[place, own.labels]
            parts = (part.numpy() for part in (segments[place], scores, own.labels))
            sample.pred_segments = self.to_detections(sample, *parts)
        return data_samples

    def _to_refine(self, proposals):
        """Select the proposals of a video to refine; a :class:`SegmentBatch`, best first, as the proposals are."""
        if self.max_proposals_per_class is None:
            return proposals
        by_class = proposals.labels.argsort(stable=True)
        labels = proposals.labels[by_class]
        rank = torch.arange(len(labels)) - torch.searchsorted(labels, labels)  # rank in the class, 0 for the best
        return proposals[by_class[rank < self.max_proposals_per_class].sort().values]
