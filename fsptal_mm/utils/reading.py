"""Reading of user files, which may be damaged, huge or missing, or come from an untrusted source."""

import codecs
import json
import math
import os
import stat
from collections import Counter
from collections.abc import Container
from pathlib import Path
from typing import Any, TypeVar

from fsptal_mm.utils.errors import LARGEST, NOT_PRINTABLE, InputError

# Text and JSON are held in memory as a whole, JSON at about ten times its size.
_MAX_TEXT_BYTES = 1 << 30
# File systems allow names of 255 bytes. The rest is for what atomic_write adds to the name of its temporary file.
_MAX_NAME_BYTES = 235
_ZIP, _OLD_OFFICE = b'PK\x03\x04', b'\xd0\xcf\x11\xe0'  # first bytes of .xlsx, .ods and .xls
T = TypeVar('T')
_KINDS = {dict: 'an object', list: 'a list', str: 'a text'}


def regular_file(
    path: str | Path, expected: str = 'a readable file', max_bytes: int | None = None, **where: Any
) -> Path:
    """Make sure that a path is a regular file. A pipe or a device may never end.

    Args:
        path: Path of the file.
        expected: Expected kind of file, for the error.
        max_bytes: Largest size in bytes. Default: no limit.
        **where: Further arguments of :class:`InputError`.

    Returns:
        Path: The same path.

    Raises:
        InputError: There is no such file, it is a folder, pipe or device, or it is too large.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        missing = isinstance(error, FileNotFoundError)
        found = 'no such file' if missing else getattr(error, 'strerror', None) or str(error)
        raise InputError(expected, file=path, found=found, **where) from None
    if not stat.S_ISREG(status.st_mode):
        found = 'a folder' if stat.S_ISDIR(status.st_mode) else 'a pipe, socket or device'
        raise InputError(expected, file=path, found=found, **where)
    if max_bytes is not None and status.st_size > max_bytes:
        raise InputError(f'at most {max_bytes} bytes', file=path, found=f'{status.st_size} bytes', **where)
    return Path(path)


def path_below(folder: str | Path, name: str, suffix: str = '', field: str = 'video_id') -> Path:
    """Build the path of a file from a name, such as a video id; the file lies in a folder or below it.

    Args:
        folder: Folder of the file.
        name (str): Name, from a file or a user; with ``a/b``, the file lies in the subfolder ``a``.
        suffix: Text that is added to the name.
        field: Field that the name comes from, for the error.

    Returns:
        Path: Path of the file, which need not exist.

    Raises:
        InputError: The name leads out of the folder, is empty, or cannot be the name of a file.
    """
    if not isinstance(name, str) or NOT_PRINTABLE.search(name + suffix):
        raise InputError('a text without control characters', field=field, found=name)
    parts = name.split('/')
    if not {'', '.', '..'}.isdisjoint(parts):  # an absolute path has an empty first part
        raise InputError('a name of a file that does not lead out of its folder', field=field, found=name)
    if any(len(os.fsencode(part + suffix)) > _MAX_NAME_BYTES for part in parts):
        raise InputError(f'a name of at most {_MAX_NAME_BYTES} bytes, with its suffix', field=field, found=name)
    return Path(folder, name + suffix)


def spellings(video_id: str) -> tuple[str, str, str]:
    """List the spellings of a video id in different files: as given, without and with ActivityNet's prefix ``v_``."""
    return video_id, video_id.removeprefix('v_'), f'v_{video_id}'


def known_id(video_id: str, known: Container[str]) -> str | None:
    """Find the spelling of a video id that is among the ``known`` ids; ``None`` if there is none."""
    return next((name for name in spellings(video_id) if name in known), None)


def known_file(path: str | Path) -> Path:
    """Find a file whose name may have ActivityNet's prefix ``v_`` or not; if there is none, return ``path``."""
    path = Path(path)
    return next((near for near in map(path.with_name, spellings(path.name)) if os.path.exists(near)), path)


def to_name(value: Any, expected: str = 'a name', **where: Any) -> str:
    """Strip white space from the ends of a name.

    Args:
        value: Name, which is checked.
        expected: Expected value, for the error.
        **where: Further arguments of :class:`InputError`.

    Raises:
        InputError: The value is not a text, is empty, or has control characters.
    """
    name = value.strip() if isinstance(value, str) else ''
    if not name:
        raise InputError(expected, found='null' if value is None else value, **where)
    if NOT_PRINTABLE.search(name):
        raise InputError(f'{expected} without control characters', found=name, **where)
    return name


def text_encoding(start: bytes) -> str:
    """Find the encoding of a text by its first bytes: UTF-16 if it has the byte-order mark of Windows, else UTF-8."""
    return 'utf-16' if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else 'utf-8-sig'


