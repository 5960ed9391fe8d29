"""Data samples like those that a model returns, and their evaluation by a metric."""

import numpy as np
import torch
from mmaction.structures import ActionDataSample
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

CLASSES = ('Diving', 'Shotput', 'Billiards')


def sample(video_id, truth=(), found=(), points=(), ambiguous=(), dtype=torch.float32, **meta):
    """A data sample of a video of 100 s. Times are seconds.

    Args:
        truth: Ground-truth segments, rows of start, end, class index.
        found: Predictions, rows of start, end, class index, score.
        points: Rows of time, class index, instance.
        ambiguous: Rows of start, end.
    """
    truth, found, points, ambiguous = (
        np.array(rows, dtype=float).reshape(-1, width)
        for rows, width in ((truth, 3), (found, 4), (points, 3), (ambiguous, 2))
    )
    data_sample = ActionDataSample(
        metainfo=dict(
            video_id=video_id,
            duration_sec=100.0,
            gt_segments_sec=truth[:, :2],
            gt_segment_labels=truth[:, 2].astype(np.int64),
            ambiguous_sec=ambiguous,
            gt_point_sec=points[:, 0],
            gt_point_labels=points[:, 1].astype(np.int64),
            gt_point_instances=points[:, 2].astype(np.int64),
        )
        | meta
    )
    data_sample.pred_segments = InstanceData(
        segments_sec=torch.tensor(found[:, :2], dtype=dtype),
        scores=torch.tensor(found[:, 3], dtype=dtype),
        labels=torch.tensor(found[:, 2], dtype=torch.long),
    )
    data_sample.gt_video_labels = torch.zeros(len(CLASSES))
    data_sample.gt_video_labels[truth[:, 2].astype(int)] = 1
    data_sample.pred_scores = torch.zeros(len(CLASSES), dtype=dtype)
    data_sample.pred_scores[found[:, 2].astype(int)] = 0.75
    return data_sample


def evaluate(metric, samples, size=None):
    """Figures of a metric by their names, which have its prefix; ``size`` is the number of videos in the dataset."""
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = dict(classes=CLASSES)
    evaluator.process(samples)
    return evaluator.evaluate(len(samples) if size is None else size)
