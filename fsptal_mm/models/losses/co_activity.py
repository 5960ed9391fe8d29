"""Loss that makes two videos of one class alike where they show it (W-TALC: Paul et al., ECCV 2018; as in DELU)."""

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.models.directions import directions
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import check_numbers


def co_activity_loss(
    batch: SnippetBatch, logits: Tensor, video_labels: Tensor, num_pairs: int, margin: float = 0.5
) -> Tensor:
    """Compare the first videos of a batch, which share classes, in pairs: (0, 1), (2, 3), ...

    The loss of a class that both videos of a pair show is
    ``1/2 [d(H_1, H_2) - d(H_1, G_2) + margin]_+ + 1/2 [d(H_1, H_2) - d(H_2, G_1) + margin]_+`` with d = 1 - cosine.
    ``H = sum_t w_t h_t`` is the mean feature of the class in a video, where w is the softmax of its logits over time;
    ``G = sum_t (1 - w_t) h_t / (T - 1)`` is the mean feature elsewhere.

    Args:
        batch (SnippetBatch): Features h, ``(R, D)`` rows with zero gaps.
        logits (Tensor): ``(B, T, C + 1)``, background last.
        video_labels (Tensor): ``(B, C)`` 0/1, y.
        num_pairs: Number P of pairs; a batch of fewer than ``2 * num_pairs`` videos has fewer.
        margin: See the formula. There is no loss where ``cos(H_1, H_2)`` is larger than the other cosine by this much.

    Returns:
        Tensor: Scalar, mean over the shared classes of all pairs of this process; 0 if no pair shares a class.
    """
    count = 2 * min(num_pairs, len(batch.lengths) // 2)
    mask = batch.mask[:count]
    weights = logits[:count, :, :-1].float().masked_fill(~mask[..., None], -torch.inf).softmax(1)  # (2P, T, C)
    # (2P, T, D), 0 on padded snippets.
    rows = batch.features.index_select(0, batch.rows[:count].flatten()).float().unflatten(0, mask.shape)
    inside = weights.transpose(1, 2) @ rows  # H, (2P, C, D)
    outside = (rows.sum(1, keepdim=True) - inside) / (mask.sum(1) - 1).clamp(min=1)[:, None, None]  # G
    inside, outside = directions(inside), directions(outside)
    (first, second), (first_outside, second_outside) = ((part[::2], part[1::2]) for part in (inside, outside))
    similarity = (first * second).sum(-1)  # (P, C), cosine of H_1 and H_2
    # With d = 1 - cosine, each hinge is [cos(H, G) - cos(H_1, H_2) + margin]_+.
    loss = sum(
        F.relu((own * other).sum(-1) - similarity + margin)
        for own, other in ((first, second_outside), (second, first_outside))
    )
    shared = video_labels[:count:2] * video_labels[1:count:2]
    return 0.5 * (loss * shared).sum() / shared.sum().clamp(min=1)


@MODELS.register_module()
class CoActivityLoss(nn.Module):
    """Module of :func:`co_activity_loss`, which compares videos that share a class, in pairs.

    ``SharedClassBatchSampler`` begins each batch with such pairs.

    Args:
        num_pairs: Number of pairs in a batch.
        margin: See :func:`co_activity_loss`.
        loss_weight: Factor of the loss.
    """

    def __init__(self, num_pairs: int = 3, margin: float = 0.5, loss_weight: float = 1.0) -> None:
        super().__init__()
        check_numbers('CoActivityLoss', 0, whole=True, num_pairs=num_pairs)
        check_numbers('CoActivityLoss', 0, margin=margin, loss_weight=loss_weight)
        self.num_pairs = num_pairs
        self.margin = margin
        self.loss_weight = loss_weight

    def forward(self, batch: SnippetBatch, logits: Tensor, video_labels: Tensor) -> Tensor:
        """Compute the loss; arguments as in :func:`co_activity_loss`."""
        return self.loss_weight * co_activity_loss(batch, logits, video_labels, self.num_pairs, self.margin)
