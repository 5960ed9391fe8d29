"""Pseudo segments of videos from proposals, snippet scores and points."""

import numpy as np

from fsptal_mm.evaluation.change_points import decode_change_points
from fsptal_mm.evaluation.functional import point_extents
from fsptal_mm.evaluation.samples import collect_detections, column, to_numpy
from fsptal_mm.structures import Instances


def propose(model, inputs, data_samples):
    """Proposals, snippet scores and given points of a batch, on the host.

    Args:
        model (PointTAL): In evaluation mode.
        inputs (SnippetBatch | ClipBatch): As the data preprocessor packs it.
        data_samples (list[ActionDataSample]): Of a training, with or without label extension.

    Returns:
        dict[str, dict]: By video id: ``segments (N, 2)`` in seconds, ``labels`` and ``scores (N,)`` of proposals; final
        ``snippet_scores (T, C)`` and ``background_scores (T,)``; ``points (M, 2)``, ``point_labels (M,)`` and
        ``background_sec``; duration and grid; and for analysis the ground truth, ``gt_segments`` and ``gt_labels``.
    """
    _, scores, proposed = model.propose(inputs, data_samples)
    found = {}
    for index, (sample, stage1) in enumerate(zip(data_samples, proposed)):
        points, labels = point_extents(
            *(np.asarray(sample.get(f'gt_point_{field}')) for field in ('sec', 'labels', 'instances'))
        )
        length = stage1.num_snippets
        found[sample.video_id] = collect_detections(stage1.to_dict()) | dict(
            snippet_scores=to_numpy(scores.final[index, :length]),
            background_scores=to_numpy(scores.background[index, :length]),
            points=points,
            point_labels=labels,
            background_sec=np.asarray(sample.get('gt_background_sec', [])),
            duration_sec=sample.duration_sec,
            snippet_sec=sample.snippet_sec,
            offset_sec=sample.offset_sec,
            gt_segments=np.asarray(sample.get('gt_segments_sec', [])),
            gt_labels=np.asarray(sample.get('gt_segment_labels', [])),
        )
    return found


def find_pseudo_segments(videos, rules):
    """Pseudo segments of videos.

    Args:
        videos (list[dict]): As :func:`propose` finds them.
        rules (PseudoSegmentRules): How they are made.

    Returns:
        PseudoSegments: In seconds; the index of a video is its place in the list.
    """
    points = Instances.from_videos(column(videos, 'points'), column(videos, 'point_labels'))
    det = Instances.from_videos(column(videos, 'segments'), column(videos, 'labels'), column(videos, 'scores'))

    def decode(found_sec):
        decoded = np.empty_like(found_sec)
        for index, video in enumerate(videos):
            own = points.videos == index
            in_snippets = (
                (part[own] - video['offset_sec']) / video['snippet_sec'] for part in (points.segments, found_sec)
            )
            extents, found = in_snippets
            scores = video['snippet_scores'], video['background_scores']
            boundaries = decode_change_points(*scores, extents, points.labels[own], found)
            decoded[own] = np.clip(boundaries * video['snippet_sec'] + video['offset_sec'], 0, video['duration_sec'])
        return decoded

    return rules(points, det, column(videos, 'duration_sec'), column(videos, 'background_sec'), decode)
