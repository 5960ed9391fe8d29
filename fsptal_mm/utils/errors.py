"""Errors for wrong user input (annotation files, features, configs, results), and for files that cannot be written."""

import numbers
import re
from pathlib import Path
from typing import Any

# Upper limit of seconds, rates, counts and weights: results computed from such numbers do not overflow.
LARGEST = 1e12
# Control characters, line and paragraph separators, halves of surrogate pairs: they split lines or cannot be written.
NOT_PRINTABLE = re.compile('[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
# A worker of a data loader sends an InputError as text: a traceback that ends with the message. In the main process,
# torch makes a new InputError from the whole text. This pattern then finds the message in it.
_OF_WORKER = re.compile(r'Caught InputError in DataLoader worker.*\n[\w.]*InputError: (.*?)\n?\Z', re.DOTALL)


class InputError(ValueError):
    """Error for a file or a setting of the user that cannot be used.

    The message names the file, the video and the field, the value found and the value expected.

    Args:
        expected: Expected value, in words.
        file: File with the error, if possible with ``:line``.
        video: Video with the error.
        field: Field, column, option or config argument with the error.
        found: Value that was found there. ``None``: the message shows no value.

    Examples:
        >>> str(InputError('a number of seconds >= 0', file='gt.json', video='v_1', field='segment', found=[-3, 4]))
        'gt.json: video v_1: segment: found [-3, 4], expected a number of seconds >= 0'
    """

    def __init__(
        self, expected: str, *, file: Any = None, video: str | None = None, field: str | None = None, found: Any = None
    ) -> None:
        self.file, self.video, self.field = file, video, field
        self.found, self.expected = found, expected
        where = [str(file)] if file is not None else []
        if video is not None:
            where.append(f'video {video}')
        if field is not None:
            where.append(str(field))
        what = f'found {found!r}, expected {expected}' if found is not None else f'expected {expected}'
        message = ': '.join([*where, what if len(what) < 600 else what[:300] + ' ... ' + what[-280:]])
        of_worker = _OF_WORKER.match(str(expected))
        if of_worker:
            message = of_worker[1]
        super().__init__(NOT_PRINTABLE.sub(lambda match: ascii(match[0])[1:-1], message))  # always one line

    def __reduce__(self):  # workers of a data loader send their errors to the main process
        return _rebuild, (self.expected, self.file, self.video, self.field, self.found)


def _rebuild(expected, file, video, field, found):
    return InputError(expected, file=file, video=video, field=field, found=found)


class WriteError(InputError, OSError):
    """Error for a file that cannot be written, e.g. because no space is left or its folder is read-only.

    Args:
        file: File to write.
        reason: Message of the operating system; it is also the attribute ``strerror``.
    """

    def __init__(self, file: str | Path, reason: str) -> None:
        super().__init__('a place that can be written to', file=file, found=reason)
        self.strerror = reason

    def __reduce__(self):
        return WriteError, (self.file, self.strerror)


def check_numbers(
    owner: str, low: float, high: float = LARGEST, *, whole: bool = False, optional: bool = False, **values: Any
) -> None:
    """Make sure that arguments of a config are numbers in a range.

    Args:
        owner (str): Name of the class with these arguments, for the error.
        low: Smallest allowed value.
        high: Largest allowed value.
        whole: Whether the values must be whole numbers.
        optional: Whether ``None`` is allowed, too.
        **values: Values by the names of the arguments.

    Raises:
        InputError: A value is no number, is out of the range, or should be whole and is not.
    """
    for name, value in values.items():
        if value is None and optional:
            continue
        is_number = isinstance(value, numbers.Integral if whole else numbers.Real) and not isinstance(value, bool)
        if not (is_number and low <= value <= high):
            bounds = f'>= {low}' if high == LARGEST else f'from {low} to {high}'
            expected = f'{"None or " if optional else ""}a {"whole " if whole else ""}number {bounds}'
            found = 'None' if value is None else value  # to an InputError, None means that there is nothing to show
            raise InputError(expected, field=f'{owner}.{name}', found=found)


def check_flags(owner: str, **flags: Any) -> None:
    """Make sure that switches of a config are ``True`` or ``False``, since a word such as ``'no'`` would count as true.

    Args:
        owner (str): Name of the class with these arguments, for the error.
        **flags: Values by the names of the arguments.

    Raises:
        InputError: A value is neither ``True`` nor ``False``.
    """
    for name, value in flags.items():
        if not isinstance(value, bool):
            found = 'None' if value is None else value  # to an InputError, None means that there is nothing to show
            raise InputError('True or False', field=f'{owner}.{name}', found=found)
