"""SF-Net (Ma et al., "SF-Net: Single-Frame Supervision for Temporal Action Localization", ECCV 2020).

Losses and constants are those of its public code (github.com/Flowerfan/SF-Net). Symbols: z are class logits with
background last, a actionness logits, A the labelled snippets of the batch, N its mined background snippets.
"""

from typing import Any

import torch
from mmaction.registry import MODELS, TASK_UTILS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.models.evaluation_mode import evaluation_mode
from fsptal_mm.models.losses import pool_video_scores
from fsptal_mm.models.trunks.snippet_embedding import PackedConv1d
from fsptal_mm.structures import PointTargets, SnippetBatch, VideoLabels
from fsptal_mm.utils.errors import InputError, check_numbers

from .snippet_head import SnippetHead, SnippetScores

_NEGATIVES = ('background', 'last', 'hard')
_SCORES = ('probabilities', 'logits')
_ACTIONNESS_WEIGHT = 2  # weight of the actionness a in the scores z + 2 a
_EPS = 1e-3  # added to 1 - sigmoid(a) before the logarithm, as in the public code


class _Stream(nn.Module):
    """Networks of one feature stream: a class branch that sees one snippet, an actionness branch that sees five."""

    def __init__(self, channels, num_classes, dropout):
        super().__init__()
        self.classes = nn.Sequential(
            nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, channels), nn.ReLU(), nn.Dropout(dropout)
        )
        self.classifier = nn.Linear(channels, num_classes + 1)
        self.actions = nn.ModuleList([PackedConv1d(channels, channels, 3) for _ in range(2)])
        self.actionness = nn.Linear(channels, 1)
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv1d)):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def forward(self, batch):
        """Logits z ``(R, C + 1)`` and a ``(R, 1)``."""
        logits, rows = self.classifier(self.classes(batch.features)), batch.features
        for conv in self.actions:
            rows = F.relu(conv(batch.with_features(rows)))
        return logits, self.actionness(rows)


