"""Rows that all annotation readers return, and readers of further lists: splits, classes, frame rates, ranges."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import read_json, read_text, to_name, to_number, to_segment


class PointRow(NamedTuple):
    """One point as it stands in its file: the label is a name, the time may be a frame number.

    Args:
        where: File, with the line number if it has lines.
        video_id: Video, in the file's spelling.
        label: Name of the class; ``None`` for a background click.
        time: Seconds, or frames at the video's native rate, from 0.
        in_frames: Whether ``time`` counts frames.
        instance: Equal for rows of one instance; ``None`` if the file does not state it.
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
    """One video as it stands in its file: labels are names, nothing is clipped or dropped; all times in seconds.

    Args:
        segments: ``(start, end, label)`` with ``0 <= start <= end``.
        ambiguous: ``(start, end)``.
        wrong_segments: Number of segments that were left out, since they are reversed or start before 0.
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
    for number, line in enumerate(read_text(path).split('\n'), start=1):  # splitlines() also splits at rarer characters
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

    What stands behind a tab is left out: the key of the class in ``tools/annotate.py``.

    Raises:
        InputError: The file is empty, or a name occurs twice.
    """
    return _unique_lines(path, 'the name of a class')


def _unique_lines(path, what):
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
    """Read the native frames per second of every video, from LACP's ``fps_dict.json`` (id -> number)."""
    return {
        video_id.strip(): to_number(fps, 1e-3, file=path, video=video_id, field='fps')
        for video_id, fps in read_json(path).items()
    }


def read_ambiguous(path: str | Path) -> dict[str, list[tuple[float, float]]]:
    """Read ranges that evaluation may leave out, from THUMOS14's ``Ambiguous_test.txt``: id, start and end in seconds.

    Returns:
        dict: From video id to a list of ``(start, end)``.

    Raises:
        InputError: A line does not have three fields, or its numbers are no range.
    """
    ranges = {}
    for where, line in read_lines(path):
        fields = line.split()
        if len(fields) != 3:
            raise InputError('three fields: video, start, end', file=where, found=line)
        ranges.setdefault(fields[0], []).append(to_segment(fields[1], fields[2], file=where, video=fields[0]))
    return ranges
