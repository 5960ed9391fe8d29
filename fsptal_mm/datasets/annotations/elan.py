"""Reader of ELAN's tab-delimited text. The middle of an annotation becomes the point."""

import re
from pathlib import Path
from urllib.parse import unquote

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import read_text

from .readers import PointRow
from .tables import is_media, read_rows, to_seconds, video_name

_TITLE = re.compile(r' - (hh:mm:ss\.ms|ss\.msec|msec|PAL|PAL-50|NTSC)$')  # of a column of times
_TIME = re.compile(r'\d{1,12}(:\d\d)*([.,]\d+)?', re.ASCII)


def read_elan(path: str | Path) -> list[PointRow]:
    """Read ELAN's tab-delimited text, with or without its header, in any language; or the same table as a csv.

    The label is the text of an annotation, or the name of its tier if there is no text. The video is the file that the
    row names, else the media file that the lines before the table name, else the name of the text file.

    Raises:
        InputError: A row has no time or no label, or ends before it begins.
    """
    video_id, offset_sec = _media(path)
    rows, header = [], None
    is_csv = Path(path).suffix.lower() == '.csv'
    for where, cells in read_rows(path, None if is_csv else '\t', comments=True):
        if header is None and any(cell.startswith('Begin Time') or _TITLE.search(cell) for cell in cells):
            header = _header(cells)
            continue
        read = _row if header is None else _named_row
        times, labels, file = read(cells, header)
        own = video_name(file.removesuffix('.eaf'), file=where) if file else video_id
        if not times or not labels:
            expected = 'a begin time (ss.msec, hh:mm:ss.ms or msec) and a text or tier'
            raise InputError(expected, file=where, video=own, found='\t'.join(cells))
        seconds = [to_seconds(time, file=where, video=own, field='time') for time in times]
        if seconds[-1] < seconds[0]:  # a table without titles and end times: the second time is the duration
            expected = 'an end after the begin (export End Time, too, or the titles of the columns)'
            raise InputError(expected, file=where, video=own, field='time', found=times)
        sec = sum(seconds) / len(seconds) + offset_sec
        rows += [PointRow(where, own, label, sec) for label in labels]
    return rows


def is_elan(line: str) -> bool:
    """Tell whether a line has titles of columns as ELAN writes them, in any language."""
    return bool(re.search(r' - (hh:mm:ss\.ms|ss\.msec|msec)\b', line))


def _media(path):
    """Video and offset in seconds, of the lines before the table: the first media file, if possible one with pictures.

    Paths are written as they are: with spaces, and without quotes around them. Time 0 of the annotations is the time
    ``offset`` of the media file.
    """
    media = re.findall(r'^"?#(.*?)(?: -- offset: (-?\d{1,12})\b.*)?"?[,;\s]*$', read_text(path), re.MULTILINE)
    media = [(unquote(file), offset) for file, offset in media if is_media(file)]
    file, offset = min(media, key=lambda one: not is_media(one[0], sound=False), default=(None, 0))
    return Path(path).stem if file is None else video_name(file, file=path), int(offset or 0) / 1000


def _header(cells):
    """English titles of columns: in any language, begin, end and duration come in this order, behind the tier."""
    if any(cell.startswith('Begin Time') for cell in cells):
        return cells
    kinds = [_TITLE.search(cell) for cell in cells]
    names = list(dict.fromkeys(cell[: kind.start()] for cell, kind in zip(cells, kinds) if kind))
    # Any of end and duration may be missing. The word for the latter begins like the English one, or is a third one.
    words = ('Begin Time', 'Duration' if re.match('d', names[-1], re.IGNORECASE) else 'End Time')
    words = dict(zip(names, words if len(names) == 2 else ('Begin Time', 'End Time', 'Duration')))
    before, first = iter(('Tier', 'Participant')), next(place for place, kind in enumerate(kinds) if kind)
    titles = [f'{words.get(cell[: kind.start()], cell)}{kind[0]}' if kind else cell for cell, kind in zip(cells, kinds)]
    return [next(before, title) for title in titles[:first]] + titles[first:]


def _named_row(cells, header):
    """Times, labels and file of a row below a header: ``Begin Time - ss.msec``, ..., then a text, or a column per tier.

    If a time stands there in several forms, the first of these is used: seconds, clock time, milliseconds.
    """
    row = dict(zip(header, cells))
    times = []
    for kind in ('Begin Time', 'End Time'):
        forms = {name.removeprefix(kind).strip(' -'): row[name] for name in row if name.startswith(kind) and row[name]}
        form = next((form for form in ('ss.msec', 'hh:mm:ss.ms', '') if form in forms), None)
        if form is None and 'msec' in forms:
            times.append(_of_ms(forms['msec']))
        elif form is not None:
            times.append(forms[form])
    known = ('Begin Time', 'End Time', 'Duration', 'Tier', 'Participant', 'File')
    texts = [cell for name, cell in row.items() if cell and not name.startswith(known) and not cell.endswith('.eaf')]
    file = next(
        (cell for name, cell in row.items() if cell.endswith('.eaf') or (name.startswith('File') and cell)), None
    )
    return times, texts or list(filter(None, [row.get('Tier')])), file


def _row(cells, _):
    """Times, labels and file of a row without a header: tier, participant, begin, end, duration, text, and maybe file.

    Each time may stand there in several forms, one column each.
    """
    first = next((place for place, cell in enumerate(cells) if place and _TIME.fullmatch(cell)), len(cells))
    last = next((place for place in range(first, len(cells)) if not _TIME.fullmatch(cells[place])), len(cells))
    clocks = [place for place in range(first, last) if 0 < cells[place].count(':') < 3]  # not of frames, 00:00:01:12
    # The text behind the times may be a number, too. The clock times tell how many columns are times.
    if len(clocks) > 1:
        last = min(last, clocks[0] + len(clocks) * (clocks[1] - clocks[0]))
    # Without clock times there is one form: seconds with a fraction, or whole milliseconds.
    times = [cells[place] for place in clocks[:2]]
    times = times or [cell if '.' in cell else _of_ms(cell) for cell in cells[first:last][:2]]
    texts = [cell for cell in cells[last:] if cell]
    file = texts.pop() if texts and texts[-1].endswith('.eaf') else None
    return times, texts[:1] or list(filter(None, cells[:1])), file


def _of_ms(text):
    """Seconds, of a text of whole milliseconds. Any other text gets a unit, so that :func:`to_seconds` refuses it."""
    return str(int(text) / 1000) if re.fullmatch(r'\d{1,12}', text, re.ASCII) else f'{text} ms'
