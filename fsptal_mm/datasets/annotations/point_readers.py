"""Readers of point files: csv of LACP and HR-Pro, SF-Net's txt, BackTAL's clicks; and the choice of the reader."""

import itertools
import re
from collections.abc import Mapping
from pathlib import Path

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import to_name, to_number

from .elan import is_elan, read_elan
from .json_readers import read_plain_points
from .readers import PointRow, read_lines
from .tables import read_rows, read_table, to_seconds
from .tool_exports import (
    is_boris,
    is_label_studio,
    read_boris_csv,
    read_json_export,
    read_label_studio_table,
    read_via_csv,
)

_LACP_COLUMNS = {'class', 'video_id', 'point'}
_HEAD_ROWS = 40  # number of rows to search for a header, since BORIS writes other rows before its table
_SUFFIXES = ('.csv', '.tsv', '.txt', '.json')


def read_points(path: str | Path, columns: Mapping[str, str] | None = None) -> list[PointRow]:
    """Read a file of points; its suffix and content decide the format.

    Args:
        path: A csv of LACP, HR-Pro, VIA, BORIS or Label Studio; a txt of SF-Net or ELAN; a JSON file in the plain
            format, of Label Studio or of SoccerNet; or any other table, for which ``columns`` must be given.
        columns: Names of the columns of any other table, see :func:`.read_table`. Default: the file has one of the
            formats above.

    Returns:
        list[PointRow]: The points, in the order of the file.

    Raises:
        InputError: The suffix is unknown, or a line cannot be read.
    """
    if columns is not None:
        return read_table(path, columns)
    suffix = Path(path).suffix.lower()
    if suffix not in _SUFFIXES:
        expected = f'a file that ends in {", ".join(_SUFFIXES)} (other tables need the names of their columns)'
        raise InputError(expected, file=path, field='point_file', found=suffix)
    if suffix == '.json':
        exported = read_json_export(path)
        return read_plain_points(path) if exported is None else exported
    head = [line for _, line in itertools.islice(read_lines(path), _HEAD_ROWS)]
    if any(line.lstrip('"').startswith('#') and 'CSV_HEADER' in line for line in head):
        return read_via_csv(path)
    cells = [re.split(r'[,;\t]', line.replace('"', '')) for line in head]
    if any(map(is_boris, cells)):
        return read_boris_csv(path)
    if any(map(is_label_studio, cells[:1])):
        return read_label_studio_table(path)
    if any(map(is_elan, head)):
        return read_elan(path)
    if suffix == '.csv' or (cells and {cell.strip() for cell in cells[0]} >= _LACP_COLUMNS):
        return read_lacp_csv(path)
    return read_elan(path) if any('\t' in line for line in head) else read_sfnet_txt(path)


def read_lacp_csv(path: str | Path) -> list[PointRow]:
    """Read the csv of LACP and HR-Pro, with the columns ``class``, ``video_id`` and ``point``.

    A ``point`` is a frame number at the video's native rate, from 0. Three further columns are optional:
    ``start_frame``, ``stop_frame`` and ``class_index``. Points of one class with the same start and stop belong to one
    instance. Start and stop are used for nothing else, since a method that trains on points must not see boundaries.
    The class index is later compared with the class list.

    Raises:
        InputError: A column is missing, or a line has a wrong number of fields or a value that is no number.
    """
    rows = read_rows(path)
    _, names = next(rows, (None, []))
    missing = _LACP_COLUMNS - set(names)
    if missing:
        expected = f'the columns {sorted(missing)}, too (or --columns of convert_annotations.py)'
        raise InputError(expected, file=f'{path}:1', found=names)
    if any(names.count(name) > 1 for name in _LACP_COLUMNS):
        raise InputError(f'the columns {sorted(_LACP_COLUMNS)} once', file=f'{path}:1', found=names)
    points = []
    for where, cells in rows:
        while len(cells) > len(names) and not cells[-1]:  # empty cells of an emptied spreadsheet column
            cells.pop()
        if len(cells) != len(names):
            raise InputError(f'{len(names)} fields', file=where, found=len(cells))
        points.append(_csv_point(dict(zip(names, cells)), where))
    return points


def _csv_point(row, where):
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
    """Read SF-Net's txt: lines ``video,time,label`` without a header.

    A time is a number of seconds, or a clock time such as ``1:02.5``.

    Fields may be in quotes.

    Raises:
        InputError: A line does not have three fields, or the second one is no time.
    """
    rows = []
    for where, line in read_lines(path):
        if not line.strip(', "'):  # only commas and quotes: a spreadsheet row whose cells were emptied
            continue
        # The third part is the rest of the line, since a class may have a comma in its name.
        fields = [text.strip().strip('"').strip() for text in line.split(',', 2)]
        if len(fields) < 3 or not all(fields):
            raise InputError('three fields: video, seconds, label', file=where, found=line)
        if re.match(r'\d+,', fields[2]):
            raise InputError(
                'seconds with a decimal point, not a comma (62.5)', file=where, field='seconds', found=line
            )
        video_id, label = to_name(fields[0], file=where, field='video'), to_name(fields[2], file=where, field='label')
        sec = to_seconds(fields[1], file=where, video=video_id, field='seconds')
        rows.append(PointRow(where, video_id, label, sec))
    return rows


def read_clicks(path: str | Path) -> list[PointRow]:
    """Read the background clicks of a file: BackTAL's csv, or JSON in the plain format, whose points are ignored.

    Returns:
        list[PointRow]: Rows without a label.

    Raises:
        InputError: The file has neither format, or a field is wrong.
    """
    if Path(path).suffix.lower() == '.json':
        return [row for row in read_plain_points(path) if row.label is None]
    return read_backtal_csv(path)


def read_backtal_csv(path: str | Path) -> list[PointRow]:
    """Read BackTAL's csv of background clicks: column ``URLID`` is the video id, ``Start`` the time in seconds.

    Raises:
        InputError: A column is missing, or a value is no time.
    """
    rows = read_rows(path)
    _, names = next(rows, (None, []))
    missing = {'URLID', 'Start'} - set(names)
    if missing:
        raise InputError(f'the columns {sorted(missing)}, too', file=f'{path}:1', found=names)
    clicks = []
    for where, cells in rows:
        row = dict(zip(names, cells))
        video_id = to_name(row.get('URLID'), file=where, field='URLID')
        sec = to_seconds(row.get('Start'), file=where, video=video_id, field='Start')
        clicks.append(PointRow(where, video_id, None, sec))
    return clicks
