"""Average recall against the average number of proposals (AR@AN), ActivityNet's measure for proposals."""

from collections.abc import Sequence

import numpy as np

from fsptal_mm.structures import Instances, segment_iou

# Limits of ActivityNet's proposal task: up to 100 proposals per video on average, and these tIoUs.
MAX_AVERAGE_PROPOSALS = 100
RECALL_TIOUS = np.linspace(0.5, 0.95, 10)
RECALL_AT = (5, 10, 50, 100)  # average numbers of proposals per video at which AR is usually reported


def average_recall(
    gt: Instances,
    det: Instances,
    max_average_proposals: int = MAX_AVERAGE_PROPOSALS,
    tiou_thresholds: Sequence[float] | np.ndarray = RECALL_TIOUS,
) -> tuple[np.ndarray, np.ndarray]:
    """Compute the recall of class-agnostic proposals at 1 %, 2 %, ... 100 % of the allowed number of proposals.

    As in ActivityNet's ``eval_proposal.py``, all videos use the same share of their proposals, best scores first. The
    share is chosen such that the average number of proposals per video is the allowed number. Several proposals may
    match one segment, and one proposal several segments. Labels are ignored. Only videos with a ground-truth segment
    count, and only their proposals. The official script also counts the proposals of other videos towards the allowed
    number. Its figures are the same as ours if every video has a segment.

    Args:
        gt (Instances): Ground truth; at least one segment.
        det (Instances): Proposals; proposals of equal score are used in the order of the input.
        max_average_proposals: Average number of proposals per video at 100 %.
        tiou_thresholds (Sequence[float]): ``(K,)``.

    Returns:
        tuple[np.ndarray, np.ndarray]: Recall ``(K, 100)`` and the average number of proposals ``(100,)``.
    """
    det = det[np.lexsort((-det.scores, det.videos))]
    videos = np.unique(gt.videos)
    num_det = np.searchsorted(det.videos, videos, side='right') - np.searchsorted(det.videos, videos)
    allowed = float(max_average_proposals * len(videos))
    share = allowed / max(num_det.sum(), 1)
    # Truncated as in the official script, so that both count the same proposals.
    retrieved = np.minimum((num_det * share).astype(np.int64), num_det)
    # Share of its retrieved proposals that each video uses at 1 %, 2 %, ...; above 1 if there are too few proposals.
    steps = np.arange(1, 101) / 100.0 * (allowed / max(retrieved.sum(), 1))
    used = np.minimum((retrieved[:, None] * steps).astype(np.int64), retrieved[:, None])
    recalled = np.zeros((len(tiou_thresholds), 100))
    for video, num_retrieved, num_used in zip(videos, retrieved, used):
        if num_retrieved:
            start = np.searchsorted(det.videos, video)
            tiou = segment_iou(gt.segments[gt.videos == video], det.segments[start : start + num_retrieved])
            # Highest tIoU of each segment with the first 0, 1, 2, ... proposals; num_used selects a column per step.
            best = np.pad(np.maximum.accumulate(tiou, axis=1), ((0, 0), (1, 0)))[:, num_used]
            recalled += (best >= np.reshape(tiou_thresholds, (-1, 1, 1))).sum(axis=1)
    return recalled / len(gt), steps * retrieved.sum() / len(videos)


def summarize_recall(recall: np.ndarray, at: Sequence[int] = RECALL_AT) -> dict[str, float]:
    """Summarize AR@AN in its usual figures, as fractions.

    Args:
        recall (np.ndarray): ``(K, 100)`` recall at 1, 2, ... 100 proposals per video on average.
        at (Sequence[int]): The numbers of proposals to report.

    Returns:
        dict[str, float]: ``AR@<n>``, the recall at n proposals averaged over tIoUs, and ``AUC``, the area under this
        recall from 1 to 100 proposals, divided by 100. mmaction2's ``auc`` is this number in percent.
    """
    average = recall.mean(axis=0)
    area = (average[1:] + average[:-1]).sum() / 2 / len(average)
    return {**{f'AR@{n}': float(average[n - 1]) for n in at}, 'AUC': float(area)}
