"""Writers of annotation files, in the plain format and in the formats of other toolboxes."""

import csv
from pathlib import Path

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import atomic_write, write_json

from .json_readers import PLAIN_FORMAT, PLAIN_VERSION
from .records import Annotations

# The frame number time * fps is rounded to a whole number if rounding moves the time by at most this number of seconds.
# The tolerance is not 0, since the time, and the duration from which fps was computed, may be rounded to milliseconds.
_ROUNDED_SEC = 2e-3


def save_plain(path: str | Path, annotations: Annotations) -> None:
    """Write annotations in the plain format, atomically; :func:`.read_annotations` reads it.

    Args:
        path: JSON file to write.
        annotations (Annotations): Annotations to write. Reading the file gives the same annotations again.
    """
    videos = {video_id: _plain_entry(record, annotations.classes) for video_id, record in annotations.videos.items()}
    write_json(
        path, {'format': PLAIN_FORMAT, 'version': PLAIN_VERSION, 'classes': list(annotations.classes), 'videos': videos}
    )


def _plain_entry(record, classes):
    points = zip(record.point_sec.tolist(), record.point_labels, record.point_instances.tolist())
    segments = zip(record.segments_sec.tolist(), record.segment_labels)
    entry = {
        'subset': record.subset,
        'duration_sec': record.duration_sec,
        'fps': record.fps,
        'points': [{'time_sec': sec, 'label': classes[label], 'instance': instance} for sec, label, instance in points],
        'background_points_sec': record.background_sec.tolist(),
        'segments': [{'start_sec': start, 'end_sec': end, 'label': classes[label]} for (start, end), label in segments],
        'ambiguous': [{'start_sec': start, 'end_sec': end} for start, end in record.ambiguous_sec.tolist()],
    }
    return {key: value for key, value in entry.items() if value is not None}


def save_activitynet(
    path: str | Path, annotations: Annotations, fps: float | None = None, covered_sec: dict[str, float] | None = None
) -> None:
    """Write ``NAME.json`` in ActivityNet's format, and ``NAME_classes.txt`` beside it, one class name per line.

    The toolbox OpenTAD reads the two files as ``ann_file`` and ``class_map``. Most of its datasets need the field
    ``frame``, the number of frames of a video, which is written if the frames per second are known.

    Args:
        path: JSON file to write.
        annotations (Annotations): Videos with ``duration_sec`` and segments.
        fps: Frames per second of videos that do not state their own. Default: such videos get no ``frame``.
        covered_sec: Ignored; it is here so that this function takes the same arguments as :func:`save_mmaction2`.

    Raises:
        WriteError: A file cannot be written.
    """
    database = {}
    for video_id, record in annotations.videos.items():
        database[video_id] = {'subset': record.subset, 'duration': record.duration_sec}
        rate = record.fps or fps
        if rate is not None:
            database[video_id] |= {'fps': rate, 'frame': round(record.duration_sec * rate)}
        database[video_id]['annotations'] = _segments(record, annotations.classes)
    with atomic_write(Path(path).with_name(f'{Path(path).stem}_classes.txt')) as file:
        file.writelines(f'{name}\n' for name in annotations.classes)
    # Written last, so that a JSON file never stands without its class names.
    write_json(path, {'version': 'VERSION 1.3', 'taxonomy': [], 'database': database})


def save_mmaction2(
    path: str | Path, annotations: Annotations, fps: float | None = None, covered_sec: dict[str, float] | None = None
) -> None:
    """Write the flat format of mmaction2's ``ActivityNetDataset``, for BMN and BSN.

    Videos without any segment are left out, since BMN and BSN cannot train on them.

    Args:
        path: JSON file to write.
        annotations (Annotations): Videos with ``duration_sec`` and segments.
        fps: Frames per second of videos that do not state their own.
        covered_sec (dict[str, float], optional): Seconds of each video that its features cover. Default: the duration.

    Raises:
        InputError: A video's frames per second are not known.
    """
    videos = {}
    for video_id, record in annotations.videos.items():
        rate = record.fps or fps
        if rate is None:
            raise InputError("the video's frames per second (--fps)", file=path, video=video_id, field='fps')
        if len(record.segments_sec):
            frames = round(record.duration_sec * rate)
            videos[video_id] = {
                'duration_second': record.duration_sec,
                'duration_frame': frames,
                'feature_frame': frames if covered_sec is None else round(covered_sec[video_id] * rate),
                'fps': rate,
                'rfps': rate,
                'annotations': _segments(record, annotations.classes),
            }
    write_json(path, videos)


def save_lacp(folder: str | Path, annotations: Annotations, write_classes: bool = True) -> None:
    """Write the points in LACP's format: ``point_labels.csv``, ``fps_dict.json``, ``split_train.txt``, ``classes.txt``.

    A point is a frame number, from 0, at the video's native rate. In videos whose frames are not equally long, the
    number is the time multiplied by the mean rate; it may have a fraction, so that the time stays exact.
    ``start_frame`` and ``stop_frame`` are unknown and left empty. Background clicks are left out, since LACP's format
    has none.

    Args:
        folder: Folder to write into.
        annotations (Annotations): Videos with points and ``fps``.
        write_classes: Whether to write ``classes.txt``, too.

    Raises:
        InputError: A video's frames per second are not known.
    """
    folder = Path(folder)
    rows = []
    for video_id, record in annotations.videos.items():
        if record.fps is None:
            raise InputError("the video's frames per second", file=folder, video=video_id, field='fps')
        for sec, label in zip(record.point_sec.tolist(), record.point_labels.tolist()):
            rows.append((annotations.classes[label], label, '', '', video_id, _frame_number(sec, record.fps)))
    with atomic_write(folder / 'point_labels.csv', newline='') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(('class', 'class_index', 'start_frame', 'stop_frame', 'video_id', 'point'))
        writer.writerows(rows)
    write_json(folder / 'fps_dict.json', {video_id: record.fps for video_id, record in annotations.videos.items()})
    lists = {'split_train': annotations.videos} | ({'classes': annotations.classes} if write_classes else {})
    for name, lines in lists.items():
        with atomic_write(folder / f'{name}.txt') as file:
            file.writelines(f'{line}\n' for line in lines)


def _frame_number(sec, fps):
    """Frame number ``sec * fps``, as a whole number if it differs from a whole number by rounding only."""
    whole = round(sec * fps)
    return whole if abs(whole / fps - sec) <= _ROUNDED_SEC else round(sec * fps, 6)


def _segments(record, classes):
    return [
        {'label': classes[label], 'segment': segment}
        for label, segment in zip(record.segment_labels, record.segments_sec.tolist())
    ]
