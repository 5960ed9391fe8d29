"""Reader of point tables whose columns the user names; functions for rows, times and video ids that readers share."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import read_text, to_name, to_number

from .readers import PointRow

# A clock time h:mm:ss.s or m:ss.s. Groups: hours, minutes; minutes of a time without hours; seconds.
_CLOCK = re.compile(r'(?:(\d{1,6}):([0-5]?\d)|(\d{1,6})):([0-5]?\d(?:[.,]\d+)?)', re.ASCII)
_VIDEO = re.compile(
    r'\.(mp4|m4v|mov|qt|avi|divx|mkv|webm|mpe?g|mpe|m2v|m?ts|m2ts|wmv|asf|flv|f4v|3gp|3g2|ogv|vob|mxf|dv)$',
    re.IGNORECASE,
)
_SOUND = re.compile(r'\.(wav|mp3|m4a|aac|ogg|flac)$', re.IGNORECASE)
_COLUMNS = ('video', 'time', 'end', 'frame', 'label')


def to_seconds(value: Any, **where: Any) -> float:
    """Convert a time to seconds: a number (``62.5``, ``62,5``) or a clock time (``1:02.5``, ``00:01:02,500``).

    Args:
        value: The time, a text or a number.
        **where: Arguments of :class:`InputError`.

    Raises:
        InputError: The value is neither a number nor a clock time, or is negative.
    """
    text = str(value).strip()
    clock = _CLOCK.fullmatch(text)
    if clock:
        hours, minutes, minutes_alone, seconds = clock.groups()
        return 3600.0 * int(hours or 0) + 60.0 * int(minutes or minutes_alone) + float(seconds.replace(',', '.'))
    if ':' in text:
        raise InputError('seconds, or a clock time such as 1:02.5 or 00:01:02.5', found=value, **where)
    return to_number(re.sub(r'^(\d+),(\d+)$', r'\1.\2', text), 0, **where)


def video_name(path: str, **where: Any) -> str:
    """Derive the id of a video from the path or URL of its file: the file's name without the suffix of a media file.

    Args:
        path: Path of Windows or Unix, or URL. In a URL, escapes (``%20``) are decoded, and parameters are left out.
        **where: Arguments of :class:`InputError`.

    Raises:
        InputError: The name is empty, or has control characters.
    """
    path = to_name(path, **where)
    if re.match(r'\w{2,}://', path):  # a URL; a single letter before the colon is a drive of Windows
        path = unquote(re.sub(r'[?#].*$', '', path))
    name = to_name(re.split(r'[\\/]', path)[-1], **where)
    suffix = _VIDEO if _VIDEO.search(name) else _SOUND
    return suffix.sub('', name) or name  # a file that is named '.mp4' keeps its name


def is_media(path: str, sound: bool = True) -> bool:
    """Tell whether a path has the suffix of a video file or, with ``sound``, of a sound file."""
    return bool(_VIDEO.search(path) or (sound and _SOUND.search(path)))


def read_rows(
    path: str | Path, delimiter: str | None = None, comments: bool = False
) -> Iterator[tuple[str, list[str]]]:
    """Yield ``file:line`` and the stripped cells of every row; rows whose cells are all empty are left out.

    Args:
        path: The file.
        delimiter: Delimiter of the cells. With a tab, quotes are plain characters. Default: comma, semicolon or tab,
            whichever is most frequent in the first line; commas between two digits are not counted.
        comments: Whether lines that begin with ``#`` are left out.

    Raises:
        InputError: A quote is never closed.
    """
    text = read_text(path)
    # Comment lines are emptied, not removed, so that the line numbers in errors are those of the file.
    text = re.sub(r'^"?#.*$', '', text, flags=re.MULTILINE) if comments else text
    quoting = csv.QUOTE_NONE if delimiter == '\t' else csv.QUOTE_MINIMAL
    options = dict(delimiter=delimiter or _likely_delimiter(text), quoting=quoting)
    reader = csv.reader(io.StringIO(text, newline=''), strict=True, skipinitialspace=True, **options)
    line = 0  # the last line that was read without an error
    try:
        for row in reader:
            line = reader.line_num
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield f'{path}:{line}', cells
    except csv.Error as error:
        raise InputError('a readable csv line', file=f'{path}:{line + 1}', found=str(error)) from None


def _likely_delimiter(text):
    first = next(filter(str.strip, text.splitlines()), '')
    first = re.sub(r'(?<=\d),(?=\d)|"[^"]*"', '', first)  # decimal commas and quoted texts do not count
    return max(',;\t', key=first.count)


def read_table(path: str | Path, columns: Mapping[str, str]) -> list[PointRow]:
    """Read the points of a table whose columns are named by the user.

    Args:
        path: A csv or tab-delimited text.
        columns (dict[str, str]): From field to the name of its column; in a table without a header, to the column's
            number, from 1. ``label`` is required, and either ``time`` (seconds or clock times) or ``frame`` (frame
            numbers at the native rate, from 0). With ``end``, in the unit of ``time`` or ``frame``, a row is a stretch
            of time, and its middle becomes the point. Without ``video``, the name of the table's file is the video id
            of all rows.

    Raises:
        InputError: A column is missing or unknown, or a cell cannot be read.
    """
    unknown = set(columns) - set(_COLUMNS)
    if unknown or 'label' not in columns or ('time' in columns) == ('frame' in columns):
        expected = 'label=, either time= or frame=, and if needed end= and video='
        raise InputError(expected, field='columns', found=dict(columns))
    rows = read_rows(path)
    if all(str(name).isdecimal() for name in columns.values()):
        places = {field: int(name) - 1 for field, name in columns.items()}
        if min(places.values()) < 0:
            raise InputError('numbers of columns from 1', field='columns', found=dict(columns))
    else:
        where, header = next(rows, (f'{path}:1', []))
        missing = sorted(name for name in columns.values() if name not in header)
        if missing:
            raise InputError(f'the columns {missing}, too', file=where, field='columns', found=header)
        twice = sorted(name for name in set(columns.values()) if header.count(name) > 1)
        if twice:
            raise InputError(f'the columns {twice} once', file=where, field='columns', found=header)
        places = {field: header.index(name) for field, name in columns.items()}
    found = []
    for where, cells in rows:
        if max(places.values()) >= len(cells):
            raise InputError(f'{max(places.values()) + 1} fields', file=where, found=len(cells))
        found.append(_point({field: cells[place] for field, place in places.items()}, where, path))
    return found


def _point(row, where, path):
    """Point of a row, a dict from field (``time``, ``label``, ...) to cell."""
    video_id = video_name(row.get('video', Path(path).stem), file=where, field='video')
    key = 'time' if 'time' in row else 'frame'
    convert = to_seconds if key == 'time' else _to_frame
    times = [convert(row[field], file=where, video=video_id, field=field) for field in (key, 'end') if row.get(field)]
    if not times:
        raise InputError('a time', file=where, video=video_id, field=key, found=row[key])
    label = to_name(row['label'], 'the name of a class', file=where, video=video_id, field='label')
    return PointRow(where, video_id, label, sum(times) / len(times), in_frames=key == 'frame')


def _to_frame(value, **where):
    return to_number(value, 0, **where)
