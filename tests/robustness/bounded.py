"""Limits for readers: with every input, they give a result or an InputError, in bounded time and memory."""

import contextlib
import resource
import signal
from pathlib import Path

from fsptal_mm.utils.errors import InputError

# Memory that a reader may take. The largest features that are read have 2 GiB; small files should take a few MB.
LIMIT_BYTES = 5 << 29
LIMIT_SEC = 60  # generous, since other programs may slow the machine


class HangError(BaseException):
    """Error of a reader that takes too long. A reader might catch an ``Exception``, and report a damaged file."""


@contextlib.contextmanager
def bounded(limit_bytes=LIMIT_BYTES, limit_sec=LIMIT_SEC):
    """Let the block take no more memory and time than this: MemoryError or HangError."""

    def stop(*_):
        raise HangError(f'not done after {limit_sec} s')

    in_use = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (in_use + limit_bytes, limits[1]))
    signal.setitimer(signal.ITIMER_REAL, limit_sec)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGALRM, handler)


def outcome(read, *args, names='', **kwargs):
    """Run a reader on an input, within the limits.

    Args:
        read: The reader; any other error than InputError is the test's failure.
        names: Text that the error must contain, such as the path of the file.

    Returns:
        The result, or the InputError.
    """
    with bounded():
        try:
            return read(*args, **kwargs)
        except InputError as caught:
            error = caught
    assert str(names) in str(error), f'{error} does not name {names}'
    assert len(str(error).splitlines()) == 1
    return error


def refused(read, *args, names='', **kwargs):
    """The InputError of an input that must be refused."""
    error = outcome(read, *args, names=names, **kwargs)
    assert isinstance(error, InputError), f'read as {error!r:.300}'
    return error
