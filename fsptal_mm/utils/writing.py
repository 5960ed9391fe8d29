"""Atomic writing: a killed program leaves the old file or the new one, never a half-written one."""

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from fsptal_mm.utils.errors import WriteError

try:
    import fcntl
except ImportError:  # On Windows, temporary files of killed programs stay, under names that nothing reads.
    fcntl = None

_OURS = re.compile(r'\..+\.\w{8}\.fsptal-tmp(\.\w+)?')  # names of the temporary files of atomic_path
_swept = set()  # pairs (process id, cleaned folder); with the id, since a forked process inherits the set


@contextlib.contextmanager
def atomic_write(path: str | Path, mode: str = 'w', **kwargs: Any) -> Iterator[IO]:
    """Open a temporary file, and move it to ``path`` only if the block ends without an error.

    Args:
        path: Final path; missing folders are created.
        mode: ``'w'`` or ``'wb'``.
        **kwargs: Further arguments of ``open``, such as ``newline``; text is UTF-8.

    Yields:
        IO: The open file.

    Raises:
        WriteError: See :func:`atomic_path`.
    """
    if 'b' not in mode:
        kwargs.setdefault('encoding', 'utf-8')
    with atomic_path(path) as temporary, open(temporary, mode, **kwargs) as file:
        yield file


@contextlib.contextmanager
def atomic_path(path: str | Path, suffix: str = '') -> Iterator[str]:
    """Give the path of a temporary file that is moved to ``path`` at the end, for libraries that open files themselves.

    A killed program leaves its temporary file behind, which is hidden and never read. The next process that writes into
    the folder removes it. Running processes lock their temporary files, so that these stay.

    Args:
        path: Final path; missing folders are created.
        suffix: Suffix of the temporary file, for libraries that derive the format from it.

    Yields:
        str: Path of the temporary file.

    Raises:
        WriteError: The file cannot be written, e.g. on a full disk or in a read-only folder. An old file stays as it
            is.
    """
    path = Path(path)
    with naming(path), contextlib.ExitStack() as lock:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        temporary = _make_temporary(path, suffix, lock)
        try:
            yield temporary
            with open(temporary, 'rb+') as file:
                os.fsync(file.fileno())
            umask = os.umask(0)  # it can only be read by setting it
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes files that only their owner can read
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise


@contextlib.contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Turn the operating system's errors of writing ``path`` into a :class:`.WriteError`, which names this path.

    The errors of a full disk name no file, or the temporary file. Errors that name another file stay as they are.
    """
    try:
        yield
    except WriteError:
        raise
    except OSError as error:
        culprit = path if error.filename is None else Path(error.filename)
        if culprit != path and culprit not in path.parents and not _OURS.fullmatch(culprit.name):
            raise  # an error of another file, which was read in the block
        reason = error.strerror or f'a write cut short, as by a full disk ({error})'  # errors of numpy state no reason
        reason += f': {culprit}' if culprit in path.parents else ''
        raise WriteError(path, reason) from error


def write_json(path: str | Path, content: Any) -> None:
    """Write ``content`` to a JSON file, atomically; NaN raises ValueError, since JSON has no NaN."""
    text = json.dumps(content, allow_nan=False)  # takes a fraction of json.dump's time
    with atomic_write(path) as file:
        file.write(text)


def remove_leftovers(folder: str | Path) -> None:
    """Remove temporary files of :func:`atomic_path` from a folder, except those of running processes."""
    if fcntl is None:
        return
    for path in Path(folder).glob('.*.fsptal-tmp*'):
        if _OURS.fullmatch(path.name):
            with contextlib.suppress(OSError):  # gone, locked by a running process, or on a file system without locks
                _remove_if_dead(path)


def _make_temporary(path, suffix, lock):
    """Create an empty temporary file that is locked until the exit stack ``lock`` ends; return its path."""
    while True:
        handle, temporary = tempfile.mkstemp(f'.fsptal-tmp{suffix}', f'.{path.name}.', path.parent)
        if fcntl is None:
            os.close(handle)  # on Windows, open files cannot be moved
            return temporary
        lock.callback(os.close, handle)
        with contextlib.suppress(OSError):  # a file system without locks: no other process gets a lock, either
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:  # no other process has removed it before it was locked
            return temporary


def _sweep(folder):
    """Remove files that killed processes left in a folder; this process does so once for each folder."""
    key = os.getpid(), folder
    if key not in _swept:
        _swept.add(key)
        remove_leftovers(folder)


def _remove_if_dead(path):
    """Remove a temporary file; an OSError if a running process holds its lock."""
    handle = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)
    finally:
        os.close(handle)
