"""Reader of the tab-delimited text that the annotation tool ELAN exports.

An ELAN annotation is a stretch of time; its middle becomes the point.
"""

import re
from pathlib import Path
from urllib.parse import unquote

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import read_text

from .readers import PointRow
from .tables import is_media, read_rows, to_seconds, video_name

# The title of a time column ends with the form of its times, such as "Begin Time - hh:mm:ss.ms".
_TITLE = re.compile(r' - (hh:mm:ss\.ms|ss\.msec|msec|PAL|PAL-50|NTSC)$')
_TIME = re.compile(r'\d{1,12}(:\d\d)*([.,]\d+)?', re.ASCII)


def read_elan(path: str | Path) -> list[PointRow]:
    """Read a table that ELAN exported as tab-delimited text, or the same table as a csv.

    The table may have a header, in any language, or none. The label of a point is the text of its annotation or, if the
    text is empty, the name of its tier (a row of ELAN's timeline). The video id is the name of a file without suffix:
    of the file in the row's file column; if there is none, of the media file in the lines before the table; if there
    are no such lines, of the text file itself.

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
        if seconds[-1] < seconds[0]:  # happens in a table without header and end times: the second time is a duration
            expected = 'an end after the begin (in ELAN, export End Time, too, or the column titles)'
            raise InputError(expected, file=where, video=own, field='time', found=times)
        sec = sum(seconds) / len(seconds) + offset_sec
        rows += [PointRow(where, own, label, sec) for label in labels]
    return rows


def is_elan(line: str) -> bool:
    """Tell whether a line is the header of an ELAN table, in any language: titles that end with a form of time."""
    return bool(re.search(r' - (hh:mm:ss\.ms|ss\.msec|msec)\b', line))


def _media(path):
    """Video id and offset in seconds, from lines such as ``#file:///C:/my clip.mp4 -- offset: 1200`` before the table.

    If the lines name several media files, the first video file is taken, or the first sound file if there is no video.
    Time 0 of the annotations is the time ``offset`` (in ms) of the media file. Paths may contain spaces and are not
    quoted.
    """
    media = re.findall(r'^"?#(.*?)(?: -- offset: (-?\d{1,12})\b.*)?"?[,;\s]*$', read_text(path), re.MULTILINE)
    media = [(unquote(file), offset) for file, offset in media if is_media(file)]
    with_pictures = [(file, offset) for file, offset in media if is_media(file, sound=False)]
    file, offset_ms = (with_pictures or media or [(None, 0)])[0]
    return Path(path).stem if file is None else video_name(file, file=path), int(offset_ms or 0) / 1000


def _header(cells):
    """Translate the titles of the columns to English: ``Anfangszeit - msec`` becomes ``Begin Time - msec``.

    No dictionary is needed, since ELAN's columns have the same order in every language: tier, participant, begin, end,
    duration.
    """
    if any(cell.startswith('Begin Time') for cell in cells):
        return cells
    forms = [_TITLE.search(cell) for cell in cells]  # None for a column that holds no times
    words = list(dict.fromkeys(cell[: form.start()] for cell, form in zip(cells, forms) if form))
    english = ('Begin Time', 'End Time', 'Duration')
    # If there are only two kinds of time columns, the second is the duration if its title begins with d (Duration,
    # Dauer), else the end.
    if len(words) == 2 and re.match('d', words[-1], re.IGNORECASE):
        english = ('Begin Time', 'Duration')
    to_english = dict(zip(words, english))
    titles = [
        f'{to_english.get(cell[: form.start()], cell)}{form[0]}' if form else cell for cell, form in zip(cells, forms)
    ]
    first_time = next(index for index, form in enumerate(forms) if form)
    titles[: min(first_time, 2)] = ('Tier', 'Participant')[:first_time]
    return titles


def _named_row(cells, header):
    """Times, labels and file of a row below a header.

    The header has time columns (``Begin Time - ss.msec``, ...), then one column of texts or one column per tier. If the
    row states a time in several forms, one form is used: seconds, else clock time, else milliseconds.
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
    """Times, labels and file of a row of a table without a header.

    The columns are tier, participant, begin, end, duration, text and, in some exports, the file. Begin, end and
    duration may take several columns each, one for each form of time.
    """
    is_time = [index > 0 and bool(_TIME.fullmatch(cell)) for index, cell in enumerate(cells)]  # column 0 is the tier
    first = is_time.index(True) if True in is_time else len(cells)
    stop = is_time.index(False, first) if False in is_time[first:] else len(cells)
    # Clock times such as 00:00:01.500; a time such as 00:00:01:12, which ends with a frame number, is not used.
    clocks = [index for index in range(first, stop) if 0 < cells[index].count(':') < 3]
    # If the text of an annotation is a number, it looks like one more time. The clock times show where the times really
    # stop. For example, in the row "tier, participant, 00:00:05.000, 5.0, 00:00:07.000, 7.0, text", the clock times are
    # columns 2 and 4. So each time takes 4 - 2 = 2 columns, and the 2 times stop before column 2 + 2 * 2 = 6.
    if len(clocks) > 1:
        stop = min(stop, clocks[0] + len(clocks) * (clocks[1] - clocks[0]))
    # Without clock times, a time is seconds if it has a decimal point, else whole milliseconds.
    times = [cells[index] for index in clocks[:2]]
    times = times or [cell if '.' in cell else _of_ms(cell) for cell in cells[first:stop][:2]]
    texts = [cell for cell in cells[stop:] if cell]
    file = texts.pop() if texts and texts[-1].endswith('.eaf') else None
    return times, texts[:1] or list(filter(None, cells[:1])), file


def _of_ms(text):
    """Convert a text of whole milliseconds to seconds. Any other text gets " ms", so that to_seconds refuses it."""
    return str(int(text) / 1000) if re.fullmatch(r'\d{1,12}', text, re.ASCII) else f'{text} ms'
