"""Fields and lines of users' files, with errors that say where, and the small lists beside annotations."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from fsptal_mm.errors import LARGEST, InputError
from fsptal_mm.reading import read_json, read_text, to_name

_KINDS = {dict: 'an object', list: 'a list', str: 'a text'}


class PointRow(NamedTuple):
    """One point as its file has it: the label is still a name, the time may still be a frame number.

    Args:
        where: File, with the line where lines count.
        video_id: Video, in the file's spelling.
        label: Name of the class; ``None`` for a background click.
        time: Seconds, or frames at the video's native rate, from 0.
        in_frames: Whether ``time`` counts frames.
        instance: What rows of one instance share; ``None`` where the file does not tell.
        class_index: Class index that the file states, if any.
    """

    where: str
    video_id: str
    label: str | None
    time: float
    in_frames: bool = False
    instance: object = None
    class_index: float | None = None


@dataclass
class SourceVideo:
    """One video as its file has it: labels are names, nothing is clipped or dropped; all times in seconds.

    Args:
        segments: ``(start, end, label)`` with ``0 <= start <= end``.
        ambiguous: ``(start, end)``.
    """

    subset: str | None = None
    duration_sec: float | None = None
    fps: float | None = None
    segments: list[tuple[float, float, str]] = field(default_factory=list)
    points: list[PointRow] = field(default_factory=list)
    ambiguous: list[tuple[float, float]] = field(default_factory=list)


def read_lines(path):
    """Yield ``file:line`` and the stripped text of every line that is not blank."""
    for number, line in enumerate(read_text(path).split('\n'), start=1):  # splitlines() also splits at rarer characters
        if line.strip():
            yield f'{path}:{number}', line.strip()


def get_field(entry, key, kind, **where):
    """``entry[key]`` if it is of the kind (dict, list or str) that it must be.

    Raises:
        InputError: It is missing or of another kind.
    """
    if not isinstance(entry, dict):
        raise InputError(f'an object with {key!r}', found=entry, **where)
    if key not in entry:
        raise InputError(f'{_KINDS[kind]} named {key!r}', field=key, found=f'only {sorted(entry)}', **where)
    if not isinstance(entry[key], kind):
        raise InputError(_KINDS[kind], field=key, found=shown(entry[key]), **where)
    return entry[key]


def shown(value):
    """What an :class:`InputError` is to show of a JSON value: to it, ``None`` means that there is nothing to show."""
    return 'null' if value is None else value


def get_label(entry, **where):
    """Label of a point or segment, without white space around it."""
    return to_name(get_field(entry, 'label', str, **where), 'the name of a class', field='label', **where)


def to_number(value, minimum=-math.inf, **where):
    """Float of a number or of a text that holds one.

    Raises:
        InputError: It is no number, not finite, beyond 1e12 on either side, or below ``minimum``.
    """
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (abs(number) <= LARGEST and number >= minimum):
        bound = '' if minimum == -math.inf else f' >= {minimum:g}'
        raise InputError(f'a finite number{bound}', found=shown(value), **where)
    return number


def to_positive(value, **where):
    """Float greater than 0, or ``None`` for ``None``."""
    if value is None:
        return None
    number = to_number(value, **where)
    if number <= 0:
        raise InputError('a number > 0', found=value, **where)
    return number


def to_segment(start, end, **where):
    """Start and end in seconds; no length at all is let through, since ActivityNet's official file has such segments.

    Raises:
        InputError: One is no number, or negative, or the end comes before the start.
    """
    start, end = to_number(start, 0, **where), to_number(end, 0, **where)
    if end < start:
        raise InputError('an end after the start', found=[start, end], **where)
    return start, end


def read_split(path):
    """Video ids of a split file, one per line.

    Raises:
        InputError: The file is empty, or an id stands there twice.
    """
    return _unique_lines(path, 'the id of a video')


def read_classes(path):
    """Class names of a class list, one per line, in the order of their indices.

    Raises:
        InputError: The file is empty, or a name stands there twice.
    """
    return _unique_lines(path, 'the name of a class')


def _unique_lines(path, what):
    places = {}
    for where, line in read_lines(path):
        name = to_name(line, what, file=where)
        if name in places:
            raise InputError('every line once', file=where, found=f'{name} (also at {places[name]})')
        places[name] = where
    if not places:
        raise InputError(f'{what} in every line', file=path, found='an empty file')
    return list(places)


def read_fps(path):
    """Native frames per second of every video, from LACP's ``fps_dict.json`` (id -> number)."""
    return {
        video_id.strip(): to_number(fps, 1e-3, file=path, video=video_id, field='fps')
        for video_id, fps in read_json(path).items()
    }


def read_ambiguous(path):
    """Ranges that evaluation may leave out, from THUMOS14's ``Ambiguous_test.txt``: id, start and end in seconds.

    Returns:
        dict: From video id to a list of ``(start, end)``.

    Raises:
        InputError: A line has other than three fields, or its numbers make no range.
    """
    ranges = {}
    for where, line in read_lines(path):
        fields = line.split()
        if len(fields) != 3:
            raise InputError('three fields: video, start, end', file=where, found=line)
        ranges.setdefault(fields[0], []).append(to_segment(fields[1], fields[2], file=where, video=fields[0]))
    return ranges