def read_text(path: str | Path, utf16: bool = True) -> str:
    """Read a UTF-8 file, with or without byte-order mark, or a UTF-16 file with one.

    Args:
        path: Path of the file.
        utf16: Whether UTF-16 is read, too.

    Raises:
        InputError: There is no such file, it is larger than 1 GiB, or its text has another encoding.
    """
    expected = 'UTF-8 text: save the file as UTF-8'
    try:
        with open(regular_file(path, max_bytes=_MAX_TEXT_BYTES), 'rb') as file:
            start = file.read(4)
            encoding = text_encoding(start) if utf16 else 'utf-8-sig'
        if start in (_ZIP, _OLD_OFFICE):
            found = 'a spreadsheet or an archive'
            raise InputError('UTF-8 text: save the table as csv (UTF-8)', file=path, found=found)
        text = Path(path).read_text(encoding=encoding)
    except UnicodeDecodeError as error:
        raise InputError(expected, file=path, found=str(error)) from None
    except OSError as error:
        raise InputError('a readable file', file=path, found=error.strerror) from None
    if '\0' in text:  # also UTF-16 without a byte-order mark
        raise InputError(expected, file=path, found='NUL characters')
    return text


def read_json(path: str | Path, kinds: tuple[type, ...] = (dict,)) -> Any:
    """Read a JSON file, by default one whose top level is an object.

    Args:
        path: Path of the file.
        kinds: Types that the top level may have: dict, list or str.

    Raises:
        InputError: The file is not JSON, its top level has another type, or a key occurs twice in one object.
    """

    def unique_keys(pairs):
        content = dict(pairs)
        if len(content) < len(pairs):
            twice, count = Counter(key for key, _ in pairs).most_common(1)[0]
            raise InputError('every key of an object once', file=path, field=twice, found=f'{count} times')
        return content

    text = read_text(path)
    try:
        content = json.loads(text, object_pairs_hook=unique_keys)
    except InputError:
        raise
    except json.JSONDecodeError as error:
        raise InputError('valid JSON', file=f'{path}:{error.lineno}', found=error.msg) from None
    except RecursionError:
        raise InputError('valid JSON', file=path, found='too many nested brackets') from None
    except ValueError as error:  # a whole number with thousands of digits
        raise InputError('valid JSON', file=path, found=str(error)) from None
    if not isinstance(content, kinds):
        expected = ' or '.join(_KINDS[kind] for kind in kinds)
        raise InputError(f'{expected} at the top level', file=path, found=type(content).__name__)
    return content


def get_field(entry: Any, key: str, kind: type[T], **where: Any) -> T:
    """Return ``entry[key]``, which must have the type ``kind``: dict, list or str.

    Raises:
        InputError: The entry is no dict, or the field is missing or has another type.
    """
    if not isinstance(entry, dict):
        raise InputError(f'an object with {key!r}', found=entry, **where)
    if key not in entry:
        raise InputError(f'{_KINDS[kind]} named {key!r}', field=key, found=f'only {sorted(entry)}', **where)
    if not isinstance(entry[key], kind):
        raise InputError(_KINDS[kind], field=key, found=shown(entry[key]), **where)
    return entry[key]


def shown(value: Any) -> Any:
    """Convert a JSON value for ``found`` of an InputError: None, which would not be shown, becomes ``'null'``."""
    return 'null' if value is None else value


def get_label(entry: Any, **where: Any) -> str:
    """Read the label of a point or segment, without outer white space; an InputError if it is missing or no name."""
    return to_name(get_field(entry, 'label', str, **where), 'the name of a class', field='label', **where)


def to_number(value: Any, minimum: float = -math.inf, **where: Any) -> float:
    """Convert a number, or a text that holds one, to float.

    Raises:
        InputError: The value is not a number, is not finite, is above 1e12 or below -1e12, or is below ``minimum``.
    """
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (abs(number) <= LARGEST and number >= minimum):
        bound = '' if minimum == -math.inf else f' >= {minimum:g}'
        raise InputError(f'a finite number{bound}', found=shown(value), **where)
    return number


def to_positive(value: Any, **where: Any) -> float | None:
    """Convert a value to a float greater than 0; ``None`` stays ``None``.

    Raises:
        InputError: The value is not a number > 0.
    """
    if value is None:
        return None
    number = to_number(value, **where)
    if number <= 0:
        raise InputError('a number > 0', found=value, **where)
    return number


def to_segment(start: Any, end: Any, **where: Any) -> tuple[float, float]:
    """Convert the start and the end of a segment, in seconds, to floats.

    Segments without length are allowed, since ActivityNet's official file has some.

    Raises:
        InputError: A time is not a number, or is negative, or the end comes before the start.
    """
    start, end = to_number(start, 0, **where), to_number(end, 0, **where)
    if end < start:
        raise InputError('an end after the start', found=[start, end], **where)
    return start, end
