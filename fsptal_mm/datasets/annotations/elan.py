"""Reader of ELAN's tab-delimited text. The middle of an annotation becomes the point."""

import re
from pathlib import Path
from urllib.parse import unquote

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import read_text

from .readers import PointRow
from .tables import read_rows, to_seconds, video_name

_ELAN_TIME = re.compile(r'\d{1,12}(:\d\d)*([.,]\d+)?', re.ASCII)


def read_elan_txt(path: str | Path) -> list[PointRow]:
    """Read ELAN's tab-delimited text, with or without its header.

    The label is the text of an annotation, or the name of its tier if there is no text. The video is the file that the
    row names, else the media file that the lines before the table name, else the name of the text file.

    Raises:
        InputError: A row has no time or no label.
    """
    media = re.search(r'^"?#.*?([^\\/\s"]+\.(?!eaf)\w{2,4})\b', read_text(path), re.MULTILINE)
    video_id = video_name(unquote(media[1]), file=path) if media else Path(path).stem
    rows, header = [], None
    for where, cells in read_rows(path, '\t', comments=True):
        if any(cell.startswith('Begin Time') for cell in cells):
            header = cells
            continue
        read = _elan_row if header is None else _elan_named_row
        times, labels, file = read(cells, header)
        own = video_name(file.removesuffix('.eaf'), file=where) if file else video_id
        if not times or not labels:
            raise InputError('a begin time and a text or tier', file=where, video=own, found='\t'.join(cells))
        seconds = [to_seconds(time, file=where, video=own, field='time') for time in times]
        rows += [PointRow(where, own, label, sum(seconds) / len(seconds)) for label in labels]
    return rows


def _elan_named_row(cells, header):
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
    texts = [cell for name, cell in row.items() if cell and not name.startswith(known)]
    file = next((row[name] for name in row if name.startswith('File') and row[name]), None)
    return times, texts or list(filter(None, [row.get('Tier')])), file


def _elan_row(cells, _):
    """Times, labels and file of a row without a header: tier, participant, begin, end, duration, text, and maybe file.

    Each time may stand there in several forms, one column each.
    """
    first = next((place for place, cell in enumerate(cells) if place and _ELAN_TIME.fullmatch(cell)), len(cells))
    last = next((place for place in range(first, len(cells)) if not _ELAN_TIME.fullmatch(cells[place])), len(cells))
    clocks = [place for place in range(first, last) if ':' in cells[place]]
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
