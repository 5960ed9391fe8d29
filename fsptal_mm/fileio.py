"""Writing files so that a killed program never leaves a half-written one behind."""

import contextlib
import json
import os
import tempfile
from pathlib import Path


@contextlib.contextmanager
def atomic_write(path, mode='w', **kwargs):
    """Open a temporary file beside ``path`` and move it there only when the block ends without an error.

    Args:
        path: Where the file is to stand in the end; missing folders are made.
        mode: ``'w'`` or ``'wb'``.
        **kwargs: Further arguments of :func:`open` (``newline``, ...); text is UTF-8.

    Yields:
        The open file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if 'b' not in mode:
        kwargs.setdefault('encoding', 'utf-8')
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.', suffix='.tmp')
    try:
        with os.fdopen(handle, mode, **kwargs) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def write_json(path, content):
    """Write ``content`` as JSON, atomically; NaN is refused, since JSON has none."""
    with atomic_write(path) as file:
        json.dump(content, file, allow_nan=False)
