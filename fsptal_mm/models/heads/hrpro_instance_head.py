"""HR-Pro's own second stage (Zhang et al., AAAI 2024): completeness and boundaries of whole proposals."""

from dataclasses import replace

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor
from torch.nn import functional as F

from fsptal_mm.models.segment_network import ContrastSegmentNetwork
from fsptal_mm.structures import SegmentBatch, SnippetBatch, paired_tiou
from fsptal_mm.utils.errors import check_numbers

from .second_stage import SecondStage, proposals_in_snippets

_MAX_AT_ONCE = 1024  # largest number of proposals that a test pools at once, to limit memory


@MODELS.register_module()
class HRProInstanceHead(SecondStage):
    """Stage 2 of HR-Pro: the tIoU of each proposal with the best pseudo segment of any class, and better boundaries.

    A proposal and its refined segment are both detections. The score of each is the score of the proposal in stage 1
    plus the predicted tIoU. The network reads the snippet features X.

    Args:
        in_channels: Dimension D of X.
        dropout: Rate of dropout behind the first layer of the network that gives the completeness.
        min_tiou: Proposals whose tIoU with a pseudo segment is at least this are trained to move to it. In the
            completeness loss, all proposals below it together weigh at most as much as those above.
        completeness_weight: Factor of the completeness loss.
        regression_weight: Factor of the loss of the boundaries.
        sampler (dict): Config of ``CandidateSampler``, which draws the segments to train on.
        assigner (dict): Config of ``SegmentAssigner``, which gives the drawn segments their targets.
        proposals (dict): Config of the ``ProposalGenerator`` of the proposals to refine.
        nms (dict): NMS of proposals and refined segments, as in ``ProposalGenerator``.
        init_cfg: As in ``mmengine.model.BaseModule``.

    Raises:
        InputError: ``min_tiou`` is not from 0 to 1, or a weight is negative.
    """

    def __init__(
        self,
        in_channels: int,
        dropout: float = 0.7,
        min_tiou: float = 0.3,
        completeness_weight: float = 1.0,
        regression_weight: float = 1.0,
        sampler: dict = dict(type='CandidateSampler', num_per_range=500, tiou_edges=(0.3,), num_jittered=0),
        assigner: dict = dict(type='SegmentAssigner'),
        proposals: dict = dict(type='ProposalGenerator', nms=dict(type='nms', iou_threshold=1.0)),
        nms: dict = dict(type='soft_nms', sigma=0.3, min_score=0.001),
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(proposals, sampler, assigner, nms, init_cfg)
        check_numbers('HRProInstanceHead', 0, 1, min_tiou=min_tiou)
        weights = dict(completeness_weight=completeness_weight, regression_weight=regression_weight)
        check_numbers('HRProInstanceHead', 0, **weights)
        self.min_tiou = min_tiou
        self.completeness_weight = completeness_weight
        self.regression_weight = regression_weight
        self.network = ContrastSegmentNetwork(1, in_channels, dropout)

    def forward(self, batch: SnippetBatch, video: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Predict the completeness of segments, and refine them.

        Args:
            batch (SnippetBatch): X, ``(R, D)`` rows.
            video (Tensor): ``(N,)`` int64, the video of each segment.
            segments (Tensor): ``(N, 2)`` starts and ends in snippets.

        Returns:
            tuple[Tensor, Tensor]: Completeness ``(N,)``, the predicted tIoU in (0, 1), and refined segments ``(N, 2)``
            in snippets, both float32.
        """
        logits, refined = self.network(batch, video, segments)
        return logits[:, 0].sigmoid(), refined

    def loss(
        self, batches: dict[str, SnippetBatch], proposals: SegmentBatch, pseudo_segments: SegmentBatch
    ) -> dict[str, Tensor]:
        """Losses of a training batch.

        Args:
            batches (dict[str, SnippetBatch]): X as ``features``, of B videos.
            proposals (SegmentBatch): Proposals of stage 1. No two proposals of a video have the same start and end.
            pseudo_segments (SegmentBatch): Pseudo segments; neither their classes nor their weights are read.

        Returns:
            dict[str, Tensor]: ``loss_completeness`` and ``loss_boundaries``: means over the candidates of a video, then
            over videos.
        """
        batch = batches['features']
        of_any_class = replace(pseudo_segments, labels=torch.zeros_like(pseudo_segments.labels))

        def assign(video, candidates):
            return self.assigner(video, candidates, of_any_class, 1)

        video, candidates, targets, exists = self.sampler(proposals, of_any_class, batch.mask.sum(1), assign)
        completeness, refined = self(batch, video, candidates)
        high = (exists & (targets.tiou >= self.min_tiou)).float()
        low = exists.float() - high
        of_completeness = F.smooth_l1_loss(completeness, targets.tiou, reduction='none')
        of_boundaries = F.smooth_l1_loss(paired_tiou(refined, targets.segments), high, reduction='none')
        parts = torch.stack([high * of_completeness, low * of_completeness, high * of_boundaries, high, low])
        sums = parts.new_zeros(5, len(batch.lengths)).index_add(1, video, parts)  # over the candidates of each video
        high_loss, low_loss, boundary_loss, num_high, num_low = sums
        # Candidates whose tIoU reaches `min_tiou` are high, the others low. The public code draws as many low ones as
        # there are high ones. This is the mean over such draws.
        share = (num_high / num_low.clamp(min=1)).clamp(max=1)
        on_completeness = (high_loss + share * low_loss) / (num_high + share * num_low).clamp(min=1)
        on_boundaries = boundary_loss / num_high.clamp(min=1)
        return dict(
            loss_completeness=self.completeness_weight * on_completeness.mean(),
            loss_boundaries=self.regression_weight * on_boundaries.mean(),
        )

    @torch.no_grad()
    def predict(self, batches: dict[str, SnippetBatch], data_samples: list[ActionDataSample]) -> list[ActionDataSample]:
        """Predict the completeness of the proposals of stage 1, refine them, and predict that of the refined segments.

        Args:
            batches (dict[str, SnippetBatch]): X as ``features``.
            data_samples (list[ActionDataSample]): With the proposals of stage 1, before NMS, in ``pred_segments``,
                and metainfo ``grid`` and ``duration_sec``.

        Returns:
            list[ActionDataSample]: The same data samples; ``pred_segments`` are proposals and refined segments, best
            first.
        """
        batch = batches['features']
        proposals = [proposals_in_snippets(sample) for sample in data_samples]
        places = [own.places() for own in proposals]  # proposals of different classes may share start and end
        every = SegmentBatch.join([SegmentBatch.of_video(distinct) for distinct, _ in places], batch.mask.device)
        parts = zip(every.video.split(_MAX_AT_ONCE), every.segments.split(_MAX_AT_ONCE))
        rated = zip(*(self._rate_twice(batch, *part) for part in parts))
        first, second, refined = (torch.cat(part).cpu().split(every.counts) for part in rated)
        for sample, own, (_, place), *rated in zip(data_samples, proposals, places, first, second, refined):
            once, again, moved = (part[place] for part in rated)
            segments, labels = torch.cat([own.segments, moved]), torch.cat([own.labels, own.labels])
            scores = torch.cat([own.scores + once, own.scores + again])
            sample.pred_segments = self.to_detections(sample, segments.numpy(), scores.numpy(), labels.numpy())
        return data_samples

    def _rate_twice(self, batch, video, segments):
        """Completeness of segments ``(N, 2)``, completeness of their refined segments, and the refined segments."""
        first, refined = self(batch, video, segments)
        # A segment whose refined end lies before its start is no detection; it is pooled as if it had no length.
        second, _ = self(batch, video, torch.cat([refined[:, :1], torch.maximum(*refined.split(1, 1))], 1))
        return first, second, refined
