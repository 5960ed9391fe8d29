"""Readers of JSON annotations: ActivityNet's format (also of LACP and HR-Pro), mmaction2's, and our plain format."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import get_field, get_label, read_json, shown, to_name, to_number, to_positive, to_segment

from .readers import PointRow, SourceVideo

PLAIN_FORMAT, PLAIN_VERSION = 'fsptal_mm', 1
_PLAIN_FIELDS = {'subset', 'duration_sec', 'fps', 'points', 'background_points_sec', 'segments', 'ambiguous'}


class SourceAnnotations(NamedTuple):
    """Content of one JSON file.

    Args:
        classes: Class list of the file; ``None`` if the file has none.
        videos: Videos by id, in the order of the file.
    """

    classes: list[str] | None
    videos: dict[str, SourceVideo]


def read_annotations(path: str | Path, check_segments: bool = True) -> SourceAnnotations:
    """Read a JSON file in ActivityNet's, mmaction2's or the plain format; the content of the file decides which it is.

    Args:
        path: The file.
        check_segments: Whether a segment that is reversed or starts before 0 is an error. If not, it is left out and
            counted in ``wrong_segments`` of its video.

    Returns:
        SourceAnnotations: All videos of the file, in the order of the file.

    Raises:
        InputError: The file has none of the formats, or a field is missing, of the wrong type or out of range.
    """
    content = read_json(path)
    if content.get('format') == PLAIN_FORMAT:
        return _read_plain(content, path, check_segments)
    if 'database' in content:
        read_video = partial(_activitynet_video, check_segments=check_segments)
        return SourceAnnotations(None, _read_videos(content, 'database', read_video, path))
    if any(isinstance(entry, dict) and 'duration_second' in entry for entry in content.values()):
        read_video = partial(_activitynet_video, check_segments=check_segments, duration='duration_second')
        return SourceAnnotations(None, _read_videos({'videos': content}, 'videos', read_video, path))
    raise InputError(
        f'"database" (ActivityNet, LACP, HR-Pro), "format": "{PLAIN_FORMAT}" or duration_second of videos (mmaction2)',
        file=path,
        field='top level',
        found=list(content)[:10],
    )


def read_plain_points(path: str | Path) -> list[PointRow]:
    """Read the points and background clicks of all videos of a file in the plain format.

    Returns:
        list[PointRow]: Points and clicks in the order of the file; the label of a click is ``None``.

    Raises:
        InputError: The file does not have the plain format, or a field is wrong.
    """
    content = read_json(path)
    if content.get('format') != PLAIN_FORMAT:
        raise InputError(repr(PLAIN_FORMAT), file=path, field='format', found=content.get('format', 'none'))
    return [row for video in _read_plain(content, path).videos.values() for row in video.points]


def _read_videos(content, key, read_video, path):
    """Read each entry of ``content[key]`` by ``read_video(entry, video_id, path)``, into a dict by video id."""
    videos = {}
    for name, entry in get_field(content, key, dict, file=path).items():
        video_id = to_name(name, 'the id of a video', file=path, field=key)
        if video_id in videos:
            raise InputError('every video once', file=path, video=video_id, field=key, found='twice')
        if not isinstance(entry, dict):
            raise InputError('an object', file=path, video=video_id, field=key, found=shown(entry))
        videos[video_id] = read_video(entry, video_id, path)
    return videos


def _activitynet_video(entry, video_id, path, check_segments, duration='duration'):
    """Read ``{"duration": 33.8, "fps": 30, "annotations": [{"label": "Diving", "segment": [0.4, 2.1]}]}``.

    Files of LACP state no durations, and write numbers as texts. Further fields of HR-Pro and mmaction2 are ignored.
    """
    segments, wrong = [], 0
    for number, annotation in enumerate(get_field(entry, 'annotations', list, file=path, video=video_id)):
        where = dict(file=path, video=video_id)
        segment = get_field(annotation, 'segment', list, **where)
        if len(segment) != 2:
            raise InputError('a start and an end', field=f'annotations[{number}].segment', found=segment, **where)
        label = get_label(annotation, **where)
        times_sec = _segment(*segment, check_segments, field=f'annotations[{number}].segment', **where)
        if times_sec is None:
            wrong += 1
        else:
            segments.append((*times_sec, label))
    return SourceVideo(**_head(entry, duration, video_id, path), segments=segments, wrong_segments=wrong)


def _segment(start, end, check, **where):
    """Convert start and end to floats. A segment that is reversed or before 0: InputError with ``check``, else None."""
    if not check and not 0 <= to_number(start, **where) <= to_number(end, **where):
        return None
    return to_segment(start, end, **where)


def _read_plain(content, path, check_segments=True):
    """Read the plain format, this package's JSON format, where all times are seconds.

    ::

        {"format": "fsptal_mm", "version": 1, "classes": ["Diving", "Shotput"],
         "videos": {"VIDEO_ID": {
            "subset": "train", "duration_sec": 33.8, "fps": 30.0,
            "points": [{"time_sec": 1.2, "label": "Diving", "instance": 0}],
            "background_points_sec": [7.5],
            "segments": [{"start_sec": 0.4, "end_sec": 2.1, "label": "Diving"}],
            "ambiguous": [{"start_sec": 20.0, "end_sec": 22.5}]}}}

    All fields of a video are optional. Points of the same class and ``instance`` belong to one action; a point without
    ``instance`` is a separate action. ``fps`` is the video's native rate. In ``ambiguous`` ranges, annotators could not
    tell whether an action happens: evaluation can leave out detections there.
    """
    if content.get('version') != PLAIN_VERSION:
        raise InputError(PLAIN_VERSION, file=path, field='version', found=content.get('version', 'none'))
    classes = get_field(content, 'classes', list, file=path)
    classes = [to_name(name, 'the name of a class', file=path, field='classes') for name in classes]
    return SourceAnnotations(
        classes, _read_videos(content, 'videos', partial(_plain_video, check_segments=check_segments), path)
    )


def _plain_video(entry, video_id, path, check_segments):
    """Read the entry of a video in the plain format, see :func:`_read_plain`."""
    where = dict(file=path, video=video_id)
    unknown = sorted(set(entry) - _PLAIN_FIELDS)
    if unknown:  # ignoring a misspelt field, such as "point", would silently give a video without points
        raise InputError(f'fields among {sorted(_PLAIN_FIELDS)}', found=unknown, **where)
    points = [
        PointRow(
            str(path),
            video_id,
            get_label(point, **where),
            to_number(point.get('time_sec'), 0, field=f'points[{number}].time_sec', **where),
            instance=_instance(point.get('instance'), number, where),
        )
        for number, point in enumerate(_optional_list(entry, 'points', where))
    ]
    points += [
        PointRow(str(path), video_id, None, to_number(sec, 0, field=f'background_points_sec[{number}]', **where))
        for number, sec in enumerate(_optional_list(entry, 'background_points_sec', where))
    ]
    segments = [
        (_plain_range(segment, f'segments[{number}]', where, check_segments), get_label(segment, **where))
        for number, segment in enumerate(_optional_list(entry, 'segments', where))
    ]
    kept = [(*times_sec, label) for times_sec, label in segments if times_sec is not None]
    ambiguous = [
        _plain_range(ambiguous, f'ambiguous[{number}]', where)
        for number, ambiguous in enumerate(_optional_list(entry, 'ambiguous', where))
    ]
    head = _head(entry, 'duration_sec', video_id, path)
    wrong = len(segments) - len(kept)
    return SourceVideo(**head, segments=kept, points=points, ambiguous=ambiguous, wrong_segments=wrong)


def _head(entry, duration_key, video_id, path):
    """Subset, duration and frame rate of a video, as arguments of ``SourceVideo``; all formats may state them."""
    where = dict(file=path, video=video_id)
    return dict(
        subset=get_field(entry, 'subset', str, **where).strip() if entry.get('subset') is not None else None,
        duration_sec=to_positive(entry.get(duration_key), field=duration_key, **where),
        fps=to_positive(entry.get('fps'), field='fps', **where),
    )


def _optional_list(entry, key, where):
    return get_field(entry, key, list, **where) if key in entry else []


def _plain_range(entry, name, where, check=True):
    if not isinstance(entry, dict):
        raise InputError('an object with start_sec and end_sec', field=name, found=shown(entry), **where)
    return _segment(entry.get('start_sec'), entry.get('end_sec'), check, field=name, **where)


def _instance(instance, number, where):
    if instance is not None and type(instance) is not int:
        raise InputError('a whole number', field=f'points[{number}].instance', found=instance, **where)
    return instance
