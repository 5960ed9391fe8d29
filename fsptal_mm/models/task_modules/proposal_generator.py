"""From snippet scores to scored segments in seconds (method: Appendix C)."""

import numpy as np
import torch
from mmaction.registry import TASK_UTILS
from torch.nn import functional as F

from fsptal_mm.errors import InputError, check_numbers

from .nms import find_nms


@TASK_UTILS.register_module()
class ProposalGenerator:
    """Thresholds the scores of one video at many levels and scores every run above a level by inner minus outer.

    Args:
        video_threshold: theta_vid; classes whose video-level score reaches it are localised, else the best one alone.
        upsampling: u, points per snippet that scores are interpolated at.
        score_levels: Levels of q-hat; a level of 0 means "above 0", others "at least".
        background_levels: Levels of ``1 - b``, in the same sense.
        outer_ratio: Outer range on each side as a share of the run, rounded up.
        video_weight: Weight of the class's video-level score that is added to a proposal's score.
        nms: ``dict(type='nms', iou_threshold=...)`` or ``dict(type='soft_nms', sigma=..., min_score=...)``,
            class-wise. The best threshold depends on how short the actions are. With compiled mmcv also
            ``'mmcv.nms'`` and ``'mmcv.soft_nms'``, with the arguments of its operators.
        max_proposals: At most this many per video, the best ones; ``None`` for all.
    """

    def __init__(
        self,
        video_threshold=0.25,
        upsampling=24,
        score_levels=(0, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225),
        background_levels=(0.5, 0.525, 0.55, 0.575, 0.6, 0.625, 0.65, 0.675, 0.7),
        outer_ratio=0.25,
        video_weight=0.2,
        nms=None,
        max_proposals=None,
    ):
        check_numbers('ProposalGenerator', 0, video_threshold=video_threshold, outer_ratio=outer_ratio)
        check_numbers('ProposalGenerator', 0, 1, video_weight=video_weight)
        check_numbers('ProposalGenerator', 1, whole=True, upsampling=upsampling)
        check_numbers('ProposalGenerator', 1, whole=True, optional=True, max_proposals=max_proposals)
        for name, levels in (('score_levels', score_levels), ('background_levels', background_levels)):
            if not isinstance(levels, (list, tuple)):
                raise InputError('a list of numbers', field=f'ProposalGenerator.{name}', found=levels)
            check_numbers('ProposalGenerator', -1, **{f'{name}[{place}]': level for place, level in enumerate(levels)})
        nms = dict(nms or dict(type='nms', iou_threshold=0.7))
        self.nms, self.nms_args = find_nms(nms.pop('type')), nms
        self.video_threshold = video_threshold
        self.upsampling = upsampling
        self.score_levels = score_levels
        self.background_levels = background_levels
        self.outer_ratio = outer_ratio
        self.video_weight = video_weight
        self.max_proposals = max_proposals

    @torch.no_grad()
    def __call__(self, scores, background, video_scores, grid, duration_sec):
        """Localise the actions of one video.

        Args:
            scores (Tensor): ``(T, C)``, q-hat.
            background (Tensor): ``(T,)``, b.
            video_scores (Tensor): ``(C,)``, Q_v.
            grid (SnippetGrid): Where the video's snippets lie.
            duration_sec (float): Proposals end here at the latest.

        Returns:
            dict[str, Tensor]: ``segments_sec (N, 2)`` float64, ``scores (N,)`` float32 in descending order and
            ``labels (N,)`` int64, on the host; N may be 0.
        """
        video_scores = video_scores.float()
        classes = (video_scores >= self.video_threshold).nonzero()[:, 0]
        if not len(classes):
            classes = video_scores.argmax(keepdim=True)
        curves = self._upsample(torch.cat([scores[:, classes], background[:, None]], 1).float())
        not_background = 1 - curves[-1]
        proposals = []
        for label, curve in zip(classes.tolist(), curves[:-1]):
            start, end = self._runs(curve, not_background)
            score = self._inner_minus_outer(curve, start, end) + self.video_weight * video_scores[label]
            points = torch.stack([start, end], 1).cpu().numpy()
            segments = np.clip(grid.to_sec(points / self.upsampling), 0, duration_sec)
            score = score.float().cpu().numpy()
            inside = segments[:, 1] > segments[:, 0]
            segments, score = segments[inside], score[inside]
            keep, score = self.nms(segments, score, **self.nms_args)
            proposals.append((segments[keep], score, np.full(len(keep), label)))
        segments, score, labels = (np.concatenate(parts) for parts in zip(*proposals))
        best = np.argsort(-score, kind='stable')[: self.max_proposals]
        return dict(
            segments_sec=torch.from_numpy(segments[best]),
            scores=torch.from_numpy(score[best]),
            labels=torch.from_numpy(labels[best]),
        )

    def _upsample(self, scores):
        """``(T, K)`` to ``(K, T * u)`` at ``x_j = (j + 1/2) / u - 1/2``, constant beyond the end snippets' centres."""
        return F.interpolate(scores.t()[None], scale_factor=float(self.upsampling), mode='linear')[0]

    def _runs(self, curve, not_background):
        """Distinct runs ``start <= j < end`` of points above any level; each ``(N,)``."""
        above = [curve > level if level == 0 else curve >= level for level in self.score_levels]
        above += [not_background > level if level == 0 else not_background >= level for level in self.background_levels]
        change = F.pad(torch.stack(above).to(torch.int8), (1, 1)).diff(dim=1)
        start, end = (change == 1).nonzero()[:, 1], (change == -1).nonzero()[:, 1]
        runs = torch.unique(start * (len(curve) + 1) + end)
        return runs // (len(curve) + 1), runs % (len(curve) + 1)

    def _inner_minus_outer(self, curve, start, end):
        """Mean score inside a run minus the mean over both outer ranges (0 if they are empty)."""
        total = F.pad(curve.double().cumsum(0), (1, 0))
        # Rounded up, as in Eq. 8: with an empty outer range, runs of a few points would outrank whole actions.
        reach = ((end - start) * self.outer_ratio).ceil().long()
        left, right = (start - reach).clamp(min=0), (end + reach).clamp(max=len(curve))
        inner_sum = total[end] - total[start]
        outer_sum = total[right] - total[left] - inner_sum
        outer_length = (right - left) - (end - start)
        return inner_sum / (end - start) - outer_sum / outer_length.clamp(min=1)
