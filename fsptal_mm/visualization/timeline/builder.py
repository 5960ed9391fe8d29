"""Builders of timelines, from data samples, or from ground truth and detections."""

from collections.abc import Sequence
from typing import Any

from mmaction.structures import ActionDataSample

from fsptal_mm.structures import Instances

from .data import FrameStrip, ModelTrack, Timeline


def sample_timeline(
    data_sample: ActionDataSample,
    classes: Sequence[str],
    name: str = '',
    draw_gt: bool = True,
    draw_pred: bool = True,
    frames: FrameStrip | None = None,
) -> Timeline:
    """Build a timeline from a data sample.

    Args:
        data_sample (ActionDataSample): One video. Meta information: ``video_id`` and ``duration_sec`` are required;
            ``gt_segments_sec (M, 2)``, ``gt_segment_labels (M,)``, ``gt_point_sec (P,)``, ``gt_point_labels (P,)``,
            ``gt_background_sec (K,)``, ``ambiguous_sec (A, 2)`` and ``is_training`` may be missing. Data, which may be
            missing: ``pred_segments``, ``snippet_curves`` (SnippetCurves), ``extended_labels``, ``mined_labels`` and
            ``best_segments`` (Instances, in seconds).
        classes: Names in the order of the indices.
        name: Name of the model.
        draw_gt: Whether to show ground truth and points.
        draw_pred: Whether to show scores, pseudo labels and proposals of the model.
        frames: Frames of the video. Default: none.

    Returns:
        Timeline: With one track, or without a track if ``draw_pred`` is false.
    """
    truth = points = ambiguous = None
    if draw_gt:
        truth = Instances.of_video(data_sample.get('gt_segments_sec', []), data_sample.get('gt_segment_labels', []))
        keys = ('gt_point_sec', 'gt_point_labels', 'gt_background_sec')
        points = Instances.of_points(*(data_sample.get(key, []) for key in keys))
        ambiguous = Instances.of_video(data_sample.get('ambiguous_sec', []))
    tracks, found = (), data_sample.get('pred_segments')
    if draw_pred:
        fields = ('snippet_curves', 'extended_labels', 'mined_labels', 'best_segments')
        if found is not None:
            found = Instances.of_video(found['segments_sec'], found['labels'], found['scores'])
        tracks = (ModelTrack(name, *map(data_sample.get, fields), found),)
    is_training = data_sample.get('is_training', False)
    return Timeline(
        data_sample.video_id,
        data_sample.duration_sec,
        tuple(classes),
        truth,
        points,
        tracks,
        frames,
        is_training,
        ambiguous,
    )


def video_timeline(ground_truth: Any, index: int, tracks: Sequence[ModelTrack] = ()) -> Timeline:
    """Build a timeline from the ground truth of a video and the tracks of models.

    Args:
        ground_truth (GroundTruth): Ground truth of several videos.
        index: Index of the video in it.
        tracks: One per model.

    Returns:
        Timeline: Timeline of the video. If the duration is unknown, it ends with the last segment, point or proposal.
    """
    truth, points = ground_truth.segments.of_index(index), ground_truth.points.of_index(index)
    duration_sec = float(ground_truth.durations_sec[index])
    if duration_sec != duration_sec:  # NaN
        shown = [truth, points, *(track.proposals for track in tracks if track.proposals is not None)]
        duration_sec = max(part.segments.max(initial=0) for part in shown) or 1.0
    ambiguous = None if ground_truth.ambiguous is None else ground_truth.ambiguous.of_index(index)
    return Timeline(
        ground_truth.ids[index], duration_sec, ground_truth.classes, truth, points, tuple(tracks), ambiguous=ambiguous
    )
