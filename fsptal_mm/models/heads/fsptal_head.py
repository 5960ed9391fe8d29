"""FS-PTAL: the base model with pseudo-label mining, score contrast and feature separation (method: Eq. 15)."""

from mmaction.registry import MODELS, TASK_UTILS

from fsptal_mm.structures import PointTargets

from .point_tal_head import PointTALHead, SnippetScores


@MODELS.register_module()
class FSPTALHead(PointTALHead):
    """``lambda_1 L_vid + lambda_2 L_point + lambda_3 L_score + lambda_4 L_fs`` (Eq. 15).

    Each lambda is the ``loss_weight`` of its term. Module A is a transform (``ExtendPointLabels``) and module B the
    ``miner``; C and D are switched off by ``None``.

    Args:
        num_classes: C.
        in_channels: Dimension of the embedded features F.
        searcher (dict): Config of ``SegmentSearcher``.
        score_loss (dict, optional): Config of ``OICLoss`` (module C).
        separation (dict, optional): Config of the embedding in which features are separated, ``SeparationBranch``
            (module D).
        separation_loss (dict): Config of ``FeatureSeparationLoss``.
        **kwargs: As in :class:`PointTALHead`.
    """

    def __init__(
        self,
        num_classes,
        in_channels,
        searcher=dict(type='SegmentSearcher'),
        score_loss=dict(type='OICLoss'),
        separation=dict(type='SeparationBranch'),
        separation_loss=dict(type='FeatureSeparationLoss'),
        **kwargs,
    ):
        super().__init__(num_classes, in_channels, **kwargs)
        self.searcher = TASK_UTILS.build(searcher)
        self.score_loss = score_loss and MODELS.build(score_loss)
        self.separation = separation and MODELS.build(dict(in_channels=in_channels) | separation)
        self.separation_loss = separation and MODELS.build(separation_loss)

    def loss(self, batch, data_samples):
        """See :meth:`PointTALHead.loss`; adds the terms of modules C (Eq. 9) and D (Eq. 14)."""
        logits = self(batch)
        clean = self.clean_scores(batch)
        given = PointTargets.from_samples(data_samples, batch.mask)
        targets = self.miner(clean.final, clean.background, given)
        foreground_scores = self.foreground and self.foreground(batch, logits)
        scores = SnippetScores.from_logits(batch.pad(logits))
        losses = self.loss_by_feat(scores, targets, foreground_scores)
        if self.score_loss:
            losses.update(self.score_loss(scores.final, self.searcher(clean.final, targets)))
        if self.separation:
            # Of the actions only the points: mined ones are too uncertain to be pulled together (Sec. 3.5).
            losses.update(self.separation_loss(self.separation(batch), given.labels, targets.background))
        return losses
