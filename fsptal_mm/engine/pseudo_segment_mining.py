"""Pseudo segments of videos from proposals, snippet scores and points."""

import numpy as np
from mmaction.structures import ActionDataSample

from fsptal_mm.evaluation.functional import point_extents
from fsptal_mm.evaluation.samples import collect_detections, column
from fsptal_mm.models import PointTAL
from fsptal_mm.structures import ClipBatch, Instances, SnippetBatch, to_numpy

from .change_points import decode_change_points
from .pseudo_segments import PseudoSegmentRules, PseudoSegments


def propose(model: PointTAL, inputs: SnippetBatch | ClipBatch, data_samples: list[ActionDataSample]) -> dict[str, dict]:
    """Proposals, snippet scores and given points of a batch, on the host.

    Args:
        model (PointTAL): In evaluation mode.
        inputs (SnippetBatch | ClipBatch): As the data preprocessor packs it.
        data_samples (list[ActionDataSample]): Data samples of training videos, with or without label extension.

    Returns:
        dict[str, dict]: By video id: the proposals as ``detections`` and the labelled instances as ``points``
        (Instances, in seconds); final ``snippet_scores (T, C)`` and ``background_scores (T,)``; background points as
        ``background_sec``; ``duration_sec`` and ``grid``.
    """
    _, scores, proposed = model.propose(inputs, data_samples)
    found = {}
    for index, (sample, stage1) in enumerate(zip(data_samples, proposed)):
        points = (np.asarray(sample.get(f'gt_point_{field}')) for field in ('sec', 'labels', 'instances'))
        length = stage1.num_snippets
        found[sample.video_id] = dict(
            detections=collect_detections(stage1),
            snippet_scores=to_numpy(scores.final[index, :length]),
            background_scores=to_numpy(scores.background_scores[index, :length]),
            points=point_extents(*points),
            background_sec=np.asarray(sample.get('gt_background_sec', [])),
            duration_sec=sample.duration_sec,
            grid=sample.grid,
        )
    return found


def find_pseudo_segments(videos: list[dict], rules: PseudoSegmentRules) -> PseudoSegments:
    """Make the pseudo segments of videos.

    Args:
        videos (list[dict]): One result of :func:`propose` for each video.
        rules (PseudoSegmentRules): Rules by which pseudo segments are made.

    Returns:
        PseudoSegments: In seconds; the index of a video is its place in the list.
    """
    points, det = (Instances.join(column(videos, field)) for field in ('points', 'detections'))

    def decode(found_sec):
        """Boundaries ``(N, 2)`` of all instances by change points, from segments found for them; both in seconds."""
        decoded = np.empty_like(found_sec)
        for index, video in enumerate(videos):
            own = points.videos == index
            extents, found = (video['grid'].to_position(part[own]) for part in (points.segments, found_sec))
            scores = video['snippet_scores'], video['background_scores']
            boundaries = decode_change_points(*scores, extents, points.labels[own], found)
            decoded[own] = np.clip(video['grid'].to_sec(boundaries), 0, video['duration_sec'])
        return decoded

    snippet_sec = [video['grid'].snippet_sec for video in videos]
    return rules(points, det, column(videos, 'duration_sec'), column(videos, 'background_sec'), decode, snippet_sec)
