import errno
import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import atomic_path, atomic_write, write_json


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


def test_nan_is_refused_and_permissions_are_those_of_any_new_file(tmp_path):
    with pytest.raises(ValueError, match='JSON'):
        write_json(tmp_path / 'x.json', float('nan'))
    assert not list(tmp_path.iterdir())
    write_json(tmp_path / 'x.json', 1)
    (tmp_path / 'y').touch()
    assert os.stat(tmp_path / 'x.json').st_mode == os.stat(tmp_path / 'y').st_mode


def leave_behind(path):
    """Begin to write ``path`` in a process that is killed before it ends."""

    def target():
        with atomic_write(path) as file:
            file.write('half')
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context('fork').Process(target=target)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_what_a_killed_process_left_goes_and_that_of_a_living_one_stays(tmp_path):
    write_in = multiprocessing.get_context('fork').Process(target=write_json, args=(tmp_path / 'z.json', 1))
    for _ in range(2):
        leave_behind(tmp_path / 'x.json')
    foreign = tmp_path / '.x.json.abcdefgh.tmp'
    foreign.touch()
    with atomic_write(tmp_path / 'y.json') as file:  # now this process has removed old temporary files
        mine = file.name
        leave_behind(tmp_path / 'x.json')
        write_in.start()  # another process removes them again
        write_in.join()
        assert sorted(tmp_path.iterdir()) == sorted([foreign, Path(mine), tmp_path / 'z.json'])
    assert sorted(path.name for path in tmp_path.iterdir()) == [foreign.name, 'y.json', 'z.json']


def test_a_temporary_file_can_have_a_suffix(tmp_path):
    with atomic_path(tmp_path / 'x.mp4', '.mp4') as temporary:
        Path(temporary).write_bytes(b'content')
        assert Path(temporary).suffix == '.mp4'
    assert (tmp_path / 'x.mp4').read_bytes() == b'content'
    assert len(list(tmp_path.iterdir())) == 1


def test_errors_name_the_file_and_the_reason(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(InputError, match=rf"^{tmp_path}/file/a/x\.json: found 'Not a directory: .*can be written to$"):
        write_json(tmp_path / 'file/a/x.json', 1)

    def full(file, *_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def of_another_file(file):
        (tmp_path / 'missing').read_text()

    write_json(tmp_path / 'x.json', 'old')
    for step in (full, of_another_file):
        with pytest.raises((InputError, FileNotFoundError)) as error, atomic_write(tmp_path / 'x.json') as file:
            step(file)
        message = str(error.value)
        assert ('missing' in message) == (step is of_another_file)
        assert ("x.json: found 'No space left on device'" in message) == (step is full)
    assert json.loads((tmp_path / 'x.json').read_text()) == 'old'
