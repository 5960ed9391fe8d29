"""Proposals from snippet scores: scored segments in seconds (paper: Appendix C)."""

from collections.abc import Sequence

import numpy as np
import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor
from torch.nn import functional as F

from fsptal_mm.structures import SnippetGrid, outer_length
from fsptal_mm.utils.errors import InputError, check_flags, check_numbers

from .nms import find_nms


@TASK_UTILS.register_module()
class ProposalGenerator:
    """Generator of proposals from the interpolated scores of one video.

    Every unbroken run of points whose scores are above a level is a proposal, for each of many levels. The score of a
    proposal is ``mean inside - mean in its outer ranges + video_weight * Q_v``.

    Args:
        video_threshold: theta_vid; a class is detected if its video-level score reaches this.
        relative_threshold: Whether ``video_threshold`` is a share of the best video-level score of the video. Meant for
            scores of a softmax, which are small where a video shows many classes.
        fallback: Whether the best class is detected if no class reaches ``video_threshold``.
        upsampling: u, number of points in each snippet at which scores are interpolated.
        score_levels: Levels of q-hat; a level of 0 means "above 0", others "at least".
        background_levels: Levels of ``1 - b``, in the same sense; runs above them are proposals of every detected
            class.
        min_points: Runs of fewer interpolated points are left out.
        outer_ratio: Length of the outer range on each side, as a share of the run, rounded up.
        outer_curve: Curve from which runs above a level of q-hat are scored. ``'raw'``, the default: the whole curve,
            and a run that several levels find is one proposal. ``'cut'``, as in the public codes of BackTAL, HR-Pro and
            ASM-Loc: the curve that is 0 wherever it is not above the level, so that low scores in an outer range count
            as 0, and a run is one proposal for each level that finds it. Runs above a level of ``1 - b`` are always
            scored from the whole curve.
        video_weight: Weight of the class's video-level score Q_v in the score of a proposal.
        nms: Class-wise NMS, ``dict(type='nms', iou_threshold=...)`` (by default with 0.7) or ``dict(type='soft_nms',
            sigma=..., min_score=...)``. The best threshold depends on how short the actions are. With compiled mmcv
            also the types ``'mmcv.nms'`` and ``'mmcv.soft_nms'``, with the arguments of mmcv's operators.
        max_proposals: Largest number of proposals of a video; the best ones are kept. ``None`` for all.
    """

    def __init__(
        self,
        video_threshold: float = 0.25,
        relative_threshold: bool = False,
        fallback: bool = True,
        upsampling: int = 24,
        score_levels: Sequence[float] = (0, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225),
        background_levels: Sequence[float] = (0.5, 0.525, 0.55, 0.575, 0.6, 0.625, 0.65, 0.675, 0.7),
        min_points: int = 1,
        outer_ratio: float = 0.25,
        outer_curve: str = 'raw',
        video_weight: float = 0.2,
        nms: dict | None = None,
        max_proposals: int | None = None,
    ) -> None:
        check_numbers('ProposalGenerator', 0, video_threshold=video_threshold, outer_ratio=outer_ratio)
        check_numbers('ProposalGenerator', 0, 1, video_weight=video_weight)
        check_numbers('ProposalGenerator', 1, whole=True, upsampling=upsampling, min_points=min_points)
        check_flags('ProposalGenerator', relative_threshold=relative_threshold, fallback=fallback)
        check_numbers('ProposalGenerator', 1, whole=True, optional=True, max_proposals=max_proposals)
        if outer_curve not in ('raw', 'cut'):
            raise InputError("'raw' or 'cut'", field='ProposalGenerator.outer_curve', found=outer_curve)
        for name, levels in (('score_levels', score_levels), ('background_levels', background_levels)):
            if not isinstance(levels, (list, tuple)):
                raise InputError('a list of numbers', field=f'ProposalGenerator.{name}', found=levels)
            check_numbers('ProposalGenerator', -1, **{f'{name}[{place}]': level for place, level in enumerate(levels)})
        self.nms, self.nms_args = find_nms(dict(type='nms', iou_threshold=0.7) if nms is None else nms)
        self.video_threshold = video_threshold
        self.relative_threshold = relative_threshold
        self.fallback = fallback
        self.upsampling = upsampling
        self.min_points = min_points
        self.score_levels = score_levels
        self.background_levels = background_levels
        self.outer_ratio = outer_ratio
        self.outer_curve = outer_curve
        self.video_weight = video_weight
        self.max_proposals = max_proposals

    @torch.no_grad()
    def __call__(
        self, scores: Tensor, background_scores: Tensor, video_scores: Tensor, grid: SnippetGrid, duration_sec: float
    ) -> dict[str, Tensor]:
        """Detect the actions of one video.

        Args:
            scores (Tensor): ``(T, C)``, q-hat.
            background_scores (Tensor): ``(T,)``, b.
            video_scores (Tensor): ``(C,)``, Q_v.
            grid (SnippetGrid): Maps snippets of the video to seconds.
            duration_sec (float): Proposals end here at the latest.

        Returns:
            dict[str, Tensor]: ``segments_sec (N, 2)`` float64, ``scores (N,)`` float32 in descending order and
            ``labels (N,)`` int64, on the host; N may be 0.
        """
        video_scores = video_scores.float()
        threshold = self.video_threshold * (video_scores.max() if self.relative_threshold else 1)
        classes = (video_scores >= threshold).nonzero()[:, 0]
        if self.fallback and not len(classes):
            classes = video_scores.argmax(keepdim=True)
        curves = self._upsample(torch.cat([scores[:, classes], background_scores[:, None]], 1).float().cpu())
        video_scores, classes = video_scores[classes].cpu().numpy(), classes.cpu().numpy()
        find = self._runs_of_cut_curves if self.outer_curve == 'cut' else self._runs
        # Of each run: row of its class in `curves`, start, end, and outer-inner contrast.
        row, start, end, contrast = find(curves)
        score = contrast + (self.video_weight * video_scores)[row]
        segments = np.clip(grid.to_sec(np.stack([start, end], 1) / self.upsampling), 0, duration_sec)
        inside = segments[:, 1] > segments[:, 0]
        segments, score, labels = segments[inside], score[inside].astype(np.float32), classes[row[inside]]
        keep, score = self.nms(segments, score, labels=labels, **self.nms_args)
        keep, score = keep[: self.max_proposals], score[: self.max_proposals]
        return dict(
            segments_sec=torch.from_numpy(segments[keep]),
            scores=torch.from_numpy(score),
            labels=torch.from_numpy(labels[keep]),
        )

    def _upsample(self, scores):
        """Interpolate ``(T, K)`` scores, which stand at the centres of snippets, at the centres of ``T * u`` points.

        Returns:
            np.ndarray: ``(K, T * u)``; constant before the first snippet's centre and after the last one's.
        """
        return F.interpolate(scores.t()[None], scale_factor=float(self.upsampling), mode='linear')[0].numpy()

    def _runs(self, curves):
        """Find the runs of interpolated points above any level; a run that several levels find is returned once.

        Args:
            curves (np.ndarray): ``(K + 1, J)``, q-hat of the classes to detect, and b in the last row.

        Returns:
            tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]: ``(N,)`` each: row of the class, and start and end of
            each run, which is the points ``[start, end)``; and its outer-inner contrast.
        """
        num_classes, num_points = len(curves) - 1, curves.shape[1]
        of_scores, of_background = self._runs_above(curves[:-1], self.score_levels), self._runs_of_background(curves)
        row, start, end = (np.concatenate(parts) for parts in zip(of_scores, of_background))
        # Each run becomes one number, so that `unique` removes copies of runs that several levels have found.
        shape = (num_classes, num_points, num_points + 1)
        runs = np.unravel_index(np.unique(np.ravel_multi_index((row, start, end), shape)), shape)
        return *runs, self._inner_minus_outer(curves[:-1], *runs)

    def _runs_of_cut_curves(self, curves):
        """Find runs as in :meth:`_runs`, but each level by itself, with contrasts of the curve that is cut there."""
        runs = self._runs_of_background(curves)
        found = [(*runs, self._inner_minus_outer(curves[:-1], *runs))]
        for level in self.score_levels:
            runs = self._runs_above(curves[:-1], [level])
            above = curves[:-1] >= np.float32(level) if level else curves[:-1] > 0
            cut = np.where(above, curves[:-1], 0)
            found.append((*runs, self._inner_minus_outer(cut, *runs)))
        return tuple(np.concatenate(parts) for parts in zip(*found))

    def _runs_of_background(self, curves):
        """Runs above the levels of ``1 - b``, each as a proposal of every detected class."""
        num_classes = len(curves) - 1
        _, start, end = self._runs_above(1 - curves[-1:], self.background_levels)
        row = np.repeat(np.arange(num_classes), len(start))
        return row, np.tile(start, num_classes), np.tile(end, num_classes)

    def _runs_above(self, curves, levels):
        row, start, end = runs_above(curves, levels)
        return tuple(part[end - start >= self.min_points] for part in (row, start, end))

    def _inner_minus_outer(self, curves, row, start, end):
        """Mean score inside a run minus the mean over both outer ranges (0 if they are empty)."""
        sums = np.pad(np.cumsum(curves, axis=1, dtype=np.float64), ((0, 0), (1, 0)))  # entry p: before point p
        # Rounded up, as in Eq. 8: otherwise runs of a few points would have an empty outer range, and outrank whole
        # actions.
        reach = outer_length(end - start, self.outer_ratio)
        left, right = np.maximum(start - reach, 0), np.minimum(end + reach, curves.shape[1])
        inner_sum = sums[row, end] - sums[row, start]
        outer_sum = sums[row, right] - sums[row, left] - inner_sum
        num_outer = (right - left) - (end - start)
        return inner_sum / (end - start) - outer_sum / np.maximum(num_outer, 1)


