"""Reading of snippet features from the text of a csv file."""

import csv
import io

import numpy as np


def read_csv(text: str) -> np.ndarray:
    """Read the features of a csv file, one row per snippet.

    Columns are separated by commas, semicolons, tabs or spaces. Between semicolons or tabs, numbers may have a decimal
    comma (``0,5``). The first row is skipped as a header if one of its cells is no number, or if its cells number the
    columns (``0,1,2,...``). Empty columns at the end are left out, and so is the index column that pandas and R write,
    which comes first, has an empty title or none, and numbers the rows from 0 or 1. Lines that begin with ``#`` are
    comments.

    Args:
        text: Content of the file.

    Returns:
        np.ndarray: ``(T, D)`` float32.

    Raises:
        ValueError: A cell is no number, or the rows have different numbers of columns; or most cells of the first row,
            but not all, are numbers that cannot be names of columns: then it is a damaged row rather than a header.
    """
    text = '\n'.join(line for line in text.splitlines() if not line.startswith('#'))
    # The delimiter is looked for in the last line that is not blank, since the first line may be a header.
    last_line = next(filter(str.strip, reversed(text.splitlines())), '')
    delimiter = next((mark for mark in ';\t, ' if mark in last_line.strip()), ',')
    if delimiter == ' ':  # any number of spaces
        rows = map(str.split, text.splitlines())
    else:
        rows = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    rows = [[cell.strip() for cell in row] for row in rows]
    rows = [row for row in rows if any(row)]
    while rows and len(rows[-1]) > 1 and not any(row[-1] for row in rows):  # an empty column at the end
        rows = [row[:-1] for row in rows]
    if delimiter in ';\t':
        rows = [[cell.replace(',', '.') for cell in row] for row in rows]
    first = rows[0] if rows else []
    words = [cell for cell in first if not _is_number(cell)]
    if words and 2 * len(words) < len(first) and not _are_names(first, rows):
        raise ValueError(f'a first row of numbers with {words[0]!r} among them, neither a header nor features')
    if words or _is_count(first, rows):
        rows = rows[1:]
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ValueError(f'{len(row)} columns in the row of snippet {number}, {len(rows[0])} in the rows before')
    with np.errstate(over='ignore'):  # a number too large for float32 becomes Inf, which check_features refuses
        array = np.array([_to_numbers(row, number) for number, row in enumerate(rows)], ndmin=2)
    has_index = first[:1] == [''] or (words and len(first) + 1 == array.shape[1])
    if has_index and any(np.array_equal(array[:, 0], np.arange(len(array)) + start) for start in (0, 1)):
        return array[:, 1:]
    return array


def _to_numbers(row, number):
    """Numbers of the row of a snippet."""
    try:
        return np.array(row, dtype=np.float32)
    except ValueError:
        wrong = next(cell for cell in row if not _is_number(cell))
        raise ValueError(f'{wrong!r} in the row of snippet {number}') from None


def _are_names(first, rows):
    """Whether the numbers in a first row can be names of columns.

    Numbers 0, 1, 2, ... always can. Other numbers can if they are whole and different, and some cell of the next row is
    no whole number; otherwise they may be data.
    """
    numbers = [cell for cell in first if _is_number(cell)]
    if numbers == [str(number) for number in range(len(numbers))]:
        return True
    return all(map(str.isdecimal, numbers)) and len({*numbers}) == len(numbers) and not _is_whole(rows[1:2])


def _is_count(first, rows):
    """Whether the first row is a header that only numbers the columns.

    A row 0, 1, 2, ... always counts as such a header, since pandas writes it. A row 1, 2, 3, ... counts as one only if
    some cell of the next row is no whole number; otherwise it may be data.
    """
    numbers = [str(number) for number in range(len(first) + 1)]
    counts_from_0 = len(first) > 1 and first == numbers[:-1]
    counts_from_1 = len(first) > 2 and first == numbers[1:]
    return counts_from_0 or (counts_from_1 and not _is_whole(rows[1:2]))


def _is_whole(rows):
    return all(cell.isdecimal() for row in rows for cell in row)


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True
