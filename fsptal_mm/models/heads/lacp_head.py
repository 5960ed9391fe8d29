"""LACP (Lee & Byun, "Learning Action Completeness from Points", ICCV 2021), a baseline on the same trunk and proposals.

Constants are those of its public code (github.com/Pilhyeon/Learning-Action-Completeness-from-Points). There, every 10
steps, seeds and segments are searched in all videos. Here, every step searches them in its own batch, by scores without
dropout.
"""

from dataclasses import replace
from typing import Any

import torch
from mmaction.registry import MODELS, TASK_UTILS
from mmaction.structures import ActionDataSample
from torch import Tensor, nn
from torch.nn import functional as F

from fsptal_mm.models.directions import directions
from fsptal_mm.models.losses import VideoLevelLoss, point_focal_loss, pool_video_scores, segment_contrast
from fsptal_mm.models.losses.score_contrast import group_mean
from fsptal_mm.models.task_modules import PseudoLabelMiner
from fsptal_mm.structures import NO_INSTANCE, PointTargets, SegmentLabels, SnippetBatch
from fsptal_mm.utils.errors import check_numbers

from .point_tal_head import PointTALHead
from .snippet_head import SnippetScores

_SAMPLES_PER_RUN = 3  # a run is represented by the mean of one random snippet of each of its thirds
_EXCLUDED = -1e9  # logit of a pair that does not count


@TASK_UTILS.register_module()
class LACPSeedMiner(PseudoLabelMiner):
    """Miner of the background and action seeds of LACP.

    Background is mined by rules 1-3 of :class:`.PseudoLabelMiner`. Before the first point, all snippets up to the last
    background snippet are background, too; behind the last point, all from the first background snippet on. Action
    seeds spread from a point to both sides, up to the first snippet whose background score b is above
    ``action_threshold``. They take the point's label, whatever their class scores are.

    Args:
        background_threshold: gamma, above which b makes a snippet background.
        action_threshold: Largest b of an action seed; 0.1 as in the public code.
    """

    def __init__(self, background_threshold: float | None = 0.95, action_threshold: float | None = 0.1) -> None:
        super().__init__(background_threshold, action_threshold)

    def _mine_background(self, background_scores, targets, points):
        background, ends = super()._mine_background(background_scores, targets, points)
        is_point = points.here
        before_points = is_point.cumsum(1) == 0
        after_points = is_point.flip(1).cumsum(1).flip(1) == 0
        # Snippets before the first point that background follows, and snippets behind the last point that background
        # precedes.
        followed = (background & before_points).flip(1).cummax(1).values.flip(1)
        preceded = (background & after_points).cummax(1).values
        return (background | followed | preceded) & targets.mask, ends

    def _mine_actions(self, scores, background_scores, background, targets, points, ends):
        passable = targets.mask & ~background & (background_scores <= self.action_threshold)
        # No snippet is reached from two points: between two points that are not adjacent lies a background snippet.
        instances = _spread_to_right(targets.snippet_instances, points.here, passable)
        return _spread_to_right(instances.flip(1), points.here.flip(1), passable.flip(1)).flip(1)


def _spread_to_right(instances, is_point, passable):
    """Copy the ``(B, T, C)`` instances of each point to the unbroken run of passable snippets to its right."""
    index = torch.arange(is_point.shape[1], device=is_point.device).expand(is_point.shape)
    # For each snippet, the last point and the last impassable snippet (wall) up to it. The point's label reaches the
    # snippet if the point comes after the wall.
    point = index.masked_fill(~is_point, -1).cummax(1).values
    wall = index.masked_fill(passable | is_point, -1).cummax(1).values
    rows = instances.gather(1, point.clamp(min=0)[..., None].expand_as(instances))
    return torch.where((point > wall)[..., None], rows, instances)


