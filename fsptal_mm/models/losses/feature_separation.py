"""Feature separation loss (method: Sec. 3.5, Eq. 10-14)."""

import torch
from mmaction.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.models.directions import directions
from fsptal_mm.structures import SnippetBatch
from fsptal_mm.utils.errors import check_flags, check_numbers

_PAIRS_AT_ONCE = 2**21  # cosines held at a time while hard pairs are searched: 8 MB


def feature_separation_loss(
    embedding: SnippetBatch,
    labels: Tensor,
    background_labels: Tensor,
    psi_same: float = 0.95,
    psi_diff: float = 0.1,
    class_aware: bool = False,
    anchor_background: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Hinge on the cosine (Eq. 10) of every labelled snippet to its hardest partner in the video.

    The hardest partner is found without gradient, a block of pairs at a time, and only the cosines of the chosen
    pairs are computed again with gradient. A minimum or maximum has no gradient but through the chosen pair, so this
    is exact, while memory grows linearly with T. The host waits for the device three or four
    times a batch, to learn which snippets are labelled: only these are compared.

    Args:
        embedding (SnippetBatch): E, ``(R, D_e)`` rows.
        labels (Tensor): ``(B, T, C)`` bool, action labels.
        background_labels (Tensor): ``(B, T)`` bool, background labels.
        psi_same: Cosine that a snippet is to reach with the least similar one of its own kind.
        psi_diff: Cosine that an action snippet may have with the most similar background snippet.
        class_aware: Whether only action snippets that share a class are of one kind. Where a video holds many
            classes, the term as printed pulls all of them together. Off: as printed.
        anchor_background: Whether Eq. 13 compares every background snippet with its most similar action snippet, too,
            a fourth term that is added to the third, as in BackTAL (Yang et al., TPAMI 2022). Off: as printed.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Eq. 11 (background), Eq. 12 (action) and Eq. 13 (between the two, anchored at
        the action snippets). Each is a mean over the anchors of a video, 0 if it has no pair, and a mean over videos.
    """
    action = labels.any(-1)
    counts = torch.stack([action.sum(1), background_labels.sum(1)]).cpu()
    of_action, of_background = counts
    rows = torch.cat([embedding.rows[action], embedding.rows[background_labels]])
    direction = directions(embedding.features.index_select(0, rows))
    actions, backgrounds = torch.arange(len(rows), device=rows.device).split(counts.sum(1).tolist())
    least_background, least_action, most_background, most_action = _hardest_partners(
        direction.detach(), actions, backgrounds, counts, labels[action] if class_aware else None, anchor_background
    )

    def cosine(anchors, partners):
        return (direction.index_select(0, anchors) * direction.index_select(0, partners)).sum(-1)

    between = _video_mean(F.relu(cosine(actions, most_background) - psi_diff), of_action, of_background > 0)
    if anchor_background:
        hinge = F.relu(cosine(backgrounds, most_action) - psi_diff)
        between = between + _video_mean(hinge, of_background, of_action > 0)
    return (
        _video_mean(F.relu(psi_same - cosine(backgrounds, least_background)), of_background),
        _video_mean(F.relu(psi_same - cosine(actions, least_action)), of_action),
        between,
    )


@torch.no_grad()
def _hardest_partners(direction, actions, backgrounds, counts, labels, anchor_background):
    """For every labelled snippet the least similar one of its kind and the most similar one of the other, in its video.

    Args:
        direction (Tensor): ``(N + M, D_e)`` normalised embeddings of the labelled snippets.
        actions (Tensor): ``(N,)`` int64, which of them are action snippets, video after video.
        backgrounds (Tensor): ``(M,)`` int64, which are background.
        counts (Tensor): ``(2, B)`` how many of both each video has, on the host.
        labels (Tensor, optional): ``(N, C)`` bool, where an action's partner must share a class with it.
        anchor_background: Whether the most similar actions are wanted, too.

    Returns:
        tuple[Tensor, ...]: Places in ``direction``, int64, 0 for none: of the least similar background ``(M,)``, the
        least similar action ``(N,)``, the most similar background ``(N,)`` and the most similar action ``(M,)``.
    """
    of_action, of_background = counts.tolist()
    partners = [torch.zeros_like(anchors) for anchors in (backgrounds, actions, actions, backgrounds)]
    sizes = of_background, of_action, of_action, of_background
    per_video = zip(
        actions.split(of_action),
        backgrounds.split(of_background),
        zip(*(places.split(of_video) for places, of_video in zip(partners, sizes))),
        [None] * len(of_action) if labels is None else labels.float().split(of_action),
    )
    for its_actions, its_backgrounds, found, classes in per_video:
        least_background, least_action, most_background, most_action = found
        on_action, on_background = direction[its_actions], direction[its_backgrounds]
        if len(its_backgrounds):
            least_background.copy_(its_backgrounds[_least_similar(on_background, on_background)])
            most_background.copy_(its_backgrounds[_least_similar(-on_action, on_background)])
        if len(its_actions):
            least_action.copy_(its_actions[_least_similar(on_action, on_action, classes)])
            if anchor_background:
                most_action.copy_(its_actions[_least_similar(-on_background, on_action)])
    return partners


def _least_similar(anchors, candidates, classes=None):
    """Index of the candidate of the smallest cosine for each of ``(n, D_e)`` anchors, a block of them at a time.

    ``classes (n, C)`` 0/1: anchors are the candidates, too, and a partner must share a class.
    """
    block = max(1, _PAIRS_AT_ONCE // len(candidates))
    # Small results that outlive a block would fragment the heap: one tensor holds them all.
    found = torch.empty(len(anchors), dtype=torch.int64, device=anchors.device)
    with torch.autocast(anchors.device.type, enabled=False):  # a rounded cosine would choose the wrong partner
        for start in range(0, len(anchors), block):
            rows = slice(start, start + block)
            cosine = anchors[rows] @ candidates.t()
            if classes is not None:
                cosine.masked_fill_(classes[rows] @ classes.t() == 0, torch.inf)
            torch.argmin(cosine, 1, out=found[rows])
    return found


def _video_mean(hinge, counts, has_partner=None):
    """Mean over the anchors of each video, then over videos.

    Args:
        hinge (Tensor): ``(N,)`` of the anchors, video after video.
        counts (Tensor): ``(B,)`` how many each video has, on the host.
        has_partner (Tensor, optional): ``(B,)`` bool, videos that do not count as 0.
    """
    share = 1 / (counts.clamp(min=1) * len(counts))
    share = share if has_partner is None else share * has_partner
    return (hinge * share.repeat_interleave(counts).to(hinge.device, non_blocking=True)).sum()


@MODELS.register_module()
class FeatureSeparationLoss(nn.Module):
    """``L_fs = L_fs_bg + L_fs_act + L_fs_ab`` (Eq. 11-14).

    Args:
        psi_same: Of Eq. 11 and 12. Table 3's best row; the text's 0.9 contradicts it.
        psi_diff: Of Eq. 13 (Table 3).
        class_aware: See :func:`feature_separation_loss`.
        anchor_background: See there, too.
        loss_weight: lambda_4 of Eq. 15.

    Raises:
        InputError: If a threshold is no cosine.
    """

    def __init__(
        self,
        psi_same: float = 0.95,
        psi_diff: float = 0.1,
        class_aware: bool = False,
        anchor_background: bool = False,
        loss_weight: float = 1.0,
    ) -> None:
        super().__init__()
        check_numbers('FeatureSeparationLoss', -1, 1, psi_same=psi_same, psi_diff=psi_diff)  # cosines
        check_numbers('FeatureSeparationLoss', 0, loss_weight=loss_weight)
        check_flags('FeatureSeparationLoss', class_aware=class_aware, anchor_background=anchor_background)
        self.psi_same = psi_same
        self.psi_diff = psi_diff
        self.class_aware = class_aware
        self.anchor_background = anchor_background
        self.loss_weight = loss_weight

    def forward(self, embedding: SnippetBatch, labels: Tensor, background_labels: Tensor) -> dict[str, Tensor]:
        """Compute the three terms, see :func:`feature_separation_loss`.

        Returns:
            dict[str, Tensor]: ``loss_separation_background`` (Eq. 11), ``loss_separation_action`` (Eq. 12) and
            ``loss_separation_between`` (Eq. 13), scalars.
        """
        on_background, on_action, between = feature_separation_loss(
            embedding, labels, background_labels, self.psi_same, self.psi_diff, self.class_aware, self.anchor_background
        )
        return dict(
            loss_separation_background=self.loss_weight * on_background,
            loss_separation_action=self.loss_weight * on_action,
            loss_separation_between=self.loss_weight * between,
        )
