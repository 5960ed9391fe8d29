import json
import os

import pytest

from fsptal_mm.fileio import atomic_write, write_json


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    write_json(tmp_path / 'a/x.json', [1])

    def fail_half_way():
        with atomic_write(tmp_path / 'a/x.json') as file:
            file.write('half')
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert json.loads((tmp_path / 'a/x.json').read_text()) == [1]
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['x.json']


def test_nan_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(ValueError, match='JSON'):
        write_json(tmp_path / 'x.json', float('nan'))
    assert not list(tmp_path.iterdir())


def test_permissions_are_those_of_any_new_file(tmp_path):
    write_json(tmp_path / 'x.json', 1)
    (tmp_path / 'y').touch()
    assert os.stat(tmp_path / 'x.json').st_mode == os.stat(tmp_path / 'y').st_mode
