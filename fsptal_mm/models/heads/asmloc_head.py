"""Base model of ASM-Loc, trained with video labels alone.

Paper: He et al., "ASM-Loc: Action-aware Segment Modeling for Weakly-Supervised Temporal Action Localization", CVPR
2022. Losses and constants are those of its public code (github.com/boheumd/ASM-Loc). Symbols: z are class logits with
background last; a^f and a^b are the attention to foreground and to background, which sum to 1 on every snippet.
"""

from typing import Any

import torch
from mmaction.registry import MODELS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn

from fsptal_mm.models.evaluation_mode import evaluation_mode
from fsptal_mm.models.losses import pool_video_scores, video_cross_entropy
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import check_numbers

from .snippet_head import SnippetHead, SnippetScores


@MODELS.register_module()
class ASMLocHead(SnippetHead):
    """Head with attention, trained on video labels with ``L_foreground + 0.5 L_background + 0.5 L_context``.

    A softmax of two logits gives every snippet its attentions: a^f to the foreground, a^b to the background. Each loss
    is a cross-entropy of the class logits z, multiplied by an attention and pooled over the video. For the pooled
    ``a^f z``, the target is the classes of the video (L_foreground). For the pooled ``a^b z``, the target is background
    (L_background), and in a second loss the classes of the video (L_context), because the background of a video shows
    the context of its actions. Points are not read.

    Args:
        num_classes: Number of classes, C.
        in_channels: Dimension of F.
        dropout: Rate of both dropouts before the classifier: the first drops whole snippets, the second single numbers.
        topk_divisor: Video-level logits of the foreground are means of the ``T // topk_divisor`` largest ``a^f z``, in
            training and at test time.
        background_divisor: As ``topk_divisor``, but for the pooled ``a^b z`` of L_background and L_context.
        foreground_weight: Weight of L_foreground.
        background_weight: Weight of L_background.
        context_weight: Weight of L_context.
        proposals (dict): Config of ``ProposalGenerator``; its ``background_levels`` are levels of a^f, which is 1 - b
            here.
        init_cfg: As in ``mmengine.model.BaseModule``.
    """

    supervision = 'video labels'

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        dropout: float = 0.7,
        topk_divisor: float = 8,
        background_divisor: float = 3,
        foreground_weight: float = 1.0,
        background_weight: float = 0.5,
        context_weight: float = 0.5,
        proposals: dict[str, Any] = dict(type='ProposalGenerator', relative_threshold=True),
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            num_classes, in_channels, dropout, topk_divisor=topk_divisor, proposals=proposals, init_cfg=init_cfg
        )
        check_numbers('ASMLocHead', 1, background_divisor=background_divisor)
        weights = dict(foreground_weight=foreground_weight, background_weight=background_weight)
        check_numbers('ASMLocHead', 0, context_weight=context_weight, **weights)
        self.classifier = nn.Linear(in_channels, num_classes + 1)  # with a bias, unlike that of SnippetHead
        self.attention = nn.Linear(in_channels, 2)
        self.background_divisor = background_divisor
        self.foreground_weight = foreground_weight
        self.background_weight = background_weight
        self.context_weight = context_weight

    def forward(self, batch: SnippetBatch) -> Tensor:
        """Compute class logits z, ``(R, C + 1)`` rows, background last; ``batch`` holds F."""
        features = self.classified_features(batch)
        # First dropout of whole snippets, by one mask for all columns of a snippet; then dropout of single numbers.
        whole_snippets = self.dropout(features.new_ones(len(features), 1))
        return self.classifier(self.dropout(features * whole_snippets))

    def outputs(self, batch: SnippetBatch) -> tuple[Tensor, Tensor]:
        """Padded z ``(B, T, C + 1)`` and attention ``(B, T, 2)``, a^f before a^b, float32."""
        z, attention = self(batch), self.attention(batch.features)
        return batch.pad(z).float(), batch.pad(attention).float().softmax(-1)

    def loss(self, batch: SnippetBatch, data_samples: list[ActionDataSample]) -> dict[str, Tensor]:
        """Losses of a training batch; of the labels only ``gt_video_labels (C,)`` of each data sample is read."""
        labels = torch.stack([sample.gt_video_labels for sample in data_samples]).to(batch.mask.device)
        self.check_classes(labels)
        return self.loss_by_feat(*self.outputs(batch), batch.mask, labels)

    def loss_by_feat(self, logits: Tensor, attention: Tensor, mask: Tensor, video_labels: Tensor) -> dict[str, Tensor]:
        """Losses from the outputs of the network.

        Args:
            logits (Tensor): ``(B, T, C + 1)``, z.
            attention (Tensor): ``(B, T, 2)``, a^f and a^b.
            mask (Tensor): ``(B, T)`` bool.
            video_labels (Tensor): ``(B, C)`` 0/1, y.

        Returns:
            dict[str, Tensor]: ``loss_foreground``, ``loss_background`` and ``loss_context``.
        """
        foreground = pool_video_scores(attention[..., :1] * logits, mask, self.topk_divisor)
        background = pool_video_scores(attention[..., 1:] * logits, mask, self.background_divisor)
        no_class = torch.zeros_like(video_labels)
        on_foreground = video_cross_entropy(foreground, video_labels, background=False)
        on_background = video_cross_entropy(background, no_class, background=True)
        on_context = video_cross_entropy(background, video_labels, background=False)
        return dict(
            loss_foreground=self.foreground_weight * on_foreground,
            loss_background=self.background_weight * on_background,
            loss_context=self.context_weight * on_context,
        )

    @torch.no_grad()
    def clean_scores(self, batch: SnippetBatch) -> SnippetScores:
        """Compute scores without dropout and gradient: ``q = q-hat = softmax(a^f z)``, and ``b = a^b``.

        Q_v is the softmax of the pooled ``a^f z``.
        """
        with evaluation_mode(self):
            z, attention = self.outputs(batch)
        attended = attention[..., :1] * z
        videos = pool_video_scores(attended, batch.mask, self.topk_divisor).softmax(-1)[:, :-1]
        scores = attended.softmax(-1)[..., :-1]
        return SnippetScores(scores, attention[..., 1], scores, videos)

    predict_scores = clean_scores
