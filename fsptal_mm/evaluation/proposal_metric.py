"""Metric of class-agnostic proposals, whose classes come from a video-level classifier."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mmaction.registry import METRICS

from fsptal_mm.structures import Instances
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import known_id

from .results import read_video_scores
from .samples import class_names, column
from .tal_metric import TALMetric

_UNLABELLED = 'proposal'


@METRICS.register_module()
class ProposalTALMetric(TALMetric):
    """:class:`TALMetric` for mmaction2's proposal networks, such as BMN, on our dataset.

    The proposals of a video get all classes whose video-level score is at least ``video_threshold``; if there is none,
    they get the class with the highest score, as in :class:`.ProposalGenerator`. A proposal gives one detection for
    each of its classes. The score of a detection is the score of the proposal times that of the class. Windows of one
    video are joined: each window contributes the proposals whose middle lies in its ``window_share_sec``.

    The network's outputs are ``dict(video_name=..., proposal_list=[dict(score=...,
    segment=[start, end])])``, and the data samples hold the meta information of :class:`.PackLocalizerInputs`.

    Args:
        class_scores: Results file with ``video_scores`` of a classifier on the same videos; a test of any of our models
            writes such a file. ``None``: proposals have no class, and only AR@AN is computed.
        video_threshold: Lowest score at which a video gets a class.
        metrics: As in :class:`TALMetric`. Default: ``'AR@AN'`` and, with ``class_scores``, ``'mAP'``.
        **kwargs: As in :class:`TALMetric`.

    Raises:
        InputError: A video or a class has no score, a number of a proposal is not finite, or an argument is wrong.
    """

    def __init__(
        self,
        class_scores: str | Path | None = None,
        video_threshold: float = 0.25,
        metrics: str | Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(metrics=metrics or (('AR@AN',) if class_scores is None else ('mAP', 'AR@AN')), **kwargs)
        if class_scores is None and self.metrics != ('AR@AN',):
            expected = 'the scores of a classifier, since proposals alone have no class'
            raise InputError(expected, field='class_scores', found=f'None, and metrics {self.metrics}')
        self.class_scores = class_scores
        self.video_threshold = video_threshold

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Label the proposals of each video.

        Args:
            data_batch (dict): Batch with ``data_samples``, in the same order.
            data_samples (Sequence[dict]): Outputs of the network.
        """
        samples = [sample.metainfo for sample in data_batch['data_samples']]
        first = len(self.results)
        labelled = [
            sample | {'pred_segments': self._label(sample, output)} for sample, output in zip(samples, data_samples)
        ]
        super().process(data_batch, labelled)
        for result, sample in zip(self.results[first:], samples):
            result['offset_sec'] = sample['offset_sec']

    def compute_metrics(self, results: list[dict]) -> dict[str, float]:
        """Join the windows of each video, then compute the figures as :class:`TALMetric` does."""
        windows = {}
        for result in results:  # with several processes, samplers repeat windows: only the first copy counts
            windows.setdefault(result['video_id'], {}).setdefault(result['offset_sec'], result)
        return super().compute_metrics([_join(list(parts.values())) for parts in windows.values()])

    def _label(self, sample, output):
        """Detections of a window, from the meta information of its sample and the proposals in ``output``."""
        found = output['proposal_list']
        segments = np.array([proposal['segment'] for proposal in found], dtype=np.float64).reshape(-1, 2)
        scores = np.array([proposal['score'] for proposal in found], dtype=np.float64)
        segments = np.clip(segments + sample['offset_sec'], 0, sample['duration_sec'])
        start, end = sample.get('window_share_sec', (-np.inf, np.inf))
        middles = segments.mean(1)
        kept = (start <= middles) & (middles < end) & (segments[:, 0] < segments[:, 1])
        segments, scores = segments[kept], scores[kept]
        if self.class_scores is None:
            return {'segments_sec': segments, 'scores': scores, 'labels': np.zeros(len(scores))}
        class_scores = self._scores_of(sample['video_id'])
        present = np.flatnonzero(class_scores >= self.video_threshold)
        present = present if len(present) else class_scores.argmax(keepdims=True)
        # All proposals with the first class that is present, then all proposals with the second class, and so on.
        return {
            'segments_sec': np.tile(segments, (len(present), 1)),
            'scores': np.outer(class_scores[present], scores).ravel(),
            'labels': np.repeat(present, len(scores)),
        }

    @cached_property
    def _video_scores(self):
        # Read at first use, since the metric may be built before the file exists.
        return read_video_scores(self.class_scores)

    def _scores_of(self, video_id):
        """Video-level scores of the classes, ``(C,)``."""
        scores = self._video_scores.get(known_id(video_id, self._video_scores), {})
        classes = class_names(self.dataset_meta)
        missing = [label for label in classes if label not in scores]
        if missing:
            expected = f'scores of all {len(classes)} classes, also of {missing}'
            found = sorted(scores)
            raise InputError(expected, file=self.class_scores, video=video_id, field='video_scores', found=found)
        return np.array([scores[label] for label in classes])

    def _write(self, results, classes, measures, how):
        names = [_UNLABELLED] * len(classes) if self.class_scores is None else classes
        super()._write(results, names, measures, how)


def _join(windows):
    """Join the results of the windows of one video."""
    return windows[0] | {'detections': Instances.join(column(windows, 'detections'))}
