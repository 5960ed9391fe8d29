"""Head of the later stages of ASM-Loc (He et al., CVPR 2022), which take the proposals of the stage before."""

from typing import Any

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn

from fsptal_mm.models.losses import video_mean
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import check_numbers

from .asmloc_head import ASMLocHead
from .segment_attention import SegmentAttention
from .snippet_head import SnippetScores

_UNCERTAINTY_STD = 1e-4  # standard deviation of the initial weights of the layer for u, as in the public code


@MODELS.register_module()
class ASMLocRefinedHead(ASMLocHead):
    """Head with the losses of :class:`ASMLocHead` and L_segment, on features after attention in and among segments.

    L_segment is a cross-entropy of the snippets with the pseudo labels that the segments give; a predicted uncertainty
    lowers its weight where the labels may be wrong (``segment_label_loss``). The head works only in
    :class:`.StagedPointTAL`, which gives it the segments.

    Args:
        *args: As in :class:`ASMLocHead`.
        attention (dict): Arguments of :class:`.SegmentAttention` besides the channels.
        segment_weight: Weight of L_segment.
        uncertainty_weight: beta, weight of the mean uncertainty in L_segment. This term keeps the uncertainty from
            growing.
        **kwargs: As in :class:`ASMLocHead`.
    """

    def __init__(
        self,
        *args: Any,
        attention: dict[str, Any] = dict(),
        segment_weight: float = 1.0,
        uncertainty_weight: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        weights = dict(segment_weight=segment_weight, uncertainty_weight=uncertainty_weight)
        check_numbers('ASMLocRefinedHead', 0, **weights)
        self.segment_attention = SegmentAttention(self.in_channels, **attention)
        self.uncertainty = nn.Linear(self.in_channels, 1, bias=False)
        nn.init.normal_(self.uncertainty.weight, std=_UNCERTAINTY_STD)
        self.segment_weight = segment_weight
        self.uncertainty_weight = uncertainty_weight

    def loss_on_segments(
        self, batch: SnippetBatch, video_labels: Tensor, members: Tensor, snippet_labels: Tensor
    ) -> dict[str, Tensor]:
        """Losses of a training batch.

        Args:
            batch (SnippetBatch): Embedded features F.
            video_labels (Tensor): ``(B, C)`` 0/1, y.
            members (Tensor): ``(B, T, K)`` bool, see :class:`.SegmentAttention`.
            snippet_labels (Tensor): ``(B, T, C)`` bool, pseudo labels: whether snippet t lies in a proposal of class c.

        Returns:
            dict[str, Tensor]: The losses of :meth:`ASMLocHead.loss_by_feat`, and ``loss_segment``.
        """
        self.check_classes(video_labels)
        attended = self.segment_attention(batch, members)
        z, attention = self.outputs(attended)
        uncertainty = batch.pad(self.uncertainty(attended.features))[..., 0].float()
        on_segments = segment_label_loss(z, uncertainty, snippet_labels, batch.mask, self.uncertainty_weight)
        losses = self.loss_by_feat(z, attention, batch.mask, video_labels)
        return losses | dict(loss_segment=self.segment_weight * on_segments)

    def scores_on_segments(self, batch: SnippetBatch, members: Tensor) -> SnippetScores:
        """:meth:`ASMLocHead.clean_scores` of the features after attention within and among the segments."""
        return self.clean_scores(self.segment_attention(batch, members))


def segment_label_loss(
    logits: Tensor, uncertainty: Tensor, snippet_labels: Tensor, mask: Tensor, uncertainty_weight: float
) -> Tensor:
    """Compute L_segment, the mean of ``exp(-u) CE(z, labels) + beta u`` over snippets of a video, and over videos.

    CE is the cross-entropy, and u the uncertainty that the head predicts for a snippet.

    Args:
        logits (Tensor): ``(B, T, C + 1)``, z, background last.
        uncertainty (Tensor): ``(B, T)``, u; may be negative.
        snippet_labels (Tensor): ``(B, T, C)`` bool. Several classes of a snippet have equal shares in the target; the
            target of a snippet without a class is background.
        mask (Tensor): ``(B, T)`` bool.
        uncertainty_weight: beta.

    Returns:
        Tensor: Scalar.
    """
    labels = torch.cat([snippet_labels, ~snippet_labels.any(-1, keepdim=True)], -1).to(logits.dtype)
    entropy = -(labels * logits.log_softmax(-1)).sum(-1) / labels.sum(-1)
    loss = (-uncertainty).exp() * entropy + uncertainty_weight * uncertainty
    return video_mean(loss, mask)
