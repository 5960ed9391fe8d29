"""Base class of the heads that classify snippets: it gives scores, and proposals that are made from the scores."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from mmaction.registry import TASK_UTILS
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from fsptal_mm.models.directions import CosineLinear, directions
from fsptal_mm.models.losses import pool_video_scores
from fsptal_mm.models.task_modules import ProposalGenerator
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError, check_flags, check_numbers


@dataclass(frozen=True)
class SnippetScores:
    """Snippet scores of a batch, padded to the longest video.

    Attributes:
        classes: ``(B, T, C)``, class scores q.
        background_scores: ``(B, T)``, background scores b.
        final: ``(B, T, C)``, final scores q-hat = q (1 - b).
        videos: ``(B, C)``, video-level scores Q_v, if a head computes them; ``None``: to be pooled from ``classes``.
    """

    classes: Tensor
    background_scores: Tensor
    final: Tensor
    videos: Tensor | None = None

    @classmethod
    def from_logits(cls, logits: Tensor) -> 'SnippetScores':
        """Scores from padded class activations M ``(B, T, C + 1)``, background last; always float32."""
        scores = logits.float().sigmoid()
        classes, background = scores.split([scores.shape[-1] - 1, 1], -1)
        return cls(classes, background.squeeze(-1), classes * (1 - background))


class SnippetHead(BaseModule):
    """Snippet classifier that makes proposals at test time. The head of a method adds ``loss(batch, data_samples)``.

    A head with another network overrides :meth:`forward` and :meth:`clean_scores`. A head whose scores are not sigmoids
    of the class activations M overrides :meth:`predict_scores`, too.

    Args:
        num_classes: Number of classes, C.
        in_channels: Dimension of the embedded features F.
        dropout: Rate of dropout on F before the classifier.
        cosine: Classify ``F / |F|``, by ``CosineLinear``, and not F itself, because the length of features differs more
            from video to video than their direction.
        topk_divisor: At test time, the score of a class in a video of T snippets is the mean of its
            ``max(1, T // topk_divisor)`` largest snippet scores; any number >= 1. Losses have a divisor of their own.
        proposals (dict): Config of ``ProposalGenerator``.
        init_cfg: As in ``mmengine.model.BaseModule``.

    Attributes:
        supervision (str): Labels that the losses of the head need: ``'points'``, ``'clicks'`` (background clicks), or
            ``'video labels'``.
    """

    supervision = 'points'

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        dropout: float = 0.7,
        cosine: bool = False,
        topk_divisor: float = 8,
        proposals: dict[str, Any] = dict(type='ProposalGenerator'),
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        owner = type(self).__name__
        check_numbers(owner, 1, whole=True, num_classes=num_classes, in_channels=in_channels)
        check_numbers(owner, 1, topk_divisor=topk_divisor)
        check_numbers(owner, 0, 1, dropout=dropout)
        check_flags(owner, cosine=cosine)
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.dropout = nn.Dropout(dropout)
        self.cosine = cosine
        self.topk_divisor = topk_divisor
        classifier = CosineLinear if cosine else partial(nn.Linear, bias=False)
        self.classifier = classifier(in_channels, num_classes + 1)
        self.proposals = TASK_UTILS.build(proposals)

    def forward(self, batch: SnippetBatch) -> Tensor:
        """Compute class activations M, ``(R, C + 1)`` rows, background last; ``batch`` holds F."""
        return self.classifier(self.dropout(self.classified_features(batch)))

    def classified_features(self, batch: SnippetBatch) -> Tensor:
        """Input ``(R, D)`` of the classifier, before dropout: F, or ``F / |F|`` if ``cosine`` is on.

        Raises:
            InputError: The dimension of F is not ``in_channels``.
        """
        if batch.features.shape[1] != self.in_channels:
            expected = f'{batch.features.shape[1]}, the dimension of the embedded features'
            raise InputError(expected, field='model.head.in_channels', found=self.in_channels)
        return directions(batch.features) if self.cosine else batch.features

    def check_classes(self, video_labels: Tensor) -> None:
        """Make sure that labels ``(B, C)`` of the dataset and the head have the same number of classes.

        Raises:
            InputError: The numbers differ.
        """
        if video_labels.shape[1] != self.num_classes:
            expected = f'{video_labels.shape[1]}, the number of classes of the dataset'
            raise InputError(expected, field='model.head.num_classes', found=self.num_classes)

    @torch.no_grad()
    def clean_scores(self, batch: SnippetBatch) -> SnippetScores:
        """:class:`SnippetScores` without dropout and without gradient, from which labels are mined."""
        return SnippetScores.from_logits(batch.pad(self.classifier(self.classified_features(batch))))

    def predict_scores(self, batch: SnippetBatch) -> SnippetScores:
        """:class:`SnippetScores` of a model in evaluation mode, from which actions are detected."""
        return SnippetScores.from_logits(batch.pad(self(batch)))

    def predict(
        self,
        batch: SnippetBatch,
        data_samples: list[ActionDataSample],
        proposals: ProposalGenerator | None = None,
    ) -> list[ActionDataSample]:
        """Detect the actions of a batch; see :meth:`predict_by_feat`."""
        return self.predict_by_feat(self.predict_scores(batch), batch.mask, data_samples, proposals)

    def predict_by_feat(
        self,
        scores: SnippetScores,
        mask: Tensor,
        data_samples: list[ActionDataSample],
        proposals: ProposalGenerator | None = None,
    ) -> list[ActionDataSample]:
        """Make proposals from scores.

        Args:
            scores (SnippetScores): Scores without dropout.
            mask (Tensor): ``(B, T)`` bool.
            data_samples (list[ActionDataSample]): With metainfo ``num_snippets``, ``grid`` and ``duration_sec``.
            proposals (ProposalGenerator, optional): Used in place of the head's own generator, for a second stage.

        Returns:
            list[ActionDataSample]: The data samples, with ``pred_segments``, an InstanceData of
            ``segments_sec (N, 2)``, ``scores (N,)`` and ``labels (N,)``; with ``pred_scores (C,)``, the video-level
            scores; and with ``snippet_scores (T, C)``, the final scores q-hat.
        """
        video_scores = scores.videos
        if video_scores is None:
            video_scores = pool_video_scores(scores.classes, mask, self.topk_divisor)
        propose = proposals or self.proposals
        for video, sample in enumerate(data_samples):
            snippet_scores = scores.final[video, : sample.num_snippets]
            segments = propose(
                snippet_scores,
                scores.background_scores[video, : sample.num_snippets],
                video_scores[video],
                sample.grid,
                sample.duration_sec,
            )
            sample.pred_segments = InstanceData(**segments)
            sample.pred_scores = video_scores[video]
            sample.snippet_scores = snippet_scores
        return data_samples
