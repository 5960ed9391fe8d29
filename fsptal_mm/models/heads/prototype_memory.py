"""One prototype per class, moved slowly towards the features of its actions (HR-Pro: Zhang et al., AAAI 2024)."""

import torch
from mmengine.dist import all_reduce
from torch import Tensor, nn

from fsptal_mm.models.directions import directions
from fsptal_mm.structures import PointTargets, SnippetBatch
from fsptal_mm.utils.errors import check_numbers


class PrototypeMemory(nn.Module):
    """Prototypes ``(C, D)`` of the classes, a buffer; zeros until :meth:`fill`, and for classes without a point.

    Args:
        num_classes: Number of classes, C.
        channels: Dimension D of the features.
        momentum: Weight of a video's mean feature in the new prototype, for each video that shows the class.
    """

    def __init__(self, num_classes: int, channels: int, momentum: float = 0.001) -> None:
        super().__init__()
        check_numbers('PrototypeMemory', 0, 1, momentum=momentum)
        self.momentum = momentum
        self.register_buffer('prototypes', torch.zeros(num_classes, channels))

    def fill(self, sums: Tensor, counts: Tensor) -> None:
        """Set the prototypes to means: sums ``(C, D)`` of features, divided by counts ``(C,)``."""
        self.prototypes.copy_(sums / counts.clamp(min=1)[:, None])

    @torch.no_grad()
    def update(self, batch: SnippetBatch, seeds: PointTargets) -> None:
        """Move the prototypes: ``p_c <- (1 - momentum) p_c + momentum mean_c``, video after video.

        ``mean_c`` is the mean feature of the action seeds of class c in the video. With several processes, each process
        moves the prototypes by its own videos; :meth:`average` then keeps the mean of the results.

        Args:
            batch (SnippetBatch): Embedded features, ``(R, D)`` rows.
            seeds (PointTargets): Its ``labels`` are the action seeds.
        """
        labels, keep = seeds.labels.float(), 1 - self.momentum
        count = labels.sum(1)  # (B, C)
        shows = count > 0
        # All videos at once: a mean with n later videos of its class in the batch gets the weight momentum * keep^n,
        # and the old prototype gets keep^(number of videos of the class).
        later = shows.sum(0) - shows.cumsum(0)  # (B, C)
        weight = self.momentum * keep**later * shows / count.clamp(min=1)
        weight = (labels * weight[:, None]).flatten(0, 1)  # (B * T, C), of each snippet
        weight = weight.new_zeros(len(batch.features), weight.shape[1]).index_add(0, batch.rows.flatten(), weight)
        moved = keep ** shows.sum(0)[:, None] * self.prototypes + weight.t() @ batch.features.float()
        self.prototypes.copy_(moved)

    @torch.no_grad()
    def average(self) -> None:
        """Average the prototypes over processes."""
        all_reduce(self.prototypes, 'mean')


def prototype_contrast(
    batch: SnippetBatch, prototypes: Tensor, seeds: PointTargets, temperature: float = 0.1
) -> Tensor:
    """Contrast loss, small where seeds are similar to the prototype of their class.

    They should be more similar to it than to other prototypes, and than background seeds are. The loss of class c is
    ``-1/2 log(A_cc / sum_k A_ck) - 1/2 log(A_cc / (A_cc + B_c))``. ``A_ck`` is the mean of
    ``exp(cos(F_t, p_k) / temperature)`` over the action seeds t of class c, and ``B_c`` the mean of
    ``exp(cos(F_t, p_c) / temperature)`` over the background seeds t. The second part is 0 in a video without background
    seeds.

    Args:
        batch (SnippetBatch): Embedded features F, ``(R, D)`` rows.
        prototypes (Tensor): ``(C, D)``.
        seeds (PointTargets): Action and background seeds.
        temperature: Divides the cosines.

    Returns:
        Tensor: Scalar; the sum over the classes with seeds in a video, divided by the number of classes that the video
        shows; then the mean over videos.
    """
    cosine = directions(batch.features, 1 / temperature) @ directions(prototypes).t()
    similarity = batch.pad((cosine / temperature).exp())  # (B, T, C)
    labels, background = seeds.labels.float(), seeds.background_labels.float()
    count = labels.sum(1)
    has_seeds = count > 0
    to_all = labels.transpose(1, 2) @ similarity / count.clamp(min=1)[..., None]  # A, (B, C, C)
    own, total = to_all.diagonal(dim1=1, dim2=2), to_all.sum(2)
    of_background = (background[:, None] @ similarity)[:, 0] / background.sum(1, keepdim=True).clamp(min=1)
    own, total = (part.where(has_seeds, 1) for part in (own, total))  # no logarithm of 0
    loss = 0.5 * (total.log() - own.log()) + 0.5 * ((own + of_background).log() - own.log())
    return (loss.where(has_seeds, 0).sum(1) / seeds.video_labels.sum(1).clamp(min=1)).mean()
