"""Labels of a training sample, by the kind of supervision: points, background clicks, or ground-truth segments."""

from typing import Any

import numpy as np

from fsptal_mm.structures import SnippetGrid
from fsptal_mm.utils.errors import InputError

from .annotations.records import VideoRecord
from .point_sampling import draw_background, video_rng

SUPERVISIONS = ('points', 'clicks', 'segments')


def supervision_labels(record: VideoRecord, grid: SnippetGrid, supervision: str, seed: int = 0) -> dict[str, Any]:
    """Select, draw or derive the labels that a model is trained on, for one video.

    Args:
        record (VideoRecord): The video.
        grid (SnippetGrid): Feature grid of the video.
        supervision: ``'points'``: the given points and background clicks. ``'clicks'``: no points; the given background
            clicks or, if the video has none, a click drawn in each gap between its segments. ``'segments'``: a point or
            a background click in every snippet, from the ground truth.
        seed: Seed for drawing clicks, >= 0.

    Returns:
        dict: ``point_sec``, ``point_labels``, ``point_instances``, each ``(N,)``, and ``background_sec (K,)``; times
        are in seconds.

    Raises:
        InputError: Clicks or points must be made from segments, and the duration of the video is unknown.
    """
    if supervision == 'segments':
        return _dense_points(record, grid)
    if supervision == 'clicks':
        return _clicks(record, seed)
    return dict(
        point_sec=record.point_sec,
        point_labels=record.point_labels,
        point_instances=record.point_instances,
        background_sec=record.background_sec,
    )


def _clicks(record, seed):
    """Labels without points: the background clicks of a video or, if it has none, clicks drawn between its segments."""
    clicks = record.background_sec
    if not len(clicks) and len(record.segments_sec):
        if record.duration_sec is None:
            expected = "a duration, since supervision='clicks' draws background clicks up to the end of the video"
            raise InputError(expected, video=record.video_id, field='duration_sec')
        clicks = draw_background(record.segments_sec, record.duration_sec, video_rng(seed, record.video_id))
    none = np.zeros(0, dtype=np.int64)
    return dict(point_sec=np.zeros(0), point_labels=none, point_instances=none, background_sec=clicks)


def _dense_points(record, grid):
    """Labels of all snippets: a point for each segment that holds the snippet's centre, else a background click.

    A segment that is too short to hold a centre gets a point in the snippet of its middle.
    """
    if record.duration_sec is None:
        raise InputError("a duration, for supervision='segments'", video=record.video_id, field='duration_sec')
    centres = grid.to_sec(np.arange(max(1, int(grid.num_snippets(record.duration_sec)))) + 0.5)
    start, end = record.segments_sec[:, :1], record.segments_sec[:, 1:]
    inside = (start <= centres) & (centres < end)  # (M, T): whether segment m holds the centre of snippet t
    short = np.flatnonzero(~inside.any(1) & (end[:, 0] > start[:, 0]) & (start[:, 0] < record.duration_sec))
    middle = grid.to_snippet(record.segments_sec[short].mean(1))
    inside[short, np.clip(middle, 0, len(centres) - 1)] = True
    segment, snippet = np.nonzero(inside)
    return dict(
        point_sec=centres[snippet],
        point_labels=record.segment_labels[segment],
        point_instances=segment,
        background_sec=np.delete(centres, snippet),
    )
