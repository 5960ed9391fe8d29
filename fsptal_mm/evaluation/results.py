"""Files of detections, in ActivityNet's format ``{"results": {video: [{"label", "score", "segment"}]}}`` and as csv."""

import csv
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fsptal_mm.structures import NO_CLASS, Instances
from fsptal_mm.utils.errors import LARGEST, InputError
from fsptal_mm.utils.reading import known_id, read_json
from fsptal_mm.utils.wording import counted
from fsptal_mm.utils.writing import atomic_write, write_json

from .samples import warn

_MAX_NAMED = 5


def read_results(path: str | Path) -> dict[str, dict]:
    """Read a results file in ActivityNet's format.

    Keys other than ``results``, and other than ``label``, ``score``, ``segment`` and ``best_sec`` in an entry, are
    ignored. Numbers may be strings.

    Args:
        path: A JSON file.

    Returns:
        dict[str, dict]: For each video ``segments_sec (N, 2)`` and ``scores (N,)``, float64, and ``labels``, N strings.
        If a detection of the video states the time of its best snippet, also ``best_sec (N,)``; it is the middle of the
        segment for detections that state none.

    Raises:
        InputError: The file cannot be read, a video is listed twice, a field is missing, a number is not finite, a
            segment ends before it starts, or ``best_sec`` lies outside of the segment. The message names file, video
            and entry.
    """
    videos = read_json(path).get('results')
    if not isinstance(videos, dict):
        raise InputError('an object from video to list of detections', file=path, field='results', found=_short(videos))
    return {video: _read_video(path, video, entries) for video, entries in videos.items()}


def read_class_names(path: str | Path, results: dict[str, dict]) -> list[str]:
    """Read the classes of a results file, in the order of their indices.

    Args:
        path: The results file.
        results (dict[str, dict]): Its detections, as :func:`read_results` returns them.

    Returns:
        list[str]: The list ``classes`` in the file, which results of this package have; else the classes of the
        detections, sorted.

    Raises:
        InputError: ``classes`` is no list of names.
    """
    names = read_json(path).get('classes')
    if names is None:
        return sorted({label for found in results.values() for label in found['labels']})
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError('a list of names', file=path, field='classes', found=_short(names))
    return names


def read_video_scores(path: str | Path) -> dict[str, dict[str, float]]:
    """Read the video-level class scores that a test wrote.

    Args:
        path: A results file that :class:`TALMetric` wrote for a model with video-level scores.

    Returns:
        dict[str, dict[str, float]]: Score of each class by its name, by video id.

    Raises:
        InputError: The file cannot be read, or holds no such scores.
    """
    videos = read_json(path).get('video_scores')
    expected = 'an object from video to scores of classes, as a test of a model with video-level scores writes it'
    if not isinstance(videos, dict) or not videos:
        raise InputError(expected, file=path, field='video_scores', found=_short(videos))
    for video, scores in videos.items():
        if not isinstance(scores, dict) or not all(_is_finite(score) for score in scores.values()):
            raise InputError(expected, file=path, video=video, field='video_scores', found=_short(scores))
    return videos


def write_results(path: str | Path, detections: dict[str, dict], **extra: Any) -> None:
    """Write a results file, atomically.

    Args:
        path: File to write.
        detections (dict[str, dict]): Detections by video id, as :func:`read_results` returns them.
        **extra: Further top-level entries, which readers of the format ignore.
    """
    results = {
        video: [
            {'label': label, 'score': score, 'segment': segment, **best}
            for label, score, segment, best in zip(
                found['labels'], found['scores'].tolist(), found['segments_sec'].tolist(), _best_entries(found)
            )
        ]
        for video, found in detections.items()
    }
    write_json(path, {'version': 'VERSION 1.3', 'results': results, 'external_data': {}, **extra})


