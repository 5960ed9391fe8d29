"""Proposals by one threshold, the mean score of the video (SF-Net: Ma et al., ECCV 2020)."""

import numpy as np
import torch
from mmaction.registry import TASK_UTILS
from torch import Tensor

from fsptal_mm.structures import SnippetGrid
from fsptal_mm.utils.errors import check_numbers

from .proposal_generator import runs_above


@TASK_UTILS.register_module()
class MeanLevelProposals:
    """Generator of proposals: runs of snippets whose score of a class is above the mean of this score over the video.

    The score of a run is its largest snippet score plus the video-level score of the class. Scores may be logits. Runs
    of a class do not overlap, so there is no NMS.

    Args:
        class_ratio: A class is detected if its video-level score is above 0, and above the best video-level score of
            the video divided by ``class_ratio``.
        min_snippets: Least length of a run; shorter runs are left out.
    """

    def __init__(self, class_ratio: float = 1.5, min_snippets: int = 2) -> None:
        check_numbers('MeanLevelProposals', 1, class_ratio=class_ratio)
        check_numbers('MeanLevelProposals', 1, whole=True, min_snippets=min_snippets)
        self.class_ratio = class_ratio
        self.min_snippets = min_snippets

    @torch.no_grad()
    def __call__(
        self, scores: Tensor, background_scores: Tensor, video_scores: Tensor, grid: SnippetGrid, duration_sec: float
    ) -> dict[str, Tensor]:
        """Detect the actions of one video, see :meth:`.ProposalGenerator.__call__`; background scores are not used."""
        video_scores = video_scores.float()
        threshold = (video_scores.max() / self.class_ratio).clamp(min=0)
        classes = (video_scores > threshold).nonzero()[:, 0]
        curves = scores[:, classes].float().t().cpu().numpy()
        video_scores, classes = video_scores[classes].cpu().numpy(), classes.cpu().numpy()
        row, start, stop = runs_above(curves - curves.mean(1, keepdims=True), (0,))
        long = stop - start >= self.min_snippets
        row, start, stop = row[long], start[long], stop[long]
        runs = zip(row, start, stop)
        best = np.array([curves[index, begin:end].max() for index, begin, end in runs], dtype=np.float32)
        score = best + video_scores[row]
        segments = np.clip(grid.to_sec(np.stack([start, stop], 1).astype(np.float64)), 0, duration_sec)
        order = np.argsort(-score, kind='stable')
        order = order[segments[order, 1] > segments[order, 0]]
        return dict(
            segments_sec=torch.from_numpy(segments[order]),
            scores=torch.from_numpy(score[order]),
            labels=torch.from_numpy(classes[row][order]),
        )
