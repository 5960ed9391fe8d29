"""Content of the timelines of the page: the best and the worst test videos."""

from collections.abc import Sequence

import numpy as np

from fsptal_mm.structures import NO_CLASS
from fsptal_mm.visualization import ModelTrack, Timeline, video_timeline

from .run import Run

MAX_DETECTIONS = 200  # per video and run, since nobody can distinguish more bars, and more would make the file large


def group_by_test_set(runs: Sequence[Run]) -> list[list[int]]:
    """Group runs that were tested on the same videos.

    Args:
        runs (list[Run]): All runs of the report; those without test results are in no group.

    Returns:
        list[list[int]]: For each test set the numbers (indices) of its runs.
    """
    groups = {}
    for number, run in enumerate(runs):
        if run.result is not None:
            groups.setdefault(run.result.test_set.key, []).append(number)
    return list(groups.values())


def make_timelines(runs: Sequence[Run], numbers: Sequence[int], num_videos: int) -> dict:
    """Make the content of the timelines of one test set.

    Args:
        runs (list[Run]): All runs of the report.
        numbers (list[int]): Numbers of the runs that share this test set.
        num_videos: Number of best videos, and of worst videos, by the AP of a video, averaged over the runs. If the
            test set is smaller than twice this number, the better half is best, and the other half is worst.

    Returns:
        dict: ``classes``, the names; ``unit``, the instances that detections are matched with, ``'segment'`` or
        ``'point'``; ``threshold``, the score at which the page's filter starts; and ``videos``, each as
        :func:`page_content` returns it, the best videos first, then the worst ones with the worst first. The
        ``threshold`` is the operating point if there is only one run. It is ``None`` for several runs, since the scores
        of two models mean different things.
    """
    results = {number: runs[number].result for number in numbers}
    ap = np.mean([result.video_ap for result in results.values()], axis=0)
    order = np.flatnonzero(~np.isnan(ap))
    order = order[np.argsort(-ap[order], kind='stable')]
    best = order[: min(num_videos, (len(order) + 1) // 2)]
    worst = order[len(best) :][-num_videos:] if num_videos else order[:0]
    videos = [(index, 'best') for index in best] + [(index, 'worst') for index in worst[::-1]]
    chosen = runs[numbers[0]].operating_point if len(numbers) == 1 else None
    return {
        'threshold': None if chosen is None else chosen.overall.score,
        'unit': results[numbers[0]].unit,
        'classes': list(results[numbers[0]].test_set.classes),
        'videos': [page_content(_timeline(results, index), kind, numbers) for index, kind in videos],
    }


def _timeline(results, index):
    """Timeline of a test video with a track for each run, from its results by the number of the run."""
    tracks = []
    for result in results.values():
        own = result.det.videos == index
        ap = float(result.video_ap[index])
        tracks.append(ModelTrack(proposals=result.det[own], hits=result.hits[own], average_precision=ap))
    return video_timeline(next(iter(results.values())).test_set, index, tracks)


def page_content(timeline: Timeline, kind: str, numbers: Sequence[int]) -> dict:
    """Convert a timeline to JSON values for the page.

    Args:
        timeline (Timeline): Timeline whose tracks have proposals, the best first, and hits.
        kind: ``'best'`` or ``'worst'``, the heading on the page.
        numbers (Sequence[int]): Numbers of the runs that the tracks belong to.

    Returns:
        dict: ``id``, ``duration_sec``, ``kind``, ``truth`` (``[start, end, class]``), ``points`` (``[time, class]``),
        ``ambiguous`` (``[start, end]``) and ``runs``: for each run its number, its ``ap``, the ``total`` number of its
        detections, and the best ``detections`` as ``[start, end, score, class, hit]``. Times in seconds.
    """
    points = timeline.points[timeline.points.labels != NO_CLASS]
    return {
        'id': timeline.video_id,
        'duration_sec': _sec(timeline.duration_sec),
        'kind': kind,
        'truth': _rows(timeline.truth),
        'points': [[time, label] for time, _, label in _rows(points)],
        'ambiguous': [] if timeline.ambiguous is None else [row[:2] for row in _rows(timeline.ambiguous)],
        'runs': [_run(number, track) for number, track in zip(numbers, timeline.tracks)],
    }


def _run(number, track):
    """Detections of one run, see :func:`page_content`."""
    shown = track.proposals[:MAX_DETECTIONS]
    scores = (float(f'{score:.4g}') for score in shown.scores)
    return {
        'run': number,
        'ap': round(track.average_precision, 4),
        'total': len(track.proposals),
        'detections': [
            [start, end, score, label, int(hit)]
            for (start, end, label), score, hit in zip(_rows(shown), scores, track.hits)
        ],
    }


def _rows(instances):
    """Rows ``[start, end, class]`` of instances."""
    return [[_sec(start), _sec(end), int(label)] for (start, end), label in zip(instances.segments, instances.labels)]


def _sec(value):
    return round(float(value), 2)