def write_csv(path: str | Path, detections: dict[str, dict]) -> None:
    """Write detections as a table for spreadsheets, atomically: ``video,start_sec,end_sec,label,score``.

    Times have three decimals, scores four; :func:`write_results` writes the exact numbers.

    Args:
        path: File to write.
        detections (dict[str, dict]): Detections by video id, as :func:`read_results` returns them.
    """
    with atomic_write(path, newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['video', 'start_sec', 'end_sec', 'label', 'score'])
        for video, found in detections.items():
            for (start, end), label, score in zip(found['segments_sec'].tolist(), found['labels'], found['scores']):
                writer.writerow([video, f'{start:.3f}', f'{end:.3f}', label, f'{score:.4f}'])


def to_instances(
    detections: dict[str, dict], videos: Sequence[str], classes: Sequence[str], file: str | Path | None = None
) -> Instances:
    """Convert detections of known videos and classes to flat arrays.

    Ids match with or without ActivityNet's prefix ``v_``. Detections in other videos or of other classes are left out,
    with one warning.

    Args:
        detections (dict[str, dict]): Detections by video id, as :func:`read_results` returns them.
        videos (Sequence[str]): Ids of the known videos, in the order of their indices.
        classes (Sequence[str]): Names of the known classes, in the order of their indices.
        file: File that the detections come from, for the error and the warning.

    Returns:
        Instances: Detections of all known videos, with scores.

    Raises:
        InputError: None of the videos is known, or a video occurs twice, with and without ``v_``.
    """
    known_videos, known_labels = set(videos), set(classes)
    by_id, unknown_videos, unknown_labels = {}, [], Counter()
    for video, found in detections.items():
        known = known_id(video, known_videos)
        if known is None:
            unknown_videos.append(video)
        elif known in by_id:
            raise InputError('one list of detections', file=file, video=video, found=f'another one for {known}')
        else:
            by_id[known] = found
    if unknown_videos and not by_id:
        expected = f'some of the {len(videos)} annotated videos ({_names(videos)})'
        raise InputError(expected, file=file, field='results', found=_names(unknown_videos))

    parts = []
    for video in videos:
        found = by_id.get(video, {'segments_sec': np.zeros((0, 2)), 'scores': np.zeros(0), 'labels': []})
        unknown_labels.update(label for label in found['labels'] if label not in known_labels)
        parts.append(index_classes(found, classes))
    _warn_of_unknown(file, unknown_videos, unknown_labels)
    return Instances.join(parts)


def index_classes(found: dict, classes: Sequence[str]) -> Instances:
    """Convert detections of one video from class names to class indices; other classes are left out.

    Args:
        found (dict): Detections of the video, as :func:`read_results` returns them.
        classes (Sequence[str]): Names of the classes, in the order of their indices.

    Returns:
        Instances: Detections of these classes, with scores.
    """
    index_of = {label: index for index, label in enumerate(classes)}
    labels = [index_of.get(label, NO_CLASS) for label in found['labels']]
    instances = Instances.of_video(found['segments_sec'], labels, found['scores'])
    return instances[instances.labels != NO_CLASS]


def name_classes(instances: Instances, classes: Sequence[str]) -> dict:
    """Convert detections of one video from class indices to class names, as the inverse of :func:`index_classes`.

    Args:
        instances (Instances): Detections of the video, with scores.
        classes (Sequence[str]): Names of the classes, in the order of their indices.

    Returns:
        dict: Detections of the video, as :func:`write_results` takes them.
    """
    labels = [classes[label] for label in instances.labels]
    return {'segments_sec': instances.segments, 'scores': instances.scores, 'labels': labels}


