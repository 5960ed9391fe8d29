"""Several heads of one kind whose snippet scores are averaged."""

from dataclasses import fields
from typing import Any

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.model import BaseModule
from torch import Tensor, nn

from fsptal_mm.models.task_modules import ProposalGenerator
from fsptal_mm.structures import PointTargets, SegmentLabels, SnippetBatch, VideoLabels
from fsptal_mm.utils.errors import InputError, check_numbers

from .point_tal_head import PointTALHead
from .snippet_head import SnippetHead, SnippetScores


@MODELS.register_module()
class EnsembleHead(BaseModule):
    """Ensemble of heads that are trained at the same time, each on its own part of F.

    A trunk of one convolution with M times as many channels is M trunks side by side, so M members are M models that
    differ in their initial weights and their dropout. Each member mines its own labels and has its own losses. Actions
    are detected from the mean of the members' snippet scores, which is less noisy than the scores of one member.

    Args:
        member: Type of the heads, such as ``'FSPTALHead'``: :class:`.PointTALHead` or a class derived from it.
        num_members: Number of heads, M. The trunk needs M times the ``in_channels`` of a member as ``out_channels``.
        init_cfg: As in ``mmengine.model.BaseModule``.
        **kwargs: Arguments of every member.

    Raises:
        InputError: ``num_members`` is no whole number >= 1, or ``member`` is no :class:`.PointTALHead`.
    """

    supervision = 'points'

    def __init__(
        self, member: str, num_members: int = 2, init_cfg: dict | list[dict] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(init_cfg)
        check_numbers('EnsembleHead', 1, whole=True, num_members=num_members)
        self.members = nn.ModuleList(MODELS.build(dict(type=member, **kwargs)) for _ in range(num_members))
        if not isinstance(self.members[0], PointTALHead):
            expected = 'a head that learns from points, such as FSPTALHead'
            raise InputError(expected, field='EnsembleHead.member', found=member)

    @property
    def num_classes(self) -> int:
        """Number of classes, C."""
        return self.members[0].num_classes

    @property
    def proposals(self) -> ProposalGenerator:
        """Generator that makes proposals of the averaged scores."""
        return self.members[0].proposals

    @property
    def needs_affinity_embedding(self) -> bool:
        """True if the trunk must supply E, which all members share."""
        return getattr(self.members[0], 'needs_affinity_embedding', False)

    def parts(self, batch: SnippetBatch) -> list[SnippetBatch]:
        """Part of F ``(R, M D')`` that each of the M members takes, ``(R, D')``.

        Raises:
            InputError: F has another number of channels.
        """
        channels = self.members[0].in_channels
        if batch.features.shape[1] != len(self.members) * channels:
            expected = f'{len(self.members)} members x {channels} channels'
            raise InputError(expected, field='model.embedding.out_channels', found=batch.features.shape[1])
        return [batch.with_features(part) for part in batch.features.split(channels, 1)]

    def forward(self, batch: SnippetBatch) -> Tensor:
        """Compute the mean of the members' class activations, ``(R, C + 1)`` rows, background last."""
        return torch.stack([head(part) for head, part in zip(self.members, self.parts(batch))]).mean(0)

    def train_on(self, labels: str | dict[str, VideoLabels]) -> None:
        """Set the labels that all members train on from now on, see :meth:`.PointTALHead.train_on`."""
        for head in self.members:
            head.train_on(labels)

    def loss(self, batch: SnippetBatch, data_samples: list[ActionDataSample]) -> dict[str, Tensor]:
        """Mean of the members' losses of a training batch, one scalar per term; see :meth:`.PointTALHead.loss`."""
        losses = [head.loss(part, data_samples) for head, part in zip(self.members, self.parts(batch))]
        return {name: torch.stack([own[name] for own in losses]).mean() for name in losses[0]}

    def mine(
        self, batch: SnippetBatch, data_samples: list[ActionDataSample]
    ) -> tuple[PointTargets, PointTargets, SegmentLabels | None]:
        """Labels as :meth:`.PointTALHead.mine` returns them, mined from the averaged scores.

        They are for figures and files: in training, each member mines from its own scores.
        """
        return self.members[0].mine(batch, data_samples, self.clean_scores(batch))

    def clean_scores(self, batch: SnippetBatch) -> SnippetScores:
        """Mean of the members' scores without dropout and gradient, see :meth:`.SnippetHead.clean_scores`."""
        return _mean([head.clean_scores(part) for head, part in zip(self.members, self.parts(batch))])

    def predict_scores(self, batch: SnippetBatch) -> SnippetScores:
        """Mean of the members' scores in evaluation mode, see :meth:`.SnippetHead.predict_scores`."""
        return _mean([head.predict_scores(part) for head, part in zip(self.members, self.parts(batch))])

    predict = SnippetHead.predict  # from the scores of `predict_scores`

    def predict_by_feat(self, *args: Any, **kwargs: Any) -> list[ActionDataSample]:
        """Make proposals from the averaged scores, see :meth:`.SnippetHead.predict_by_feat`."""
        return self.members[0].predict_by_feat(*args, **kwargs)


def _mean(scores):
    """Mean of several :class:`.SnippetScores`."""
    columns = ([getattr(own, field.name) for own in scores] for field in fields(SnippetScores))
    return SnippetScores(*(None if column[0] is None else torch.stack(column).mean(0) for column in columns))
