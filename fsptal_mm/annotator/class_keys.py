"""Classes of an annotation project, and their keys on the keyboard."""

import string
from pathlib import Path
from typing import NamedTuple

from fsptal_mm.datasets.annotations.readers import read_lines
from fsptal_mm.utils.errors import InputError

# Keys that classes can have. All other keys are commands of the page; 0 sets a background click.
CLASS_KEYS = (*string.digits[1:], *string.ascii_lowercase)
BACKGROUND_NAME = 'background'  # label that marks background clicks in point files


class ClassKey(NamedTuple):
    """A class and its key.

    Attributes:
        name (str): Name of the class.
        key (str, optional): Key in lower case; ``None`` if there are more classes than keys.
    """

    name: str
    key: str | None


def read_class_keys(path: str | Path) -> list[ClassKey]:
    """Read a class list: one name per line, optionally followed by a tab and a key.

    Classes without a key in the file get the free digits from 1 to 9, then the free letters. If there are more classes
    than keys, the last classes have no key: on the page, the annotator chooses them by name.

    Args:
        path: Text file.

    Returns:
        list[ClassKey]: Classes in the order of the file, which is the order of the class indices.

    Raises:
        InputError: The file is empty, a name or a key occurs twice, a key is neither a letter nor a digit from 1 to 9,
            or a class is named ``background``.
    """
    names, wanted, places = [], {}, {}
    for where, line in read_lines(path):
        name, _, key = (part.strip() for part in line.partition('\t'))
        if name == BACKGROUND_NAME:
            expected = f'names of actions only, since {name!r} marks clicks on background (key 0)'
            raise InputError(expected, file=where, found=name)
        if name in names:
            raise InputError('every class once', file=where, found=name)
        names.append(name)
        if key:
            key = key.lower()
            if key not in CLASS_KEYS:
                raise InputError('a letter or a digit from 1 to 9', file=where, field='key', found=key)
            if key in places:
                raise InputError('every key once', file=where, field='key', found=f'{key} (also at {places[key]})')
            places[key], wanted[name] = where, key
    if not names:
        raise InputError('the name of a class in every line', file=path, found='an empty file')
    free = iter([key for key in CLASS_KEYS if key not in places])
    return [ClassKey(name, wanted[name] if name in wanted else next(free, None)) for name in names]
