"""Files of point labels: the csv of LACP and HR-Pro, SF-Net's text files, the package's own plain JSON."""

import csv
import io
from pathlib import Path

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import read_text, to_name, to_number

from .json_readers import read_plain_points
from .readers import PointRow, read_lines


def read_points(path: str | Path) -> list[PointRow]:
    """Read a file of points; its suffix decides the format.

    Returns:
        list[PointRow]: In the order of the file.

    Raises:
        InputError: The suffix is unknown, or a line cannot be read.
    """
    readers = {'.csv': read_lacp_csv, '.txt': read_sfnet_txt, '.json': read_plain_points}
    suffix = Path(path).suffix.lower()
    if suffix not in readers:
        raise InputError(f'a file that ends in {", ".join(readers)}', file=path, field='point_file', found=suffix)
    return readers[suffix](path)


def read_lacp_csv(path: str | Path) -> list[PointRow]:
    """Read a csv with the columns ``class``, ``video_id`` and ``point`` (a frame at the native rate, from 0).

    Points of one class with the same ``start_frame`` and ``stop_frame`` belong to one instance. These columns are used
    for nothing else, since a method that trains on points must not see boundaries. ``class_index``, if given, is
    checked against the class list.

    Raises:
        InputError: A column is missing, or a line has a wrong number of fields or a value that is no number.
    """
    reader = csv.DictReader(io.StringIO(read_text(path), newline=''), strict=True, skipinitialspace=True)
    rows = []
    try:
        reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
        missing = {'class', 'video_id', 'point'} - set(reader.fieldnames)
        if missing:
            raise InputError(f'the columns {sorted(missing)}, too', file=f'{path}:1', found=reader.fieldnames)
        rows.extend(_csv_point(row, f'{path}:{reader.line_num}') for row in reader)
    except csv.Error as error:
        # line_num is the last line that could be read: the next one may open a quote that is never closed
        raise InputError('a readable csv line', file=f'{path}:{reader.line_num + 1}', found=str(error)) from None
    return rows


def _csv_point(row, where):
    if None in row or None in row.values():
        found = sum(value is not None for key, value in row.items() if key is not None) + len(row.get(None, []))
        raise InputError(f'{len(row) - (None in row)} fields', file=where, found=found)
    row = {name: value.strip() for name, value in row.items()}
    video_id, label = (to_name(row[field], file=where, field=field) for field in ('video_id', 'class'))
    bounds = (row.get('start_frame'), row.get('stop_frame'))
    index = row.get('class_index')
    return PointRow(
        where,
        video_id,
        label,
        to_number(row['point'], 0, file=where, video=video_id, field='point'),
        in_frames=True,
        instance=bounds if all(bounds) else None,
        class_index=to_number(index, file=where, video=video_id, field='class_index') if index else None,
    )


def read_sfnet_txt(path: str | Path) -> list[PointRow]:
    """Read lines of ``video,seconds,label``, without header, in any order.

    Raises:
        InputError: A line does not have three fields, or the second one is no number.
    """
    rows = []
    for where, line in read_lines(path):
        fields = [text.strip() for text in line.split(',', 2)]  # a class may have a comma in its name
        if len(fields) < 3 or not all(fields):
            raise InputError('three fields: video, seconds, label', file=where, found=line)
        video_id, label = to_name(fields[0], file=where, field='video'), to_name(fields[2], file=where, field='label')
        rows.append(
            PointRow(where, video_id, label, to_number(fields[1], 0, file=where, video=video_id, field='seconds'))
        )
    return rows