@MODELS.register_module()
class SFNetHead(SnippetHead):
    """Head of SF-Net. Its loss is ``L_video + L_frame + L_actionness``, summed over feature streams and their fusion.

    Point labels grow once, to similar snippets near them: ``RefreshHook`` applies ``growth`` to all training videos,
    and starts the training anew with the grown labels. Background is mined over the whole batch, so that videos of a
    batch are not independent of one another.

    Args:
        num_classes: Number of classes, C.
        in_channels: Dimension of F.
        num_streams: 2: the first half of F is one stream (RGB), the second half another (flow), each with its own
            network; the losses are sums over both streams and their fusion. 1: F is one stream, without fusion.
        dropout: Rate of dropout before the classifiers.
        topk_divisor: As in :class:`SnippetHead`.
        video_loss (dict): Config of ``VideoSoftmaxLoss``.
        background_ratio: eta, mined background snippets per labelled snippet.
        max_background_share: Limit on mined background. The number of background snippets to mine in a batch is a sum
            over its videos: eta times the labelled snippets of the video, but at most this share of its unlabelled
            snippets. ``None``: at most all of these, as in the public code. In short videos with many points, every
            unlabelled snippet is then taken for background.
        actionness_negatives: Unlabelled snippets that are negatives of L_actionness. ``'background'``: the snippets
            mined for L_frame. ``'last'``: equally many, the last ones of the batch, as in the public code, which sorts
            along the wrong dimension. ``'hard'``: equally many, those of the largest actionness, which the authors may
            have meant.
        actionness_gate: L_actionness (the sum over streams and fusion) counts only while it is above this number;
            otherwise it is 0.
        growth (dict): Config of ``SFNetGrowth``.
        scores: Scores from which actions are detected. ``'probabilities'``: ``q = softmax(z)``, ``b = 1 - sigmoid(a)``
            and ``q-hat = (q + q sigmoid(a)) / 2``, for ``ProposalGenerator``. Actionness is high at points and lower
            between them, so that ``q sigmoid(a)`` alone would cut actions short. Q_v is pooled from q, as in the other
            heads, because a softmax of pooled logits is high for one or two classes only, also in a video that shows
            many. ``'logits'``: ``q-hat = z + 2 a``, and Q_v is z pooled over the video, for ``MeanLevelProposals``, as
            in the public code.
        proposals (dict): Config of ``ProposalGenerator`` or ``MeanLevelProposals``.
        init_cfg: As in ``mmengine.model.BaseModule``.

    Raises:
        InputError: An argument is out of range, or ``in_channels`` is no multiple of ``num_streams``.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        num_streams: int = 1,
        dropout: float = 0.7,
        topk_divisor: float = 8,
        video_loss: dict[str, Any] = dict(type='VideoSoftmaxLoss', topk_divisor=8, round_up=True),
        background_ratio: float = 7.0,
        max_background_share: float | None = None,
        actionness_negatives: str = 'background',
        actionness_gate: float = 0.1,
        growth: dict[str, Any] = dict(type='SFNetGrowth'),
        scores: str = 'probabilities',
        proposals: dict[str, Any] = dict(type='ProposalGenerator'),
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            num_classes, in_channels, dropout, topk_divisor=topk_divisor, proposals=proposals, init_cfg=init_cfg
        )
        check_numbers('SFNetHead', 1, 2, whole=True, num_streams=num_streams)
        check_numbers('SFNetHead', 0, background_ratio=background_ratio, actionness_gate=actionness_gate)
        check_numbers('SFNetHead', 0, 1, optional=True, max_background_share=max_background_share)
        for name, value, known in (
            ('actionness_negatives', actionness_negatives, _NEGATIVES),
            ('scores', scores, _SCORES),
        ):
            if value not in known:
                raise InputError(f'one of {known}', field=f'SFNetHead.{name}', found=value)
        if in_channels % num_streams:
            raise InputError(f'a multiple of {num_streams} streams', field='SFNetHead.in_channels', found=in_channels)
        self.classifier = None  # every stream has its own
        self.streams = nn.ModuleList(
            _Stream(in_channels // num_streams, num_classes, dropout) for _ in range(num_streams)
        )
        if num_streams > 1:
            self.class_weights = nn.Parameter(torch.ones(num_streams, num_classes + 1))
            self.actionness_weights = nn.Parameter(torch.zeros(num_streams))
        self.video_loss = MODELS.build(video_loss)
        self.background_ratio = background_ratio
        self.max_background_share = max_background_share
        self.actionness_negatives = actionness_negatives
        self.actionness_gate = actionness_gate
        self.growth = TASK_UTILS.build(growth)
        self.scores = scores
        self.train_on('points')

    def train_on(self, labels: str | dict[str, VideoLabels]) -> None:
        """Set the labels that the head trains on from now on.

        Args:
            labels (str | dict[str, VideoLabels]): ``'points'``: the given labels. A dict: given and grown labels, by
                video id.

        Raises:
            InputError: ``'mined'``, which ``PseudoLabelMiningHook`` sets: this head does not mine at every step.
        """
        if not isinstance(labels, dict) and labels != 'points':
            raise InputError('RefreshHook for SFNetHead', field='custom_hooks', found='PseudoLabelMiningHook')
        self._training_labels = labels

    def forward(self, batch: SnippetBatch) -> Tensor:
        """Fused class logits z: ``(R, C + 1)`` rows, background last, of a :class:`.SnippetBatch` of F."""
        return self.logits(batch)[-1][0]

    def logits(self, batch: SnippetBatch) -> list[tuple[Tensor, Tensor]]:
        """Pairs of z ``(R, C + 1)`` and a ``(R, 1)``: one for each stream and, if there are several, their fusion."""
        parts = self.classified_features(batch).chunk(len(self.streams), 1)
        found = [stream(batch.with_features(part)) for stream, part in zip(self.streams, parts)]
        if len(found) > 1:
            fused = sum(weight * z for weight, (z, _) in zip(self.class_weights, found))
            found.append((fused, sum(weight * a for weight, (_, a) in zip(self.actionness_weights, found))))
        return found

    def loss(self, batch: SnippetBatch, data_samples: list[ActionDataSample]) -> dict[str, Tensor]:
        """Losses of a training batch.

        Args:
            batch (SnippetBatch): Embedded features F.
            data_samples (list[ActionDataSample]): See :meth:`.PointTargets.from_samples`.

        Returns:
            dict[str, Tensor]: ``loss_video``, ``loss_frame`` and ``loss_actionness``.
        """
        if isinstance(self._training_labels, dict):
            targets, _ = VideoLabels.to_batch(self._training_labels, data_samples, batch.mask)
        else:
            targets = PointTargets.from_samples(data_samples, batch.mask)
        self.check_classes(targets.video_labels)
        padded = [(batch.pad(z).float(), batch.pad(a)[..., 0].float()) for z, a in self.logits(batch)]
        return self.loss_by_feat(padded, targets)

    def loss_by_feat(self, logits: list[tuple[Tensor, Tensor]], targets: PointTargets) -> dict[str, Tensor]:
        """Losses from logits.

        Args:
            logits (list[tuple[Tensor, Tensor]]): z ``(B, T, C + 1)`` and a ``(B, T)`` of each stream and their fusion.
            targets (PointTargets): Given labels, or given and grown ones.
        """
        free = targets.mask & ~targets.is_action
        count = self._num_background(targets, free)
        labels = targets.labels / targets.labels.sum(-1, keepdim=True).clamp(min=1)
        losses = dict(loss_video=0.0, loss_frame=0.0, loss_actionness=0.0)
        for z, a in logits:
            background = largest_of_batch(z[..., -1], free, count)
            negatives = background
            if self.actionness_negatives == 'last':  # snippets of the largest index in the batch
                negatives = largest_of_batch(torch.arange(free.numel(), device=z.device).view(free.shape), free, count)
            elif self.actionness_negatives == 'hard':
                negatives = largest_of_batch(a, free, count)
            losses['loss_video'] = losses['loss_video'] + self.video_loss(z, targets.mask, targets.video_labels)
            losses['loss_frame'] = losses['loss_frame'] + frame_loss(z, labels, background)
            losses['loss_actionness'] = losses['loss_actionness'] + actionness_loss(a, targets.is_action, negatives)
        on_actionness = losses['loss_actionness']
        losses['loss_actionness'] = torch.where(on_actionness > self.actionness_gate, on_actionness, 0)
        return losses

    def _num_background(self, targets, free):
        """Number of background snippets to mine in the batch, a scalar on the device."""
        unlabelled = free.sum(1)
        wanted = (self.background_ratio * targets.is_action.sum(1)).floor()
        share = 1 if self.max_background_share is None else self.max_background_share
        return torch.minimum(wanted, (share * unlabelled).floor()).sum()

    def mine(
        self, batch: SnippetBatch, data_samples: list[ActionDataSample]
    ) -> tuple[PointTargets, PointTargets, None]:
        """Return the given labels; the given and grown labels, by the present weights; and None for segments."""
        given = PointTargets.from_samples(data_samples, batch.mask)
        self.check_classes(given.video_labels)
        z, _ = self._clean_logits(batch)
        return given, self.growth(z[..., :-1], given), None

    @torch.no_grad()
    def _clean_logits(self, batch):
        """Fused logits z ``(B, T, C + 1)`` and a ``(B, T)``, padded, without dropout."""
        with evaluation_mode(self):
            z, a = self.logits(batch)[-1]
        return batch.pad(z).float(), batch.pad(a)[..., 0].float()

    @torch.no_grad()
    def clean_scores(self, batch: SnippetBatch) -> SnippetScores:
        """Compute scores without dropout and gradient; the argument ``scores`` of the head states their kind."""
        z, a = self._clean_logits(batch)
        actionness = a.sigmoid()
        if self.scores == 'logits':
            classes = z[..., :-1]
            final = classes + _ACTIONNESS_WEIGHT * a[..., None]
            videos = pool_video_scores(classes, batch.mask, self.topk_divisor)
            return SnippetScores(classes, 1 - actionness, final, videos)
        classes = z.softmax(-1)[..., :-1]
        return SnippetScores(classes, 1 - actionness, classes * (1 + actionness[..., None]) / 2)

    predict_scores = clean_scores


def largest_of_batch(scores: Tensor, free: Tensor, count: Tensor) -> Tensor:
    """Choose the ``count`` free snippets of a batch with the largest scores, without waiting for the device.

    Args:
        scores (Tensor): ``(B, T)``.
        free (Tensor): ``(B, T)`` bool, snippets to choose from.
        count (Tensor): Scalar.

    Returns:
        Tensor: ``(B, T)`` bool.
    """
    scores = scores.detach().float().masked_fill(~free, -torch.inf).flatten()
    order = scores.argsort(descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))  # 0: the largest
    return (rank < count).view_as(free) & free


def frame_loss(logits: Tensor, labels: Tensor, background: Tensor) -> Tensor:
    """Compute ``L_frame = mean_A CE(z, labels) + mean_N CE(z, background) / (C + 1)``; CE is the cross-entropy.

    Args:
        logits (Tensor): ``(B, T, C + 1)``, z.
        labels (Tensor): ``(B, T, C)`` shares that sum to 1 on labelled snippets, and are 0 elsewhere.
        background (Tensor): ``(B, T)`` bool, mined background snippets N.

    Returns:
        Tensor: Scalar; a mean over no snippet is 0. The means go over all snippets of the batch (of one process).
    """
    log_shares = logits.log_softmax(-1)
    on_action = -(labels * log_shares[..., :-1]).sum(-1)
    return _mean(on_action, labels.sum(-1) > 0) + _mean(-log_shares[..., -1], background) / logits.shape[-1]


def actionness_loss(actionness: Tensor, is_action: Tensor, negatives: Tensor) -> Tensor:
    """Compute ``L_actionness = mean_A(-log sigmoid(a)) + mean_negatives(-log(1 - sigmoid(a)))``.

    Args:
        actionness (Tensor): ``(B, T)``, logits a.
        is_action (Tensor): ``(B, T)`` bool, labelled snippets A.
        negatives (Tensor): ``(B, T)`` bool.
    """
    on_action = -F.logsigmoid(actionness)
    on_negatives = -(1 + _EPS - actionness.sigmoid()).log()
    return _mean(on_action, is_action) + _mean(on_negatives, negatives)


def _mean(values, chosen):
    return values.masked_fill(~chosen, 0).sum() / chosen.sum().clamp(min=1)
