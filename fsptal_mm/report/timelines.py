"""The best and the worst test videos, as the page's timelines take them."""

import numpy as np

MAX_DETECTIONS = 200  # per video and run: more would neither be told apart nor leave the file small


def group_by_test_set(runs):
    """Runs that were tested on the same videos, in lists of their numbers."""
    groups = {}
    for number, run in enumerate(runs):
        if run.judged is not None:
            groups.setdefault(run.judged.test_set.key, []).append(number)
    return list(groups.values())


def make_timelines(runs, numbers, num_videos):
    """Content of the timelines of one test set.

    Args:
        runs (list[Run]): All runs of the report.
        numbers (list[int]): Which of them share this test set.
        num_videos: How many of the best and as many of the worst videos: by the mean over the runs of the AP of the
            video; fewer where there are not so many.

    Returns:
        dict: ``classes`` (names), and ``videos``, the best ones first, each a dict with ``id``, ``duration_sec``,
        ``kind`` (``'best'`` or ``'worst'``), ``truth`` (``[start, end, class]``), ``points`` (``[time, class]``),
        ``ambiguous`` (``[start, end]``) and ``runs``, of each its number, its ``ap``, the ``total`` of its detections
        and the best of them as ``[start, end, score, class, right]``. Times in seconds.
    """
    test_set = runs[numbers[0]].judged.test_set
    ap = np.mean([runs[number].judged.video_ap for number in numbers], axis=0)
    order = np.flatnonzero(~np.isnan(ap))
    order = order[np.argsort(-ap[order], kind='stable')]
    best = order[: min(num_videos, (len(order) + 1) // 2)]
    worst = order[len(best) :][-num_videos:] if num_videos else order[:0]
    videos = [_video(runs, numbers, index, 'best') for index in best]
    return {
        'classes': list(test_set.classes),
        'videos': videos + [_video(runs, numbers, index, 'worst') for index in worst[::-1]],
    }


def _video(runs, numbers, index, kind):
    test_set = runs[numbers[0]].judged.test_set
    truth, points = (part[part.videos == index] for part in (test_set.segments, test_set.points))
    ambiguous = test_set.ambiguous
    found = [runs[number].judged.det for number in numbers]
    ends = [part.segments[part.videos == index].max(initial=0) for part in (test_set.segments, *found)]
    duration = test_set.durations_sec[index]
    return {
        'id': test_set.ids[index],
        'duration_sec': _sec(max(ends) if np.isnan(duration) else duration),
        'kind': kind,
        'truth': [[_sec(start), _sec(end), int(label)] for (start, end), label in zip(truth.segments, truth.labels)],
        'points': [[_sec(time), int(label)] for (time, _), label in zip(points.segments, points.labels)],
        'ambiguous': []
        if ambiguous is None
        else [[_sec(start), _sec(end)] for start, end in ambiguous.segments[ambiguous.videos == index]],
        'runs': [_detections(runs[number].judged, number, index) for number in numbers],
    }


def _detections(judged, number, index):
    of_video = np.flatnonzero(judged.det.videos == index)  # best first
    shown = judged.det[of_video[:MAX_DETECTIONS]]
    rows = zip(shown.segments, shown.scores, shown.labels, judged.hits[of_video])
    return {
        'run': number,
        'ap': round(float(judged.video_ap[index]), 4),
        'total': len(of_video),
        'detections': [
            [_sec(start), _sec(end), float(f'{score:.4g}'), int(label), int(right)]
            for (start, end), score, label, right in rows
        ],
    }


def _sec(value):
    return round(float(value), 2)
