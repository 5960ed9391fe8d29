"""Head of the base model, to which the paper adds its modules A-D (paper: Sec. 3.2 and 3.3)."""

from typing import Any

from mmaction.registry import MODELS, TASK_UTILS
from mmaction.structures import ActionDataSample
from torch import Tensor

from fsptal_mm.models.task_modules import PseudoLabelMiner
from fsptal_mm.structures import PointTargets, SegmentLabels, SnippetBatch, VideoLabels
from fsptal_mm.utils.errors import InputError

from .snippet_head import SnippetHead, SnippetScores

_WITHOUT_MODULE_B = PseudoLabelMiner(background_threshold=None, action_threshold=None)


@MODELS.register_module()
class PointTALHead(SnippetHead):
    """Snippet classifier with a video-level loss, and a point-level loss on points and mined labels.

    Args:
        *args: As in :class:`SnippetHead`.
        foreground (dict, optional): Config of a branch for Q_f such as ``ForegroundBranch``; ``None`` leaves
            ``L_fore`` (Eq. 2) out.
        video_loss (dict): Config of ``VideoLevelLoss``, or of another module that is called with the same arguments.
        point_loss (dict): Config of ``PointFocalLoss``, or of another module that is called with the same arguments.
        miner (dict): Config of ``PseudoLabelMiner``.
        **kwargs: As in :class:`SnippetHead`.
    """

    uses_foreground = True  # whether a loss of the head takes Q_f

    def __init__(
        self,
        *args: Any,
        foreground: dict[str, Any] | None = None,
        video_loss: dict[str, Any] = dict(type='VideoLevelLoss'),
        point_loss: dict[str, Any] = dict(type='PointFocalLoss'),
        miner: dict[str, Any] = dict(type='PseudoLabelMiner'),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if foreground and not self.uses_foreground:
            field = f'{type(self).__name__}.foreground'
            raise InputError('None, since no loss of this head uses it', field=field, found=foreground)
        self.foreground = foreground and MODELS.build(dict(in_channels=self.in_channels) | foreground)
        self.video_loss = MODELS.build(video_loss)
        self.point_loss = MODELS.build(point_loss)
        self.miner = TASK_UTILS.build(miner)
        self.train_on('mined')

    def train_on(self, labels: str | dict[str, VideoLabels]) -> None:
        """Set the labels that the head trains on from now on and that :meth:`mine` returns.

        Args:
            labels (str | dict[str, VideoLabels]): ``'mined'``: labels mined anew at every step; this is the default.
                ``'points'``: the given points, and the snippet of the highest background score in each interval
                between points, as with module B (mining) switched off. A dict: the labels of a mining pass, by
                video id.
        """
        assert isinstance(labels, dict) or labels in ('mined', 'points'), labels
        self._training_labels = labels

    def loss(self, batch: SnippetBatch, data_samples: list[ActionDataSample]) -> dict[str, Tensor]:
        """Losses of a training batch.

        Args:
            batch (SnippetBatch): Embedded features F.
            data_samples (list[ActionDataSample]): See :meth:`.PointTargets.from_samples`.

        Returns:
            dict[str, Tensor]: One scalar per term.
        """
        logits = self(batch)
        _, targets, _ = self.mine(batch, data_samples)
        foreground_scores = self.foreground and self.foreground(batch, logits)
        return self.loss_by_feat(SnippetScores.from_logits(batch.pad(logits)), targets, foreground_scores)

    def mine(
        self, batch: SnippetBatch, data_samples: list[ActionDataSample], scores: SnippetScores | None = None
    ) -> tuple[PointTargets, PointTargets, SegmentLabels | None]:
        """Labels to train on: mined from scores without dropout, or as :meth:`train_on` has set them.

        Args:
            batch (SnippetBatch): Embedded features F.
            data_samples (list[ActionDataSample]): See :meth:`.PointTargets.from_samples`.
            scores (SnippetScores, optional): Scores to mine from. Default: scores of the batch without dropout.

        Returns:
            tuple: The given labels, as :class:`.PointTargets`; the given and mined labels, as :class:`.PointTargets`;
            and the segments that :meth:`search` finds.

        Raises:
            InputError: Labels and head have different numbers of classes.
        """
        given = PointTargets.from_samples(data_samples, batch.mask)
        self.check_classes(given.video_labels)
        if isinstance(self._training_labels, dict):
            return given, *VideoLabels.to_batch(self._training_labels, data_samples, batch.mask)
        clean = self.clean_scores(batch) if scores is None else scores
        miner = self.miner if self._training_labels == 'mined' else _WITHOUT_MODULE_B
        targets = miner(clean.final, clean.background_scores, given)
        return given, targets, self.search(clean.final, targets)

    def search(self, scores: Tensor, targets: PointTargets) -> SegmentLabels | None:
        """Search segments that agree with given and mined labels, by q-hat ``(B, T, C)``; this head searches none."""
        return None

    def loss_by_feat(
        self, scores: SnippetScores, targets: PointTargets, foreground_scores: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Losses from scores.

        Args:
            scores (SnippetScores): Scores with gradient.
            targets (PointTargets): Given and mined labels.
            foreground_scores (Tensor, optional): ``(B, C + 1)``, Q_f.
        """
        losses = self.video_loss(
            scores.classes, scores.background_scores, targets.mask, targets.video_labels, foreground_scores
        )
        losses.update(self.point_loss(scores.final, scores.background_scores, targets))
        return losses
