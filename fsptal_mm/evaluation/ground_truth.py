"""Ground truth of videos, and evaluation of detections against it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fsptal_mm.structures import Instances
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import known_id

from .diagnosis import BUCKET_PRESETS, Diagnosis, diagnose
from .functional import (
    PRESETS,
    Evaluation,
    Protocol,
    evaluate_detections,
    point_extents,
    touches_any,
    video_average_precision,
)
from .results import read_results, to_instances


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """Ground truth of V videos, and the rules of their evaluation; times are seconds.

    Attributes:
        ids: Video ids, in the order of their indices.
        classes: C names, in the order of their indices.
        durations_sec: ``(V,)``; NaN where unknown.
        segments: Ground-truth segments.
        points: Point labels, as segments without length; background clicks have the label ``NO_CLASS``.
        labelled: Labelled instances, each from its first to its last point.
        protocol: tIoUs and averages.
        ambiguous: Ambiguous ranges; detections that overlap one are left out. ``None``: all detections are evaluated.
    """

    ids: list
    classes: tuple
    durations_sec: np.ndarray
    segments: Instances
    points: Instances
    labelled: Instances
    protocol: Protocol
    ambiguous: Instances | None = None

    @classmethod
    def from_videos(
        cls,
        videos: Iterable[dict],
        classes: Sequence[str],
        protocol: Protocol = PRESETS['thumos14'],
        drop_ambiguous: bool = False,
    ) -> 'GroundTruth':
        """Collect the ground truth of single videos.

        Args:
            videos (Iterable[dict]): Dicts with ``video_id`` and, as far as known, ``duration_sec``,
                ``gt_segments_sec (M, 2)``, ``gt_segment_labels (M,)``, ``point_sec (P,)``, ``point_labels (P,)``,
                ``point_instances (P,)``, ``background_sec (K,)`` and ``ambiguous_sec (A, 2)``, as
                :class:`.PointTALDataset` names them. Without ``point_instances``, each point is an instance of its own.
                If a video is listed several times, since it was cut into windows, only the first entry counts.
            classes (Sequence[str]): Names of the classes, in the order of their indices.
            protocol (Protocol): tIoUs and averages.
            drop_ambiguous: Whether to leave out detections that overlap an ambiguous range.
        """
        by_id = {}
        for video in videos:
            by_id.setdefault(video['video_id'], video)
        videos = by_id.values()
        durations = [np.nan if video.get('duration_sec') is None else video['duration_sec'] for video in videos]
        segments = ((video.get('gt_segments_sec', []), video.get('gt_segment_labels', [])) for video in videos)
        points = ([video.get(key, []) for key in ('point_sec', 'point_labels', 'background_sec')] for video in videos)
        labelled = []
        for video in videos:
            sec, labels, instances = (
                np.asarray(video.get(f'point_{key}', [])) for key in ('sec', 'labels', 'instances')
            )
            labelled.append((sec, labels, instances if len(instances) else np.arange(len(sec))))
        ranges = (video.get('ambiguous_sec', []) for video in videos)
        return cls(
            list(by_id),
            tuple(classes),
            np.array(durations, dtype=np.float64),
            Instances.join(Instances.of_video(*parts) for parts in segments),
            Instances.join(Instances.of_points(*parts) for parts in points),
            Instances.join(point_extents(*parts) for parts in labelled),
            protocol,
            Instances.join(map(Instances.of_video, ranges)) if drop_ambiguous else None,
        )

    @classmethod
    def from_dataset(
        cls, dataset: Any, protocol: Protocol = PRESETS['thumos14'], drop_ambiguous: bool = False
    ) -> 'GroundTruth':
        """Collect the ground truth of a dataset; features are not read.

        Args:
            dataset (PointTALDataset): Dataset of the videos.
            protocol, drop_ambiguous: As in :meth:`from_videos`.
        """
        videos = [dataset.get_data_info(index) for index in range(len(dataset))]
        if dataset.supervision == 'segments':  # then points are made from the segments, and are no labels
            videos = [{key: video[key] for key in video if not key.startswith('point_')} for video in videos]
            videos = [video | {'background_sec': []} for video in videos]
        return cls.from_videos(videos, dataset.metainfo['classes'], protocol, drop_ambiguous)

    @classmethod
    def from_annotations(
        cls, annotations: Any, protocol: Protocol = PRESETS['thumos14'], drop_ambiguous: bool = False
    ) -> 'GroundTruth':
        """Collect the ground truth of annotation files.

        Args:
            annotations (Annotations): Annotations that :func:`.load_annotations` returned.
            protocol, drop_ambiguous: As in :meth:`from_videos`.
        """
        videos = [
            vars(record) | {'gt_segments_sec': record.segments_sec, 'gt_segment_labels': record.segment_labels}
            for record in annotations.videos.values()
        ]
        return cls.from_videos(videos, annotations.classes, protocol, drop_ambiguous)

    @property
    def key(self) -> tuple:
        """Key for dicts, the same for two objects whose videos, classes, segments, points and protocol are equal."""
        arrays = (self.segments.segments, self.segments.labels, self.labelled.segments, self.labelled.labels)
        return tuple(self.ids), self.classes, *(array.tobytes() for array in arrays), self.protocol

    def check_has_segments(self, file: str | Path) -> None:
        """Check that there is a ground-truth segment.

        Args:
            file: File that should hold the segments, for the error.

        Raises:
            InputError: No video has a ground-truth segment.
        """
        if not len(self.segments):
            raise InputError('at least one segment in the videos to evaluate', file=file, found='none')

    def read_detections(self, path: str | Path) -> Instances:
        """Read the detections of a results file in these videos.

        If the file lists some of these videos, but has no detection in any of them, the result is empty.

        Args:
            path: File in ActivityNet's format.

        Raises:
            InputError: The file cannot be read, lists none of the videos, or has only detections of other classes in
                them.
        """
        results, ids = read_results(path), set(self.ids)
        det = to_instances(results, self.ids, self.classes, file=path)
        listed = [found for video, found in results.items() if known_id(video, ids) is not None]
        if not len(det) and (not listed or any(found['labels'] for found in listed)):
            raise InputError('detections of the classes of the ground truth', file=path, found='none')
        return det

    def without_ambiguous(self, det: Instances) -> Instances:
        """Leave out detections that overlap an ambiguous range, if ``drop_ambiguous`` was set."""
        return det if self.ambiguous is None else det[~touches_any(det, self.ambiguous)]

    def evaluate(self, det: Instances, proposals: bool = True) -> Evaluation:
        """Compute mAP and, with ``proposals``, AR@AN; detections that overlap ambiguous ranges are left out."""
        return evaluate_detections(
            self.segments, det, len(self.classes), self.protocol, self.ambiguous, proposals=proposals
        )

    def diagnose(self, det: Instances, tiou: float = 0.5, preset: str | None = None) -> Diagnosis:
        """Analyse the errors of a localizer, see :func:`~fsptal_mm.evaluation.diagnosis.diagnose`.

        Args:
            det (Instances): Detections; those that overlap ambiguous ranges are left out.
            tiou: tIoU of the profile and of the false negatives.
            preset: Name of the buckets in ``BUCKET_PRESETS``. Default: ``'activitynet'`` with the protocol of this
                name, else ``'thumos14'``.
        """
        if preset is None:
            preset = 'activitynet' if self.protocol == PRESETS['activitynet'] else 'thumos14'
        tious, bounds = self.protocol.tiou_thresholds, BUCKET_PRESETS[preset]
        return diagnose(
            self.segments, self.without_ambiguous(det), len(self.classes), self.durations_sec, tious, tiou, bounds
        )

    def video_average_precision(self, det: Instances, tiou: float = 0.5) -> np.ndarray:
        """Compute the average precision of each video on its own, ``(V,)``.

        Detections that overlap ambiguous ranges are left out. See
        :func:`~fsptal_mm.evaluation.functional.video_average_precision`.
        """
        return video_average_precision(self.segments, self.without_ambiguous(det), tiou, len(self.ids))
