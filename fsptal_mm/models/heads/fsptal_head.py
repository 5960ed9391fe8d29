"""FS-PTAL: the base model with pseudo-label mining, score contrast and feature separation (paper: Eq. 15)."""

from collections.abc import Sequence
from typing import Any

import torch
from mmaction.registry import MODELS, TASK_UTILS
from mmaction.structures import ActionDataSample
from torch import Tensor

from fsptal_mm.models.trunks.affinity_embedding import no_embedding_error
from fsptal_mm.structures import PointTargets, SegmentLabels, SnippetBatch
from fsptal_mm.utils.errors import InputError, check_numbers

from .point_tal_head import PointTALHead
from .snippet_head import SnippetScores


@MODELS.register_module()
class FSPTALHead(PointTALHead):
    """Head of FS-PTAL, with the loss ``lambda_1 L_vid + lambda_2 L_point + lambda_3 L_score + lambda_4 L_fs`` (Eq. 15).

    Each lambda is the ``loss_weight`` of its term. The paper's modules: A, label extension, is the transform
    ``ExtendPointLabels``; B, pseudo-label mining, is the ``miner``; C, score contrast, is switched off by
    ``score_loss=None``; D, feature separation, is switched off by ``separation_loss=None``.

    Args:
        num_classes: Number of classes, C.
        in_channels: Dimension of the embedded features F.
        searcher (dict): Config of ``SegmentSearcher``.
        score_loss (dict, optional): Config of ``OICLoss`` (module C).
        separation (dict, optional): Config of a branch behind F, such as ``SeparationBranch``, that makes the embedding
            E in which features are separated. ``None``: the trunk must make E, as ``AffinityEmbedding`` does.
        separation_loss (dict, optional): Config of ``FeatureSeparationLoss`` (module D). With ``None``, the branch
            ``separation`` is not built, either.
        mined_actions: Use of mined action snippets. ``'labels'``: as labels of the point loss (Eq. 5) and as seeds of
            the segment search, as in the paper. ``'seeds'``: only as seeds, as in LACP, because mined snippets score
            high already: as labels they would raise their own scores further, and not those of their neighbours.
        background_margin: If this is a number, a snippet is also labelled as background where its distance from every
            segment that the search has found is larger than this share of the segment's length. Reason: every action
            has a point, so snippets far from the segments around the points are background, even if they look like an
            action.
            ``None``: mined background only, as in the paper. Without module C there is no segment search, and this has
            no effect.
        **kwargs: As in :class:`PointTALHead`.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        searcher: dict = dict(type='SegmentSearcher'),
        score_loss: dict | None = dict(type='OICLoss'),
        separation: dict | None = dict(type='SeparationBranch'),
        separation_loss: dict | None = dict(type='FeatureSeparationLoss'),
        mined_actions: str = 'labels',
        background_margin: float | None = None,
        **kwargs: Any,
    ) -> None:
        if mined_actions not in ('labels', 'seeds'):
            raise InputError("'labels' or 'seeds'", field='FSPTALHead.mined_actions', found=mined_actions)
        check_numbers('FSPTALHead', 0, optional=True, background_margin=background_margin)
        super().__init__(num_classes, in_channels, **kwargs)
        self.searcher = TASK_UTILS.build(searcher)
        self.score_loss = score_loss and MODELS.build(score_loss)
        has_branch = separation and separation_loss
        self.separation = MODELS.build(dict(in_channels=in_channels) | separation) if has_branch else None
        self.separation_loss = separation_loss and MODELS.build(separation_loss)
        self.mined_actions = mined_actions
        self.background_margin = background_margin

    def loss(self, batch: SnippetBatch, data_samples: list[ActionDataSample]) -> dict[str, Tensor]:
        """Losses of a training batch: those of :meth:`PointTALHead.loss`, and those of modules C and D (Eq. 9, 14)."""
        logits = self(batch)
        given, targets, segments = self.mine(batch, data_samples)
        foreground_scores = self.foreground and self.foreground(batch, logits)
        scores = SnippetScores.from_logits(batch.pad(logits))
        points = given.with_background(targets.background_labels)  # given actions, given and mined background
        labelled = points if self.mined_actions == 'seeds' else targets
        losses = self.loss_by_feat(scores, labelled, foreground_scores)
        if self.score_loss:
            losses.update(self.score_loss(scores.final, segments))
        if self.separation_loss:
            # Only given actions: mined ones are too uncertain to be pulled together (Sec. 3.5).
            losses.update(self._separate(batch, points))
        return losses

    def _separate(self, batch, targets):
        """Terms of module D. The host waits once for the device, to learn how many snippets are labelled."""
        chosen, needed = targets.kinds, None
        if self.separation is not None:
            needed = self.separation.needed(targets.is_action | targets.background_labels, batch.mask)
            chosen = torch.cat([chosen, needed[None]])
        counts = chosen.sum(-1).cpu().numpy()  # (2 or 3, B): action, background and, with a branch, needed snippets
        embedding = self.separation_embedding(batch, needed, counts[-1])  # only a branch reads the count
        return self.separation_loss(embedding, targets, counts[:2])

    @property
    def needs_affinity_embedding(self) -> bool:
        """True if the trunk must supply E."""
        return self.separation_loss is not None and self.separation is None

    def separation_embedding(
        self, batch: SnippetBatch, needed: Tensor | None = None, counts: Sequence[int] | None = None
    ) -> SnippetBatch:
        """The embedding E in which module D separates features.

        Args:
            batch (SnippetBatch): F; and E as ``affinity_embedding``, if the trunk makes it.
            needed (Tensor, optional): As in :meth:`.SeparationBranch.forward`; only a branch reads it.
            counts (Sequence[int], optional): As in :meth:`.SeparationBranch.forward`; only a branch reads it.

        Returns:
            SnippetBatch: E, ``(R, D_e)`` rows.

        Raises:
            InputError: Neither a branch nor the trunk makes E.
        """
        if self.separation is not None:
            return self.separation(batch, needed, counts)
        if batch.affinity_embedding is None:
            raise no_embedding_error()
        return batch.with_features(batch.affinity_embedding)

    def mine(
        self, batch: SnippetBatch, data_samples: list[ActionDataSample], scores: SnippetScores | None = None
    ) -> tuple[PointTargets, PointTargets, SegmentLabels | None]:
        """Labels to train on, as in :meth:`PointTALHead.mine`, but ``background_margin`` adds background labels."""
        given, targets, segments = super().mine(batch, data_samples, scores)
        if segments is not None and self.background_margin is not None:
            away = segments.away_from_actions(targets.mask, self.background_margin) & ~given.is_action
            targets = targets.with_background(targets.background_labels | away)
        return given, targets, segments

    def search(self, scores: Tensor, targets: PointTargets) -> SegmentLabels | None:
        """Search segments, as in :meth:`PointTALHead.search`; None if module C is off."""
        return self.score_loss and self.searcher(scores, targets)
