"""Feature separation loss (paper: Sec. 3.5, Eq. 10-14)."""

from dataclasses import replace

import numpy as np
import torch
from mmaction.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.models.directions import directions
from fsptal_mm.structures import PointTargets, SnippetBatch, to_device
from fsptal_mm.utils.errors import check_flags, check_numbers

from .hardest_partners import Relation, hardest_partners

_ACTION, _BACKGROUND = 0, 1
_AMONG_ACTIONS = Relation(_ACTION, _ACTION)
_RELATIONS = [
    Relation(_BACKGROUND, _ACTION, most=True),  # BackTAL's addition to Eq. 13
    Relation(_ACTION, _BACKGROUND, most=True),  # Eq. 13
    Relation(_BACKGROUND, _BACKGROUND),  # Eq. 11
    _AMONG_ACTIONS,  # Eq. 12
]


def feature_separation_loss(
    embedding: SnippetBatch,
    kinds: Tensor,
    labels: Tensor | None = None,
    psi_same: float = 0.95,
    psi_diff: float = 0.1,
    anchor_background: bool = False,
    counts: np.ndarray | None = None,
    loss_weight: float = 1.0,
) -> tuple[Tensor, Tensor, Tensor]:
    """Hinge on the cosine (Eq. 10) of every labelled snippet with its hardest partner in the video.

    The hardest partner is the least similar snippet of the same kind, or the most similar snippet of the other kind.
    Partners are found without gradient; then the cosines of these pairs are computed with gradient. This is exact,
    because a minimum or maximum has a gradient through the chosen pair only. Memory grows linearly with T.

    Args:
        embedding (SnippetBatch): E, ``(R, D_e)`` rows.
        kinds (Tensor): ``(2, B, T)`` bool, action snippets and background snippets, see :attr:`.PointTargets.kinds`.
        labels (Tensor, optional): ``(B, T, C)`` bool, classes of the action snippets: Eq. 12 then compares only action
            snippets that share a class. Without labels, it compares all action snippets, as the paper prints, and so
            pulls the different classes of a video together.
        psi_same: Least cosine without loss between a snippet and the least similar one of its own kind.
        psi_diff: Largest cosine without loss between an action snippet and the most similar background snippet.
        anchor_background: Whether there is a fourth term, which compares every background snippet with its most similar
            action snippet and is added to Eq. 13, as in BackTAL (Yang et al., TPAMI 2022). ``False``: as the paper
            prints.
        counts (np.ndarray, optional): ``(2, B)`` number of action and of background snippets of each video; by default
            they are fetched from the device, for which the host waits.
        loss_weight: Factor of all terms.

    Returns:
        tuple[Tensor, Tensor, Tensor]: Eq. 11 (background with background), Eq. 12 (action with action) and Eq. 13
        (action with background; action snippets are the anchors). Each is a mean over the anchors of a video (0 if the
        video has no pair), then over videos.
    """
    counts = np.asarray(kinds.sum(-1).cpu() if counts is None else counts)
    rows = _chosen_rows(kinds, embedding.rows, int(counts.sum()))
    direction = directions(embedding.features.index_select(0, rows))  # (N, D_e)
    classes = None if labels is None else labels.flatten(0, 1)[embedding.places.index_select(0, rows)]
    relations = _RELATIONS if anchor_background else _RELATIONS[1:]
    relations = [replace(part, share_class=labels is not None and part is _AMONG_ACTIONS) for part in relations]
    pairs, videos = hardest_partners(direction.detach(), counts, relations, classes)
    anchors, partners = direction.index_select(0, pairs.flatten()).unflatten(0, pairs.shape).unbind()
    cosine = (anchors * partners).sum(-1)  # (A,), relation after relation

    # All relations at once, as [threshold + sign * cosine]_+ * weight: Eq. 11 and 12 are [psi_same - cosine]_+, Eq. 13
    # is [-psi_diff + cosine]_+. The weights turn the sum into a mean over the anchors of a video and over videos.
    sizes = list(map(len, videos))
    sizes_of_terms = [sum(sizes[:-2]), *sizes[-2:]]  # between kinds (1 or 2 relations), background, action
    share = loss_weight / (counts.clip(min=1) * counts.shape[1])  # (2, B)
    most = np.array([part.most for part in relations]).repeat(sizes)
    weights = [share[part.anchors][video] for part, video in zip(relations, videos)]
    factors = np.stack([np.where(most, 1, -1), np.where(most, -psi_diff, psi_same), np.concatenate(weights)])
    (factors,) = to_device(direction.device, factors.astype(np.float32))
    sign, threshold, weight = factors
    hinges = F.relu(torch.addcmul(threshold, sign, cosine)) * weight
    between, on_background, on_action = (part.sum() for part in hinges.split(sizes_of_terms))
    return on_background, on_action, between


def _chosen_rows(kinds, rows, total):
    """Rows ``(N,)`` of all action snippets, then of all background snippets, out of ``(B, T)`` rows."""
    chosen = kinds.flatten()
    order = chosen.cumsum(0) * chosen  # 1, 2, ... for the chosen snippets; 0, which is thrown away, for the others
    return rows.new_empty(total + 1).scatter_(0, order, rows.flatten().repeat(len(kinds)))[1:]


@MODELS.register_module()
class FeatureSeparationLoss(nn.Module):
    """Feature separation loss ``L_fs = L_fs_bg + L_fs_act + L_fs_ab`` (Eq. 11-14).

    It makes background snippets similar (Eq. 11), action snippets similar (Eq. 12), and the two kinds different
    (Eq. 13).

    Args:
        psi_same: Threshold of Eq. 11 and 12. 0.95 is in the best row of Table 3; the paper's text says 0.9.
        psi_diff: Threshold of Eq. 13 (Table 3).
        class_aware: Whether Eq. 12 compares only action snippets that share a class, see
            :func:`feature_separation_loss`.
        anchor_background: Whether background snippets are anchors, too, see :func:`feature_separation_loss`.
        loss_weight: lambda_4 of Eq. 15.

    Raises:
        InputError: A threshold is not in [-1, 1], where cosines lie.
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
        check_numbers('FeatureSeparationLoss', -1, 1, psi_same=psi_same, psi_diff=psi_diff)
        check_numbers('FeatureSeparationLoss', 0, loss_weight=loss_weight)
        check_flags('FeatureSeparationLoss', class_aware=class_aware, anchor_background=anchor_background)
        self.psi_same = psi_same
        self.psi_diff = psi_diff
        self.class_aware = class_aware
        self.anchor_background = anchor_background
        self.loss_weight = loss_weight

    def forward(
        self, embedding: SnippetBatch, targets: PointTargets, counts: np.ndarray | None = None
    ) -> dict[str, Tensor]:
        """Compute the three terms, see :func:`feature_separation_loss`.

        Returns:
            dict[str, Tensor]: ``loss_separation_background`` (Eq. 11), ``loss_separation_action`` (Eq. 12) and
            ``loss_separation_between`` (Eq. 13), scalars.
        """
        labels = targets.labels if self.class_aware else None
        switches = self.psi_same, self.psi_diff, self.anchor_background
        on_background, on_action, between = feature_separation_loss(
            embedding, targets.kinds, labels, *switches, counts, self.loss_weight
        )
        return dict(
            loss_separation_background=on_background,
            loss_separation_action=on_action,
            loss_separation_between=between,
        )
