"""BackTAL (Yang et al., "Background-Click Supervision for Temporal Action Localization", TPAMI 2022).

Losses and constants are those of its public code (github.com/VividLe/BackTAL). Symbols: z are class logits of the
features F, lambda is an attention, z^s are class logits of ``lambda F``, E is the embedding whose cosines weight the
convolutions.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from mmaction.registry import MODELS, TASK_UTILS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.models.evaluation_mode import evaluation_mode
from fsptal_mm.models.losses import feature_separation_loss, largest_of_video, pool_video_scores
from fsptal_mm.models.trunks.affinity_embedding import AffinityConvs, MaskedConv1d, tap_cosines
from fsptal_mm.structures import PointTargets, SnippetBatch
from fsptal_mm.utils.errors import InputError, check_numbers

from .snippet_head import SnippetHead, SnippetScores

_TAPS = 3  # snippets that each convolution of the network sees
_AFFINITIES = ('taps', 'thirds')
_PUBLIC_LENGTH = 750  # number of snippets of every video in the public code


@dataclass(frozen=True)
class BackTALOutputs:
    """Outputs of the network for a batch, rows ``(R, ...)``; values in gaps are arbitrary.

    Attributes:
        logits: z, ``(R, C + 1)``, background last.
        suppressed: z^s, ``(R, C + 1)``.
        features: Output of the first layer for ``lambda F``, ``(R, H)``.
        attention: lambda, ``(R, 1)``.
        embedding: E, ``(R, D_e)``.
    """

    logits: Tensor
    suppressed: Tensor
    features: Tensor
    attention: Tensor
    embedding: Tensor


@MODELS.register_module()
class BackTALHead(SnippetHead):
    """Head with the loss ``L_base + L_suppressed + L_sparsity + L_click + L_score + L_embedding``.

    L_base and L_suppressed are video-level losses of z and of z^s; the arguments below describe the other terms. The
    taps of every convolution are weighted by cosines of an embedding of the snippets, as in ``AffinityEmbedding``.
    The method was made for background clicks: datasets with ``supervision='clicks'`` give them.

    Args:
        num_classes: Number of classes, C.
        in_channels: Dimension of F.
        hidden_channels: H, dimension of the two layers before the classifier; ``in_channels`` by default. The hidden
            layers of attention and embedding have a quarter of it.
        embed_channels: D_e, dimension of E.
        affinity: Part of the kernel that each cosine weights. A kernel sees three snippets, and each of them has a
            cosine with the snippet in the middle. ``'taps'``: each cosine weights the tap of its snippet. ``'thirds'``,
            as in the public code: the kernel's numbers are laid out as "three taps of channel 0, three taps of
            channel 1 ..."; the first cosine weights the first third of these numbers, and so on.
        dropout: Rate of dropout before the classifier.
        topk_divisor: Video-level logits are means of the ``T // topk_divisor`` largest snippet logits. L_embedding
            takes, for each class of the video, equally many snippets of the largest z^s as actions.
        labels: Labels that the losses read, besides video labels. ``'clicks'``: background clicks. ``'points'``:
            points; L_click then takes the points with their classes, too, and the background that ``miner`` finds
            between points takes the place of clicks.
        miner (dict): Config of a miner of background between points; action labels that it finds are not used.
        sparsity_weight: Weight of L_sparsity.
        sparsity: How L_sparsity is computed from lambda. ``'sum'``, the default, as in the public code: its sum over a
            video. All videos of the public code have 750 snippets; where lengths differ, long videos have a larger
            share of the loss. ``'mean'``: 750 times its mean over a video.
        click_weight: Weight of L_click, see ``click_loss`` in this module.
        score_weight: Weight of L_score, see ``score_separation_loss`` in this module.
        embedding_weight: Weight of L_embedding, which separates actions from clicked background in E.
        psi_same: Threshold of L_embedding; see :func:`.feature_separation_loss`.
        psi_diff: Threshold of L_embedding; see :func:`.feature_separation_loss`.
        proposals (dict): Config of ``ProposalGenerator``. Its ``background_levels`` are levels of ``1 - b``; this is
            here the length of the first layer's feature vectors, scaled to 0 for the shortest vector of the video and
            to 1 for the longest.
        init_cfg: As in ``mmengine.model.BaseModule``.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        hidden_channels: int | None = None,
        embed_channels: int = 32,
        affinity: str = 'taps',
        dropout: float = 0.7,
        topk_divisor: float = 8,
        labels: str = 'clicks',
        miner: dict[str, Any] = dict(type='LACPSeedMiner'),
        sparsity_weight: float = 1e-4,
        sparsity: str = 'sum',
        click_weight: float = 1.0,
        score_weight: float = 1.0,
        embedding_weight: float = 0.8,
        psi_same: float = 0.5,
        psi_diff: float = 0.1,
        proposals: dict[str, Any] = dict(type='ProposalGenerator', relative_threshold=True),
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            num_classes, in_channels, dropout, topk_divisor=topk_divisor, proposals=proposals, init_cfg=init_cfg
        )
        hidden = in_channels if hidden_channels is None else hidden_channels
        check_numbers('BackTALHead', 4, whole=True, hidden_channels=hidden)
        weights = dict(sparsity_weight=sparsity_weight, click_weight=click_weight, score_weight=score_weight)
        check_numbers('BackTALHead', 0, embedding_weight=embedding_weight, **weights)
        check_numbers('BackTALHead', -1, 1, psi_same=psi_same, psi_diff=psi_diff)
        for name, value, known in (
            ('labels', labels, ('clicks', 'points')),
            ('affinity', affinity, _AFFINITIES),
            ('sparsity', sparsity, ('sum', 'mean')),
        ):
            if value not in known:
                raise InputError(f'one of {known}', field=f'BackTALHead.{name}', found=value)
        self.attention = nn.Sequential(
            nn.Linear(in_channels, hidden // 4), nn.LeakyReLU(), nn.Linear(hidden // 4, 1), nn.Sigmoid()
        )
        self.taps_are_thirds = affinity == 'thirds'
        self.affinity = AffinityConvs(in_channels, hidden // 4, embed_channels)
        self.convs = nn.ModuleList(
            [MaskedConv1d(channels, hidden, _TAPS, bias=False) for channels in (in_channels, hidden)]
        )
        self.classifier = nn.Linear(hidden, num_classes + 1, bias=False)
        self.base_loss, self.suppressed_loss = (
            MODELS.build(dict(type='VideoSoftmaxLoss', background=background, topk_divisor=topk_divisor))
            for background in (True, False)
        )
        self.labels = self.supervision = labels
        self.miner = TASK_UTILS.build(miner)
        self.sparsity_weight = sparsity_weight
        self.sparsity = sparsity
        self.click_weight = click_weight
        self.score_weight = score_weight
        self.embedding_weight = embedding_weight
        self.psi_same = psi_same
        self.psi_diff = psi_diff

    def forward(self, batch: SnippetBatch) -> Tensor:
        """Compute class logits z, ``(R, C + 1)`` rows, background last; ``batch`` holds F."""
        return self.outputs(batch).logits

    def outputs(self, batch: SnippetBatch) -> BackTALOutputs:
        """Run the network on F and, with the same weights, on ``lambda F``."""
        features = self.classified_features(batch)
        attention, embedding = self.attention(features), self.affinity(batch)
        taps = tap_cosines(embedding, _TAPS)
        _, logits = self._classify(batch, taps)
        first, suppressed = self._classify(batch.with_features(attention * features), taps)
        return BackTALOutputs(logits, suppressed, first, attention, embedding)

    def _classify(self, batch, taps):
        """Features ``(R, H)`` of the first layer, and logits ``(R, C + 1)``."""
        first, second = self.convs
        features = F.leaky_relu(first(batch, self._weights(taps, first)))
        rows = F.leaky_relu(second(batch.with_features(features), self._weights(taps, second)))
        return features, self.classifier(self.dropout(rows))

    def _weights(self, taps, conv):
        """Weights of the kernel of a convolution: the cosines ``(R, 3)``; for ``'thirds'``, ``(R, 3, D)``."""
        if not self.taps_are_thirds:
            return taps
        # (3, D): the place of tap k of channel d if the kernel is laid out channel by channel, 3 d + k.
        number = torch.arange(_TAPS * conv.in_channels, device=taps.device).view(-1, _TAPS).t()
        return taps[:, number // conv.in_channels]

    def loss(self, batch: SnippetBatch, data_samples: list[ActionDataSample]) -> dict[str, Tensor]:
        """Losses of a training batch.

        Args:
            batch (SnippetBatch): Embedded features F.
            data_samples (list[ActionDataSample]): See :meth:`.PointTargets.from_samples`; points are read with
                ``labels='points'`` only.

        Raises:
            InputError: ``labels='clicks'``, but the dataset gives points.
        """
        targets = PointTargets.from_samples(data_samples, batch.mask)
        self.check_classes(targets.video_labels)
        outputs = self.outputs(batch)
        if self.labels == 'points':
            targets = self._with_mined_background(outputs, batch, targets)
        else:
            _check_clicks(data_samples)
            targets = replace(targets, snippet_instances=torch.full_like(targets.snippet_instances, -1))
        return self.loss_by_feat(outputs, batch, targets)

    def _with_mined_background(self, outputs, batch, targets):
        shares = batch.pad(outputs.logits).detach().float().softmax(-1)
        mined = self.miner(shares[..., :-1], shares[..., -1], targets)
        return targets.with_background(mined.background_labels)

    def loss_by_feat(self, outputs: BackTALOutputs, batch: SnippetBatch, targets: PointTargets) -> dict[str, Tensor]:
        """Losses from the outputs of the network.

        Args:
            outputs (BackTALOutputs): Outputs for the batch.
            batch (SnippetBatch): Layout of the rows; its features are not used.
            targets (PointTargets): Clicks as ``background_labels``; points too, with ``labels='points'``.

        Returns:
            dict[str, Tensor]: One scalar per term. L_click is a mean over the clicks of the batch (of one process),
            L_score and L_embedding are means over its videos with clicks.
        """
        z, suppressed = (batch.pad(part).float() for part in (outputs.logits, outputs.suppressed))
        mask, labels, clicks = targets.mask, targets.video_labels, targets.background_labels
        attention = batch.pad(outputs.attention)[..., 0].float().masked_fill(~mask, 0)
        embedded, sparsity = batch.with_features(outputs.embedding), attention.sum(1)
        if self.sparsity == 'mean':
            sparsity = _PUBLIC_LENGTH * sparsity / mask.sum(1)
        return dict(
            loss_base=self.base_loss(z, mask, labels),
            loss_suppressed=self.suppressed_loss(suppressed, mask, labels),
            loss_sparsity=self.sparsity_weight * sparsity.mean(),
            loss_click=self.click_weight * click_loss(z, targets),
            loss_score=self.score_weight * score_separation_loss(z, targets, self.topk_divisor),
            loss_embedding=self.embedding_weight * self._embedding_loss(embedded, suppressed, labels, mask, clicks),
        )

    def _embedding_loss(self, embedded, suppressed, video_labels, mask, clicks):
        """Compute L_embedding: it draws clicked background together in E, likely actions together, and both apart."""
        has_clicks = clicks.any(1)
        likely = largest_of_video(suppressed[..., :-1].detach(), mask, self.topk_divisor)
        likely = likely & (video_labels > 0)[:, None] & has_clicks[:, None, None]
        kinds = torch.stack([likely.any(-1), clicks])
        terms = feature_separation_loss(embedded, kinds, None, self.psi_same, self.psi_diff, anchor_background=True)
        # Terms are means over all videos: make them means over the videos with clicks.
        return sum(terms) * len(clicks) / has_clicks.sum().clamp(min=1)

    @torch.no_grad()
    def clean_scores(self, batch: SnippetBatch) -> SnippetScores:
        """Compute scores without dropout and gradient: q-hat is z^s, 1 - b the length of the first layer's features.

        Both are scaled to [0, 1] over each video.
        """
        with evaluation_mode(self):
            outputs = self.outputs(batch)
        suppressed = batch.pad(outputs.suppressed).float()
        videos = pool_video_scores(suppressed, batch.mask, self.topk_divisor).softmax(-1)[:, :-1]
        length = batch.pad(outputs.features.float().norm(dim=1, keepdim=True))
        scores = _from_0_to_1(suppressed[..., :-1], batch.mask)
        return SnippetScores(scores, 1 - _from_0_to_1(length, batch.mask)[..., 0], scores, videos)

    predict_scores = clean_scores


def click_loss(logits: Tensor, targets: PointTargets) -> Tensor:
    """Compute ``L_click``, the mean cross-entropy of z ``(B, T, C + 1)`` over the labelled snippets of the batch.

    Labelled snippets are clicks on background and, if points are used, points. If a snippet has several classes, they
    have equal shares in the target.
    """
    labels = torch.cat([targets.labels, targets.background_labels[..., None]], -1).to(logits.dtype)
    count = labels.sum(-1)
    loss = -(labels * logits.log_softmax(-1)).sum(-1) / count.clamp(min=1)
    return loss.sum() / (count > 0).sum().clamp(min=1)


def score_separation_loss(logits: Tensor, targets: PointTargets, topk_divisor: float) -> Tensor:
    """Compute ``L_score = -log(exp s_c / (exp s_c + exp g_c))`` for the classes c of each video.

    s_c is the pooled logit of the class over the video, and g_c its mean logit at clicks.

    Args:
        logits (Tensor): ``(B, T, C + 1)``, z.
        targets (PointTargets): With clicks as ``background_labels``.
        topk_divisor: As in :func:`.pool_video_scores`, for s_c.

    Returns:
        Tensor: Scalar, mean over the classes of a video, and over the videos with clicks.
    """
    clicks, classes = targets.background_labels, targets.video_labels
    pooled = pool_video_scores(logits[..., :-1], targets.mask, topk_divisor)
    at_clicks = logits[..., :-1].masked_fill(~clicks[..., None], 0).sum(1) / clicks.sum(1, keepdim=True).clamp(min=1)
    loss = (classes * F.softplus(at_clicks - pooled)).sum(1) / classes.sum(1).clamp(min=1)
    has_both = clicks.any(1) & (classes.sum(1) > 0)
    return loss.masked_fill(~has_both, 0).sum() / has_both.sum().clamp(min=1)


def _from_0_to_1(values, mask):
    """Scale ``(B, T, K)`` values of each video to [0, 1]: the least becomes 0, the largest 1.

    Negative values count as 0.
    """
    outside = ~mask[..., None]
    least = values.masked_fill(outside, torch.inf).amin(1, keepdim=True).clamp(min=0)
    largest = values.masked_fill(outside, -torch.inf).amax(1, keepdim=True).clamp(min=0)
    span = largest - least
    return ((values - least) / span.where(span > 0, 1)).clamp(min=0)


def _check_clicks(data_samples):
    """Raise an InputError if no video of a batch has a click, although some have points."""
    clicks = torch.cat([sample.background_labels for sample in data_samples])
    if not clicks.any() and (torch.cat([sample.snippet_instances for sample in data_samples]) >= 0).any():
        expected = "background clicks: supervision='clicks' of the training dataset, or labels='points' of the head"
        raise InputError(expected, field='BackTALHead.labels', found='clicks')
