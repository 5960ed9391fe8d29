"""Check of the content of an error about a user's file or setting."""

from contextlib import contextmanager

import pytest

from fsptal_mm.utils.errors import InputError


@contextmanager
def refused(*names):
    """Expect an ``InputError`` that names all these: file, line, video, field, value."""
    with pytest.raises(InputError) as error:
        yield error
    assert [name for name in names if name not in str(error.value)] == [], str(error.value)
