"""Reading of snippet features from the text of a csv file."""

import csv
import io

import numpy as np


def read_csv(text: str) -> np.ndarray:
    """Read the features of a csv file, one row per snippet.

    Columns are separated by commas, semicolons, tabs or spaces. Between semicolons or tabs, numbers may have a decimal
    comma (``0,5``). The first row is skipped as a header if one of its cells is no number, or if its cells number the
    columns (``0,1,2,...``). Empty columns at the end are left out, and so is the index column that pandas writes, which
    comes first, has an empty title and numbers the rows from 0.

    Args:
        text: Content of the file.

    Returns:
        np.ndarray: ``(T, D)`` float32.

    Raises:
        ValueError: A cell is no number, or the rows have different numbers of columns.
    """
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
    if not all(map(_is_number, first)) or _is_count(first, rows):
        rows = rows[1:]
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ValueError(f'{len(row)} columns in the row of snippet {number}, {len(rows[0])} in the rows before')
    with np.errstate(over='ignore'):  # a number too large for float32 becomes Inf, which check_features refuses
        array = np.array([np.array(row, dtype=np.float32) for row in rows], ndmin=2)
    if first[:1] == [''] and np.array_equal(array[:, 0], np.arange(len(array))):  # the index that pandas writes
        return array[:, 1:]
    return array


def _is_count(first, rows):
    """Whether the first row is a header that only numbers the columns.

    A row 0, 1, 2, ... always counts as such a header, since pandas writes it. A row 1, 2, 3, ... counts as one only if
    some cell of the next row is no whole number; otherwise it may be data.
    """
    numbers = [str(number) for number in range(len(first) + 1)]
    counts_from_0 = len(first) > 1 and first == numbers[:-1]
    counts_from_1 = len(first) > 2 and first == numbers[1:]
    next_is_whole = all(cell.isdecimal() for row in rows[1:2] for cell in row)
    return counts_from_0 or (counts_from_1 and not next_is_whole)


def _is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True
