"""DELU (Chen et al., "Dual-Evidential Learning for Weakly-supervised Temporal Action Localization", ECCV 2022).

Losses and constants are those of its public code for THUMOS14 (github.com/MengyuanChen21/ECCV2022-DELU). Symbols: z are
class logits, a is the attention, z^s are logits that are suppressed where a is low, b is the softmax score of
background in z.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from mmengine.logging import MessageHub
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.models.evaluation_mode import evaluation_mode
from fsptal_mm.models.losses import guide_distances, pool_video_scores, video_mean
from fsptal_mm.models.trunks.snippet_embedding import PackedConv1d
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import InputError, check_numbers

from .cross_modal_filter import CrossModalFilter, init_layers
from .snippet_head import SnippetHead, SnippetScores

_SLOPE = 0.2  # negative slope of the leaky ReLUs
_SCORES = ('probabilities', 'logits')
_TWO_STREAMS = (
    'the numbers of columns of RGB and of flow, such as (1024, 1024), which add up to the columns of the features; if '
    'there is no flow, extract it and name both folders: data_prefix=dict(rgb=..., flow=...)'
)


@dataclass(frozen=True)
class DELUOutputs:
    """Outputs of the network for the rows of a batch.

    Attributes:
        logits: z, ``(R, C + 1)``, background last; arbitrary in gaps.
        attentions: a^v of RGB and a^f of flow, ``(R, 2)``; a is their mean. Arbitrary in gaps.
        features: h, the fused features that are classified, ``(R, D)`` with zero gaps.
    """

    logits: Tensor
    attentions: Tensor
    features: Tensor


@MODELS.register_module()
class DELUHead(SnippetHead):
    """Head with two feature streams that filter each other, trained with video labels; points are not read.

    Losses: ``L_video + L_suppressed + L_evidence + L_uncertain + L_guide + L_sparsity + L_mutual + L_co_activity``.
    L_video and L_suppressed are video-level losses of z and of z^s. L_co_activity compares the first videos of a batch
    in pairs, so that these videos are not independent of one another; ``SharedClassBatchSampler`` begins each batch
    with pairs that share a class.

    L_uncertain depends on the share of the training that is over, ``iter / max_iters``. Both numbers are read from
    mmengine's message hub, where ``RuntimeInfoHook`` writes them; without a runner, the share is 0.

    Args:
        num_classes: Number of classes, C.
        in_channels: Dimension of F.
        streams: Number of columns of F that are RGB, and number of the columns behind them that are flow, such as
            ``(1024, 1024)``. The features do not show where flow begins, so the config must state it.
        dropout: Rate of dropout before and within the classifier.
        filter_dropout: Rate of dropout in ``CrossModalFilter``.
        topk_divisor: As in :class:`SnippetHead`, for scores at test time.
        video_topk_divisor: As ``topk_divisor``, but for L_video and L_suppressed.
        evidence_loss (dict): Config of ``EvidenceLoss``.
        uncertainty_loss (dict): Config of ``UncertaintyGuideLoss``.
        co_activity_loss (dict): Config of ``CoActivityLoss``.
        guide_weight: Weight of L_guide, the mean of ``|1 - a - b|`` over snippets and over a, a^v and a^f.
        sparsity_weight: Weight of L_sparsity, the mean of a, a^v and a^f.
        mutual_weight: Weight of L_mutual, the squared difference of a^v and a^f, which draws them together. One half of
            it has a gradient for a^v alone, the other half for a^f alone.
        scores: Scores from which actions are detected. ``'probabilities'``: ``q-hat = softmax(z) a``, ``b = 1 - a``, so
            that ``ProposalGenerator`` gets probabilities as from the other heads. ``'logits'``: ``q-hat = a z``, as in
            the public code. In both cases, Q_v is the softmax of ``a z``, pooled over the video.
        proposals (dict): Config of ``ProposalGenerator``.
        init_cfg: As in ``mmengine.model.BaseModule``.

    Raises:
        InputError: An argument is out of range, or ``streams`` are not two or do not add up to ``in_channels``.
    """

    supervision = 'video labels'

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        streams: Sequence[int] | None = None,
        dropout: float = 0.7,
        filter_dropout: float = 0.5,
        topk_divisor: float = 10,
        video_topk_divisor: float = 7,
        evidence_loss: dict[str, Any] = dict(type='EvidenceLoss', topk_divisor=9, loss_weight=1.3),
        uncertainty_loss: dict[str, Any] = dict(type='UncertaintyGuideLoss', loss_weight=0.4),
        co_activity_loss: dict[str, Any] = dict(type='CoActivityLoss', num_pairs=3),
        guide_weight: float = 0.4,
        sparsity_weight: float = 0.8,
        mutual_weight: float = 1.0,
        scores: str = 'probabilities',
        proposals: dict[str, Any] = dict(type='ProposalGenerator', relative_threshold=True),
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            num_classes, in_channels, dropout, topk_divisor=topk_divisor, proposals=proposals, init_cfg=init_cfg
        )
        _check_streams(streams, in_channels)
        check_numbers('DELUHead', 0, 1, filter_dropout=filter_dropout)
        weights = dict(guide_weight=guide_weight, sparsity_weight=sparsity_weight, mutual_weight=mutual_weight)
        check_numbers('DELUHead', 0, **weights)
        if scores not in _SCORES:
            raise InputError(f'one of {_SCORES}', field='DELUHead.scores', found=scores)
        self.streams = tuple(streams)
        self.filters = nn.ModuleList(
            CrossModalFilter(own, other, filter_dropout) for own, other in (self.streams, self.streams[::-1])
        )
        self.fusion = nn.Linear(in_channels, in_channels)
        self.conv = PackedConv1d(in_channels, in_channels, 3)
        self.classifier = nn.Linear(in_channels, num_classes + 1)
        for layer in (self.fusion, self.conv, self.classifier):
            init_layers(layer)
        self.video_loss, self.suppressed_loss = (
            MODELS.build(dict(type='VideoSoftmaxLoss', background=background, topk_divisor=video_topk_divisor))
            for background in (True, False)
        )
        self.evidence_loss = MODELS.build(evidence_loss)
        self.uncertainty_loss = MODELS.build(uncertainty_loss)
        self.co_activity_loss = MODELS.build(co_activity_loss)
        self.guide_weight = guide_weight
        self.sparsity_weight = sparsity_weight
        self.mutual_weight = mutual_weight
        self.scores = scores

    def forward(self, batch: SnippetBatch) -> Tensor:
        """Compute class logits z, ``(R, C + 1)`` rows, background last; ``batch`` holds F."""
        return self.outputs(batch).logits

    def outputs(self, batch: SnippetBatch) -> DELUOutputs:
        """Run the network on F.

        Raises:
            InputError: F does not have as many columns as the two streams together.
        """
        if batch.features.shape[1] != self.in_channels:
            found = f'{self.streams} for features of {batch.features.shape[1]} columns'
            raise InputError(_TWO_STREAMS, field='model.head.streams', found=found)
        parts = [batch.with_features(part) for part in batch.features.split(self.streams, 1)]
        # RGB filtered by flow, and flow filtered by RGB.
        found = [filter_(*pair) for filter_, pair in zip(self.filters, (parts, parts[::-1]))]
        filtered, attentions = (torch.cat(part, 1) for part in zip(*found))  # (R, D), (R, 2)
        features = self.dropout(F.leaky_relu(self.fusion(filtered), _SLOPE))
        features = batch.zero_gaps(features)  # the bias of the fusion has filled the gaps
        rows = F.leaky_relu(self.conv(batch.with_features(self.dropout(features))), _SLOPE)
        return DELUOutputs(self.classifier(self.dropout(rows)), attentions, features)

    def loss(self, batch: SnippetBatch, data_samples: list[ActionDataSample]) -> dict[str, Tensor]:
        """Losses of a training batch; of the labels only ``gt_video_labels (C,)`` of each data sample is read."""
        labels = torch.stack([sample.gt_video_labels for sample in data_samples]).to(batch.mask.device)
        self.check_classes(labels)
        outputs = self.outputs(batch)
        z, attentions = batch.pad(outputs.logits).float(), batch.pad(outputs.attentions).float()
        losses = self.loss_by_feat(z, attentions, batch.mask, labels, training_progress())
        compared = batch.with_features(outputs.features)
        losses['loss_co_activity'] = self.co_activity_loss(compared, suppress(z, attentions.mean(-1)), labels)
        return losses

    def loss_by_feat(
        self, logits: Tensor, attentions: Tensor, mask: Tensor, video_labels: Tensor, progress: float
    ) -> dict[str, Tensor]:
        """All losses but L_co_activity; each is a mean over videos.

        Args:
            logits (Tensor): z, ``(B, T, C + 1)``, background last.
            attentions (Tensor): a^v and a^f, ``(B, T, 2)``.
            mask (Tensor): ``(B, T)`` bool.
            video_labels (Tensor): ``(B, C)`` 0/1, y.
            progress: Share of the training that is over, from 0 to 1.
        """
        of_rgb, of_flow = attentions.unbind(-1)
        attention = (of_rgb + of_flow) / 2
        suppressed = suppress(logits, attention)
        all_three = (attention, of_rgb, of_flow)
        distances = guide_distances(all_three, logits.softmax(-1)[..., -1])
        mutual = ((of_rgb - of_flow.detach()) ** 2 + (of_flow - of_rgb.detach()) ** 2) / 2
        return dict(
            loss_video=self.video_loss(logits, mask, video_labels),
            loss_suppressed=self.suppressed_loss(suppressed, mask, video_labels),
            loss_evidence=self.evidence_loss(suppressed, attention, mask, video_labels),
            loss_uncertain=self.uncertainty_loss(suppressed, distances, mask, progress),
            loss_guide=self.guide_weight * video_mean(distances, mask),
            loss_sparsity=self.sparsity_weight * video_mean(sum(all_three) / 3, mask),
            loss_mutual=self.mutual_weight * video_mean(mutual, mask),
        )

    @torch.no_grad()
    def clean_scores(self, batch: SnippetBatch) -> SnippetScores:
        """Compute scores without dropout and gradient; the argument ``scores`` of the head states their kind."""
        with evaluation_mode(self):
            outputs = self.outputs(batch)
        z, attention = batch.pad(outputs.logits).float(), batch.pad(outputs.attentions).float().mean(-1, keepdim=True)
        videos = pool_video_scores(attention * z, batch.mask, self.topk_divisor).softmax(-1)[:, :-1]
        classes = (z if self.scores == 'logits' else z.softmax(-1))[..., :-1]
        return SnippetScores(classes, 1 - attention[..., 0], attention * classes, videos)

    predict_scores = clean_scores


def suppress(logits: Tensor, attention: Tensor) -> Tensor:
    """Suppress logits z where the attention a is low: ``z^s = a (z - m) + m`` with ``m = min_c z_c``.

    Args:
        logits (Tensor): ``(B, T, C + 1)``, z.
        attention (Tensor): ``(B, T)``, a.
    """
    least = logits.amin(-1, keepdim=True)
    return attention[..., None] * (logits - least) + least


def training_progress() -> float:
    """Share of the training that is over, from 0 to 1, of the runner that was built last; 0 without a runner."""
    hub = MessageHub.get_current_instance()
    step, steps = (hub.runtime_info.get(name) for name in ('iter', 'max_iters'))
    return step / steps if step and steps else 0.0


def _check_streams(streams, in_channels):
    is_pair = isinstance(streams, (list, tuple)) and len(streams) == 2
    if not is_pair:
        raise InputError(_TWO_STREAMS, field='DELUHead.streams', found='none' if streams is None else streams)
    check_numbers('DELUHead', 2, whole=True, **{f'streams[{place}]': width for place, width in enumerate(streams)})
    if sum(streams) != in_channels:
        found = f'{tuple(streams)} for {in_channels} channels'
        raise InputError(_TWO_STREAMS, field='DELUHead.streams', found=found)
