"""Data types that all annotation readers return; readers of split files, class lists, frame rates, ambiguous ranges."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import read_json, read_text, to_name, to_number, to_segment


class PointRow(NamedTuple):
    """One point as it stands in its file: the label is a name, the time may be a frame number.

    Args:
        where: Place of the point, for errors: ``file:line``; for JSON the file and, if known, the entry.
        video_id: Id of the video, in the spelling of the file.
        label: Name of the class; ``None`` for a background click.
        time: Seconds, or a frame number at the video's native rate, from 0.
        in_frames: Whether ``time`` is a frame number.
        instance: Key of the action instance: rows of the same class and key label the same instance. ``None`` if the
            file does not state it: the row then labels a separate instance.
        class_index: Class index that the file states, if any; it is compared with the class list.
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
    """One video as it stands in its file: labels are names, and no time is corrected. Times of segments are in seconds.

    Args:
        subset: Subset in the spelling of the file; ``None`` if the file does not state it.
        duration_sec: Duration; ``None`` if the file does not state it.
        fps: Native frames per second; ``None`` if the file does not state them.
        segments: ``(start, end, label)`` with ``0 <= start <= end``.
        points: Points and background clicks.
        ambiguous: ``(start, end)`` of ranges where annotators could not tell whether an action happens.
        wrong_segments: Number of segments that the reader left out, since they are reversed or start before 0.
    """

    subset: str | None = None
    duration_sec: float | None = None
    fps: float | None = None
    segments: list[tuple[float, float, str]] = field(default_factory=list)
    points: list[PointRow] = field(default_factory=list)
    ambiguous: list[tuple[float, float]] = field(default_factory=list)
    wrong_segments: int = 0


def read_lines(path: str | Path) -> Iterator[tuple[str, str]]:
    """Yield ``file:line`` and the stripped text of every line that is not blank."""
    for number, line in enumerate(read_text(path).split('\n'), start=1):  # splitlines() splits at further characters
        if line.strip():
            yield f'{path}:{number}', line.strip()


def read_split(path: str | Path) -> list[str]:
    """Read the video ids of a split file, one per line.

    Raises:
        InputError: The file is empty, or an id occurs twice.
    """
    return _unique_lines(path, 'the id of a video')


def read_classes(path: str | Path) -> list[str]:
    """Read the names of a class list, one per line, in the order of their indices.

    A tab and a key of the keyboard may follow a name, for ``tools/annotate.py``. Both are ignored here.

    Raises:
        InputError: The file is empty, or a name occurs twice.
    """
    return _unique_lines(path, 'the name of a class')


def _unique_lines(path, what):
    """Names in the lines of a file, each up to the first tab; an InputError if one occurs twice."""
    places = {}
    for where, line in read_lines(path):
        name = to_name(line.partition('\t')[0], what, file=where)
        if name in places:
            raise InputError(f'each name once; it also stands at {places[name]}', file=where, found=name)
        places[name] = where
    if not places:
        raise InputError(f'{what} in every line', file=path, found='an empty file')
    return list(places)


def read_fps(path: str | Path) -> dict[str, float]:
    """Read the native frames per second of every video, from LACP's ``fps_dict.json`` (id -> number).

    Raises:
        InputError: The file cannot be read, or a rate is no positive number.
    """
    return {
        video_id.strip(): to_number(fps, 1e-3, file=path, video=video_id, field='fps')
        for video_id, fps in read_json(path).items()
    }


def read_ambiguous(path: str | Path) -> dict[str, list[tuple[float, float]]]:
    """Read ambiguous ranges from THUMOS14's ``Ambiguous_test.txt``; a line has video id, start and end in seconds.

    In these ranges, annotators could not tell whether an action happens.

    Returns:
        dict: From video id to a list of ``(start, end)``.

    Raises:
        InputError: A line does not have three fields, or its start and end are not ``0 <= start <= end``.
    """
    ranges = {}
    for where, line in read_lines(path):
        fields = line.split()
        if len(fields) != 3:
            raise InputError('three fields: video, start, end', file=where, found=line)
        ranges.setdefault(fields[0], []).append(to_segment(fields[1], fields[2], file=where, video=fields[0]))
    return ranges