def runs_above(curves: np.ndarray, levels: Sequence[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, start and end of every run of points above a level, for every level.

    If a curve climbs over several levels from one point to the next, a run of each of these levels starts there; if it
    falls below several levels, a run of each ends. Only these places are looked at, not every point at every level.

    Example: the curve 0, 0.3, 0.6, 0.3, 0 lies above 0, 1, 2, 1, 0 of the levels 0.2 and 0.5. The runs are ``[1, 4)``
    for the first level and ``[2, 3)`` for the second.

    Args:
        curves (np.ndarray): ``(K, J)``.
        levels (Sequence[float]): A level of 0 means "above 0", others "at least".

    Returns:
        tuple[np.ndarray, np.ndarray, np.ndarray]: ``(N,)`` each; a run is the points ``[start, end)`` of its row.
    """
    levels = np.sort(np.asarray(levels, dtype=curves.dtype))
    curves = np.where(np.isnan(curves), -np.inf, curves)  # NaN is above no level
    above = np.searchsorted(levels[levels != 0], curves, side='right') + (levels == 0).sum() * (curves > 0)
    above = np.pad(above, ((0, 0), (1, 1)))  # how many levels each point is above; none beyond both ends
    climb = np.diff(above, axis=1)  # entry j: from point j - 1 to point j
    begin, end = _crossings(climb, above[:, :-1]), _crossings(-climb, above[:, 1:])
    shape = (len(curves), len(levels), climb.shape[1])
    # Sorted by row, level and point, the n-th start and the n-th end belong to the same run.
    begin, end = (np.sort(np.ravel_multi_index(crossings, shape)) for crossings in (begin, end))
    row, _, start = np.unravel_index(begin, shape)
    return row, start, end % shape[-1]


def _crossings(climb, lower):
    """Row, level and point of every crossing: a climb of 2 with ``lower`` 1 crosses the levels of index 1 and 2."""
    row, point = np.nonzero(climb > 0)
    count = climb[row, point]
    first = np.cumsum(count) - count  # number of crossings before those of each climb
    level = np.repeat(lower[row, point] - first, count) + np.arange(count.sum())
    return np.repeat(row, count), level, np.repeat(point, count)