@MODELS.register_module()
class LACPVideoLoss(VideoLevelLoss):
    """Binary cross-entropy of video-level class scores, without background.

    Classes that the video shows are pooled by the mean of the top k, absent classes by the mean over all snippets.
    """

    def forward(
        self,
        class_scores: Tensor,
        background_scores: Tensor,
        mask: Tensor,
        video_labels: Tensor,
        foreground_scores: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute the loss from the arguments of :class:`.VideoLevelLoss`; returns a dict with ``loss_video``."""
        pooled = pool_video_scores(class_scores, mask, self.topk_divisor, video_labels)
        return dict(loss_video=self._cross_entropy(pooled, video_labels))


@MODELS.register_module()
class LACPPointLoss(nn.Module):
    """Focal loss at the given points and at background seeds. At points, b is one more class with target 0.

    Args:
        exponent: Focusing exponent.
        action_weight: Weight of the term on points.
        background_weight: Weight of the term on background seeds.
    """

    def __init__(self, exponent: float = 2, action_weight: float = 0.5, background_weight: float = 1.0) -> None:
        super().__init__()
        weights = dict(action_weight=action_weight, background_weight=background_weight)
        check_numbers('LACPPointLoss', 0, exponent=exponent, **weights)
        self.exponent = exponent
        self.action_weight = action_weight
        self.background_weight = background_weight

    def forward(self, scores: Tensor, background_scores: Tensor, targets: PointTargets) -> dict[str, Tensor]:
        """Compute the loss; arguments and result as in :class:`.PointFocalLoss`."""
        # Background as class C, which no snippet is labelled with.
        extended = replace(targets, snippet_instances=F.pad(targets.snippet_instances, (0, 1), value=NO_INSTANCE))
        all_scores = torch.cat([scores, background_scores[..., None]], -1)
        on_action, _ = point_focal_loss(all_scores, background_scores, extended, self.exponent)
        _, on_background = point_focal_loss(scores, background_scores, targets, self.exponent)
        return dict(
            loss_point_action=self.action_weight * on_action,
            loss_point_background=self.background_weight * on_background,
        )


@MODELS.register_module()
class LACPHead(PointTALHead):
    """Head of LACP, with a video-level loss, a point-level loss, and contrast losses on action and background runs.

    For each class of a video, a search cuts the video into action runs and background runs that agree with the seeds
    and have high outer-inner contrasts. One contrast loss compares the scores of the runs (``score_contrast``), the
    other one their features (``feature_contrast``).

    Args:
        *args: As in :class:`PointTALHead`, without a foreground branch.
        searcher (dict): Config of ``SegmentSearcher``. By default, runs of background have a contrast, too, and outer
            ranges are cut only by the ends of the video, as in LACP.
        temperature: tau, which divides the cosines of the feature contrast.
        score_weight: Weight of the score contrast.
        feature_weight: Weight of the feature contrast.
        **kwargs: As in :class:`PointTALHead`.
    """

    uses_foreground = False

    def __init__(
        self,
        *args: Any,
        video_loss: dict = dict(type='LACPVideoLoss'),
        point_loss: dict = dict(type='LACPPointLoss'),
        miner: dict = dict(type='LACPSeedMiner'),
        searcher: dict = dict(type='SegmentSearcher', original=True, background_segments=True),
        temperature: float = 0.1,
        score_weight: float = 1.0,
        feature_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        check_numbers('LACPHead', 0, score_weight=score_weight, feature_weight=feature_weight)
        check_numbers('LACPHead', 1e-6, temperature=temperature)
        super().__init__(*args, video_loss=video_loss, point_loss=point_loss, miner=miner, **kwargs)
        self.searcher = TASK_UTILS.build(searcher)
        self.temperature = temperature
        self.score_weight = score_weight
        self.feature_weight = feature_weight

    def loss(self, batch: SnippetBatch, data_samples: list[ActionDataSample]) -> dict[str, Tensor]:
        """Losses of a training batch: those of :meth:`PointTALHead.loss`, ``loss_score`` and ``loss_feature``."""
        scores = SnippetScores.from_logits(batch.pad(self(batch)))
        given, seeds, runs = self.mine(batch, data_samples)
        losses = self.loss_by_feat(scores, given.with_background(seeds.background_labels))
        losses['loss_score'] = self.score_weight * score_contrast(scores.final, runs)
        losses['loss_feature'] = self.feature_weight * feature_contrast(batch, runs, self.temperature)
        return losses

    def search(self, scores: Tensor, targets: PointTargets) -> SegmentLabels:
        """Search runs of action and of background, as :meth:`PointTALHead.search` searches segments."""
        # LACP takes adjacent seeds of one class for one action: all action seeds of a class get the instance number 0.
        return self.searcher(scores, replace(targets, snippet_instances=torch.where(targets.labels, 0, NO_INSTANCE)))


def score_contrast(scores: Tensor, runs: SegmentLabels) -> Tensor:
    """Compute the score contrast loss, ``(I_action + I_background)^2``.

    I is the mean of ``1 - contrast`` over the runs of a kind in a video; the contrast is the outer-inner contrast, see
    :func:`.segment_contrast`.

    Args:
        scores (Tensor): ``(B, T, C)`` q-hat, with gradient.
        runs (SegmentLabels): Action and background runs of every class of every video.

    Returns:
        Tensor: Scalar, mean over videos.
    """
    video = runs.video[runs.group]
    incomplete = 1 - segment_contrast(scores, runs).float()
    of_actions, of_background = (
        group_mean(incomplete, video, len(scores), kind) for kind in (~runs.is_background, runs.is_background)
    )
    return (of_actions + of_background).square().mean()


def feature_contrast(batch: SnippetBatch, runs: SegmentLabels, temperature: float) -> Tensor:
    """InfoNCE between the runs of one class in one video: action runs become similar, and unlike background runs.

    Anchors are the action runs of classes with at least two action runs. For an anchor with features f, the loss is
    ``-log(A / (A + B))``. A is the sum of ``exp(cos(f, f_n) / temperature)`` over the other action runs n of the class
    in the video. B is this sum over the background runs n, that is, the stretches of the video without the class.

    Args:
        batch (SnippetBatch): Embedded features F, ``(R, D)`` rows.
        runs (SegmentLabels): As in :func:`score_contrast`.
        temperature: Divides the cosines.

    Returns:
        Tensor: Scalar; mean over the anchors of a class, then over the classes of a video, then over videos. (The
        public code keeps only the last class of each video.)
    """
    group, is_action = runs.group, ~runs.is_background
    features = directions(_sample_features(batch, runs), scale=1 / temperature)
    excluded = (group[:, None] != group).fill_diagonal_(True)  # (N, N), other groups, and the run itself
    with torch.autocast(features.device.type, enabled=False):  # _EXCLUDED does not fit into float16
        logits = (features @ features.t() / temperature).masked_fill(excluded, _EXCLUDED)
    contrast = logits.logsumexp(1) - logits.masked_fill(~is_action, _EXCLUDED).logsumexp(1)
    is_anchor = is_action & (is_action & ~excluded).any(1)
    per_class = group_mean(contrast, group, len(runs.video), is_anchor)
    has_anchor = torch.zeros_like(runs.video).index_add(0, group, is_anchor.long()) > 0
    return group_mean(per_class, runs.video, len(batch.lengths), has_anchor).mean()


def _sample_features(batch, runs):
    """Features ``(N, D)`` of every run: the mean of three random snippets, one from each third of the run."""
    third = torch.arange(_SAMPLES_PER_RUN, device=runs.start.device)
    length = (runs.stop - runs.start)[:, None]
    low = length * third // _SAMPLES_PER_RUN
    width = (length * (third + 1) // _SAMPLES_PER_RUN - low).clamp(min=1)
    snippet = runs.start[:, None] + low + (torch.rand(low.shape, device=low.device) * width).long()
    return batch.features[batch.rows[runs.video[runs.group][:, None], snippet]].float().mean(1)