def _read_video(path, video, entries):
    """Detections of one video as arrays. All entries are converted at once, which is faster than one by one."""
    if not isinstance(entries, list):
        raise InputError('a list of detections', file=path, video=video, found=_short(entries))
    try:
        segments = np.array([entry['segment'] for entry in entries], dtype=np.float64)
        scores = np.array([entry['score'] for entry in entries], dtype=np.float64)
        labels = [entry['label'].strip() for entry in entries]
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, IndexError):
        segments = scores = np.zeros(0)
    if segments.shape != (len(entries), 2) or scores.shape != (len(entries),) or not _are_good(segments, scores):
        # The list is empty, or an entry is wrong: entries are read one by one, so that the error names the entry.
        checked = [_read_entry(path, video, index, entry) for index, entry in enumerate(entries)]
        labels, scores, segments = map(list, zip(*checked)) if checked else ([], [], [])
    segments = np.reshape(segments, (-1, 2))
    found = {'segments_sec': segments, 'scores': np.asarray(scores, np.float64), 'labels': labels}
    if any('best_sec' in entry for entry in entries):
        found['best_sec'] = np.array(
            [_read_best(path, video, index, *pair) for index, pair in enumerate(zip(entries, segments.tolist()))]
        )
    return found


def _read_best(path, video, index, entry, segment):
    """Time of the best snippet of an entry; the middle of the segment if none is stated."""
    start, end = segment
    stated = entry.get('best_sec', (start + end) / 2)
    try:
        best_sec = _to_number(stated)
        if start <= best_sec <= end:
            return best_sec
    except (TypeError, ValueError, OverflowError):
        pass
    expected = f'a number of seconds from {start} to {end}, the segment'
    raise InputError(expected, file=path, video=video, field=f'entry {index}: best_sec', found=_short(stated))


def _best_entries(found):
    """The field ``best_sec`` of each detection of a video, as a dict; empty dicts if the times are not known."""
    times_sec = found.get('best_sec')
    return [{} for _ in found['labels']] if times_sec is None else [{'best_sec': time} for time in times_sec.tolist()]


def _are_good(segments, scores):
    in_range = (np.abs(segments) <= LARGEST).all()  # False for NaN, too
    return in_range and np.isfinite(scores).all() and (segments[:, 0] <= segments[:, 1]).all()


def _read_entry(path, video, index, entry):
    if not isinstance(entry, dict):
        expected = 'an object with label, score and segment'
        raise InputError(expected, file=path, video=video, field=f'entry {index}', found=_short(entry))
    converters = {
        'label': (_to_label, 'a class name'),
        'score': (_to_number, 'a finite number'),
        'segment': (_to_segment, '[start, end] in seconds, start <= end, neither beyond 1e12'),
    }
    values = []
    for field, (convert, expected) in converters.items():
        try:
            values.append(convert(entry[field]))
        except (TypeError, ValueError, KeyError, OverflowError) as error:
            found = _short(entry.get(field, '(missing)'))
            raise InputError(expected, file=path, video=video, field=f'entry {index}: {field}', found=found) from error
    return values


def _to_label(value):
    if not isinstance(value, str):
        raise TypeError
    return value.strip()


def _to_number(value):
    number = float(value)
    if not np.isfinite(number):
        raise ValueError
    return number


def _is_finite(value):
    try:
        return isinstance(value, (int, float)) and math.isfinite(value)
    except OverflowError:  # an integer that is larger than any float
        return False


def _to_segment(value):
    if not isinstance(value, list):
        raise TypeError
    start, end = map(_to_number, value)
    if not -LARGEST <= start <= end <= LARGEST:
        raise ValueError
    return start, end


def _warn_of_unknown(file, unknown_videos, unknown_labels):
    parts = []
    if unknown_videos:
        parts.append(f'{counted(len(unknown_videos), "video")} not evaluated ({_names(unknown_videos)})')
    if unknown_labels:
        parts.append(
            f'{counted(unknown_labels.total(), "detection")} of unknown classes ({_names(sorted(unknown_labels))})'
        )
    if parts:
        warn(f'{file}: left out: ' + '; '.join(parts))


def _names(names):
    names = list(names)
    return ', '.join(names[:_MAX_NAMED]) + (', ...' if len(names) > _MAX_NAMED else '')


def _short(value):
    if value is None:
        return 'null'
    text = repr(value)
    return value if len(text) <= 80 else text[:80] + ' ...'
