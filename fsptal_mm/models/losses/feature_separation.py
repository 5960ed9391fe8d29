"""Feature separation loss (method: Sec. 3.5, Eq. 10-14)."""

import torch
from mmaction.registry import MODELS
from torch import nn
from torch.nn import functional as F

from fsptal_mm.errors import check_numbers

_NORM_EPS = 1e-4  # shorter embeddings count as similar to nothing, and their gradients fit into float16
_PAIRS_AT_ONCE = 2**21  # cosines held at a time while hard pairs are searched: 8 MB


def feature_separation_loss(embedding, labels, background, psi_same=0.95, psi_diff=0.1, class_aware=False):
    """Hinge on the cosine (Eq. 10) of every labelled snippet to its hardest partner in the video.

    The hardest partner is found without gradient, a block of pairs at a time, and only the cosines of the chosen
    pairs are computed again with gradient. A minimum or maximum has no gradient but through the chosen pair, so this
    is exact, while memory grows linearly with T. Nothing waits for the device.

    Args:
        embedding (SnippetBatch): E, ``(R, D_e)`` rows.
        labels (Tensor): ``(B, T, C)`` bool, action labels.
        background (Tensor): ``(B, T)`` bool, background labels.
        psi_same: Cosine that a snippet is to reach with the least similar one of its own kind.
        psi_diff: Cosine that an action snippet may have with the most similar background snippet.
        class_aware: Whether only action snippets that share a class are of one kind. Where a video holds many
            classes, the term as printed pulls all of them together. Off: as printed.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Eq. 11 (background), Eq. 12 (action) and Eq. 13 (between the two, anchored at
        the action snippets). Each is a mean over the anchors of a video, 0 if it has no pair, and a mean over videos.
    """
    video_terms = []
    for video, features in enumerate(embedding.split(embedding.features)):
        own_labels, own_background = labels[video, : len(features)], background[video, : len(features)]
        direction = F.normalize(features.float(), dim=-1, eps=_NORM_EPS)
        partners = _hardest_partners(direction, own_labels, own_background, class_aware)
        same_background, same_action, between = ((direction * direction[partner]).sum(-1) for partner in partners)
        action = own_labels.any(-1)
        terms = (
            _anchor_mean(F.relu(psi_same - same_background), own_background),
            _anchor_mean(F.relu(psi_same - same_action), action),
            _anchor_mean(F.relu(between - psi_diff), action & own_background.any()),
        )
        video_terms.append(torch.stack(terms))
    return torch.stack(video_terms).mean(0).unbind()


@torch.no_grad()
def _hardest_partners(direction, labels, background, class_aware):
    """For every snippet the least similar background, least similar action and most similar background snippet.

    Args:
        direction (Tensor): ``(T, D_e)`` normalised embeddings of one video.
        labels (Tensor): ``(T, C)`` bool.
        background (Tensor): ``(T,)`` bool.
        class_aware: Action snippets must share a class with the anchor.

    Returns:
        tuple[Tensor, Tensor, Tensor]: ``(T,)`` int64 each; arbitrary where there is no snippet of the kind.
    """
    block = max(1, _PAIRS_AT_ONCE // len(direction))
    classes = labels.float()
    # Adding infinity excludes snippets several times faster than filling them in does.
    no_background = torch.zeros_like(direction[:, 0]).masked_fill(~background, torch.inf)
    no_action = torch.zeros_like(no_background).masked_fill(~labels.any(-1), torch.inf)
    # Small results that outlive a block would fragment the heap: one tensor holds them all.
    partners = torch.empty((3, len(direction)), dtype=torch.int64, device=direction.device)
    with torch.autocast(direction.device.type, enabled=False):  # a rounded cosine would choose the wrong partner
        for rows, row_classes, found in zip(direction.split(block), classes.split(block), partners.split(block, 1)):
            cosine = rows @ direction.t()
            found[0] = (cosine + no_background).argmin(1)
            found[2] = (cosine - no_background).argmax(1)
            if class_aware:
                cosine.masked_fill_(row_classes @ classes.t() == 0, torch.inf)
            found[1] = (cosine + no_action).argmin(1)
    return partners.unbind()


def _anchor_mean(hinge, chosen):
    """Mean over the chosen snippets of one video; ``(T,)`` each."""
    return hinge.masked_fill(~chosen, 0).sum() / chosen.sum().clamp(min=1)


@MODELS.register_module()
class FeatureSeparationLoss(nn.Module):
    """``L_fs = L_fs_bg + L_fs_act + L_fs_ab`` (Eq. 11-14).

    Args:
        psi_same: Of Eq. 11 and 12. Table 3's best row; the text's 0.9 contradicts it.
        psi_diff: Of Eq. 13 (Table 3).
        class_aware: See :func:`feature_separation_loss`.
        loss_weight: lambda_4 of Eq. 15.

    Raises:
        InputError: If a threshold is no cosine.
    """

    def __init__(self, psi_same=0.95, psi_diff=0.1, class_aware=False, loss_weight=1.0):
        super().__init__()
        check_numbers('FeatureSeparationLoss', -1, 1, psi_same=psi_same, psi_diff=psi_diff)  # cosines
        check_numbers('FeatureSeparationLoss', 0, loss_weight=loss_weight)
        self.psi_same = psi_same
        self.psi_diff = psi_diff
        self.class_aware = class_aware
        self.loss_weight = loss_weight

    def forward(self, embedding, labels, background):
        """Compute the three terms, see :func:`feature_separation_loss`.

        Returns:
            dict[str, Tensor]: ``loss_separation_background`` (Eq. 11), ``loss_separation_action`` (Eq. 12) and
            ``loss_separation_between`` (Eq. 13), scalars.
        """
        on_background, on_action, between = feature_separation_loss(
            embedding, labels, background, self.psi_same, self.psi_diff, self.class_aware
        )
        return dict(
            loss_separation_background=self.loss_weight * on_background,
            loss_separation_action=self.loss_weight * on_action,
            loss_separation_between=self.loss_weight * between,
        )
