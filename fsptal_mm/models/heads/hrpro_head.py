"""Stage 1 of HR-Pro.

Paper: Zhang et al., "HR-Pro: Point-supervised Temporal Action Localization via Hierarchical Reliability Propagation",
AAAI 2024. Constants are those of its public code (github.com/pipixin321/HR-Pro).
"""

from typing import Any

import torch
from mmaction.registry import MODELS, TASK_UTILS
from mmaction.structures import ActionDataSample
from torch import Tensor

from fsptal_mm.models.evaluation_mode import evaluation_mode
from fsptal_mm.structures import PointTargets, SnippetBatch
from fsptal_mm.utils.errors import InputError, check_numbers

from .prototype_memory import PrototypeMemory, prototype_contrast
from .reliability_encoder import ReliabilityEncoder
from .snippet_head import SnippetHead, SnippetScores


@MODELS.register_module()
class HRProHead(SnippetHead):
    """Head with the loss ``0.5 L_point + L_background + L_contrast``; snippets attend to each other and to prototypes.

    A memory holds one prototype, a mean feature, for each class. L_contrast (:func:`.prototype_contrast`) draws action
    seeds to the prototype of their class. Seeds (given and mined labels), point losses and scores are those of LACP;
    there is no video-level loss. ``PrototypeHook`` fills the memory before the first epoch.

    Args:
        num_classes: Number of classes, C.
        in_channels: Dimension of F.
        dropout: Rate of dropout before the classifier.
        topk_divisor: As in :class:`SnippetHead`.
        encoder (dict): Arguments of ``ReliabilityEncoder`` besides the channels.
        momentum: As in ``PrototypeMemory``.
        memory_update: When the videos of a training batch move the prototypes. ``'batch'``, the default: after all of
            them, so that each video sees the memory as it was before the batch. ``'video'``, as in the public code:
            each video sees the memory that the videos before it in the batch have moved. Videos are then computed one
            after the other, which is slower.
        point_loss (dict): Config of ``LACPPointLoss``.
        miner (dict): Config of ``LACPSeedMiner``.
        temperature: Divides the cosines of L_contrast.
        contrast_weight: Weight of L_contrast.
        tokens: How prototypes become the tokens of the encoder. ``'rows'``: each prototype is a token.
            ``'scrambled'``: token j holds the numbers j, j + C, j + 2 C ... of all prototypes laid end to end, as in
            the public code, which reshapes in the wrong order.
        seeds: Scores from which seeds are mined. ``'live'``: the scores of the training step, with dropout, as in the
            public code. ``'clean'``: scores without dropout, for one more forward pass.
        proposals (dict): Config of ``ProposalGenerator``.
        init_cfg: As in ``mmengine.model.BaseModule``.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        dropout: float = 0.7,
        topk_divisor: float = 8,
        encoder: dict[str, Any] = dict(),
        momentum: float = 0.001,
        memory_update: str = 'batch',
        point_loss: dict[str, Any] = dict(type='LACPPointLoss'),
        miner: dict[str, Any] = dict(type='LACPSeedMiner'),
        temperature: float = 0.1,
        contrast_weight: float = 1.0,
        tokens: str = 'rows',
        seeds: str = 'live',
        proposals: dict[str, Any] = dict(type='ProposalGenerator'),
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            num_classes, in_channels, dropout, topk_divisor=topk_divisor, proposals=proposals, init_cfg=init_cfg
        )
        check_numbers('HRProHead', 1e-6, temperature=temperature)
        check_numbers('HRProHead', 0, contrast_weight=contrast_weight)
        for name, value, known in (
            ('tokens', tokens, ('rows', 'scrambled')),
            ('seeds', seeds, ('live', 'clean')),
            ('memory_update', memory_update, ('batch', 'video')),
        ):
            if value not in known:
                raise InputError(f'one of {known}', field=f'HRProHead.{name}', found=value)
        self.memory_update = memory_update
        self.memory = PrototypeMemory(num_classes, in_channels, momentum)
        self.encoder = ReliabilityEncoder(in_channels, **encoder)
        self.point_loss = MODELS.build(point_loss)
        self.miner = TASK_UTILS.build(miner)
        self.temperature = temperature
        self.contrast_weight = contrast_weight
        self.tokens = tokens
        self.seeds = seeds

    def encode(self, batch: SnippetBatch) -> SnippetBatch:
        """Embed F with attention to the prototypes; ``(R, D)`` rows in and out."""
        features, tokens = self.classified_features(batch), self.memory.prototypes
        if self.tokens == 'scrambled':
            tokens = tokens.reshape(-1, self.num_classes).t()
        return self.encoder(batch.with_features(features), tokens)

    def forward(self, batch: SnippetBatch) -> Tensor:
        """Compute class activations M, ``(R, C + 1)`` rows, background last; ``batch`` holds F."""
        return self.classify(self.encode(batch))

    def classify(self, encoded: SnippetBatch) -> Tensor:
        """Class activations M ``(R, C + 1)`` of the rows that :meth:`encode` returns."""
        return self.classifier(self.dropout(encoded.features))

    def loss(self, batch: SnippetBatch, data_samples: list[ActionDataSample]) -> dict[str, Tensor]:
        """Losses of a training batch. In training mode, the prototype memory is updated, see ``memory_update``.

        Args:
            batch (SnippetBatch): Embedded features F.
            data_samples (list[ActionDataSample]): See :meth:`.PointTargets.from_samples`.

        Returns:
            dict[str, Tensor]: ``loss_point_action``, ``loss_point_background`` and ``loss_contrast``.
        """
        if self.memory_update == 'batch' or not self.training:
            losses = self._step(batch, data_samples)
        else:
            videos = (SnippetBatch.from_videos([rows], batch.gap) for rows in batch.split(batch.features))
            steps = [self._step(video, [sample]) for video, sample in zip(videos, data_samples)]
            losses = {name: torch.stack([step[name] for step in steps]).mean() for name in steps[0]}
        if self.training:
            self.memory.average()
        return losses

    def _step(self, batch, data_samples):
        """Losses of videos that see the same memory; in training mode, the videos move it afterwards."""
        given = PointTargets.from_samples(data_samples, batch.mask)
        self.check_classes(given.video_labels)
        encoded = self.encode(batch)
        scores = SnippetScores.from_logits(batch.pad(self.classify(encoded)))
        seeds = self.mine_seeds(scores if self.seeds == 'live' else self.clean_scores(batch), given)
        losses = self.loss_by_feat(scores, encoded, given, seeds)
        if self.training:
            self.memory.update(encoded, seeds)
        return losses

    def loss_by_feat(
        self, scores: SnippetScores, encoded: SnippetBatch, given: PointTargets, seeds: PointTargets
    ) -> dict[str, Tensor]:
        """Losses from scores and features.

        Args:
            scores (SnippetScores): Scores with gradient.
            encoded (SnippetBatch): What :meth:`encode` returned.
            given (PointTargets): Given labels. The point loss takes their points.
            seeds (PointTargets): Given and mined labels. L_contrast takes all of them, the point loss their background.
        """
        labelled = given.with_background(seeds.background_labels)
        losses = self.point_loss(scores.final, scores.background_scores, labelled)
        contrast = prototype_contrast(encoded, self.memory.prototypes, seeds, self.temperature)
        losses['loss_contrast'] = self.contrast_weight * contrast
        return losses

    def mine_seeds(self, scores: SnippetScores, given: PointTargets) -> PointTargets:
        """Mine LACP's action and background seeds from scores."""
        return self.miner(scores.final.detach(), scores.background_scores.detach(), given)

    @torch.no_grad()
    def clean_scores(self, batch: SnippetBatch) -> SnippetScores:
        """Compute scores without dropout and gradient, see :meth:`SnippetHead.clean_scores`."""
        with evaluation_mode(self):
            return SnippetScores.from_logits(batch.pad(self(batch)))

    @torch.no_grad()
    def sum_at_points(
        self, batch: SnippetBatch, data_samples: list[ActionDataSample]
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Sums ``(C, D)`` of encoded features over the points of each class, and their counts ``(C,)``, by video id."""
        given = PointTargets.from_samples(data_samples, batch.mask)
        features = self.encode(batch).features.float()[batch.rows]  # (B, T, D)
        sums, counts = given.labels.float().transpose(1, 2) @ features, given.labels.sum(1)
        return {sample.video_id: pair for sample, *pair in zip(data_samples, sums.cpu(), counts.cpu())}
