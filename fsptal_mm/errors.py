"""The one error type for user input (annotation files, features, configs, results), and that of writing."""


class InputError(ValueError):
    """A user's file or setting that cannot be used as it is.

    The message names the file, the video and the field, what was found there and what was expected.

    Args:
        expected: What would have been right, in words.
        file: The file at fault (with ``:line`` where lines count).
        video: The video at fault.
        field: The field, column or config argument at fault.
        found: What stood there instead.

    Example:
        >>> str(InputError('a number of seconds >= 0', file='gt.json', video='v_1', field='segment', found=[-3, 4]))
        'gt.json: video v_1: segment: found [-3, 4], expected a number of seconds >= 0'
    """

    def __init__(self, expected, *, file=None, video=None, field=None, found=None):
        self.file, self.video, self.field = file, video, field
        self.found, self.expected = found, expected
        where = [str(file)] if file is not None else []
        if video is not None:
            where.append(f'video {video}')
        if field is not None:
            where.append(str(field))
        what = f'found {found!r}, expected {expected}' if found is not None else f'expected {expected}'
        message = ': '.join([*where, what if len(what) < 600 else what[:300] + ' ... ' + what[-280:]])
        super().__init__(message.replace('\n', '\\n').replace('\r', '\\r'))  # always one line

    def __reduce__(self):  # workers of a data loader send their errors to the main process
        return _rebuild, (self.expected, self.file, self.video, self.field, self.found)


def _rebuild(expected, file, video, field, found):
    return InputError(expected, file=file, video=video, field=field, found=found)


class WriteError(InputError, OSError):
    """A file that cannot be written: no space is left, its folder is read-only, ...

    Args:
        file: The file.
        reason: In the words of the operating system; :attr:`strerror`.
    """

    def __init__(self, file, reason):
        super().__init__('a place that can be written to', file=file, found=reason)
        self.strerror = reason

    def __reduce__(self):
        return WriteError, (self.file, self.strerror)
