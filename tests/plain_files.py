"""Annotation files in the package's own format, from short rows."""

from fsptal_mm.utils.writing import write_json


def plain_video(segments=(), points=(), **others):
    """A video of an annotation file.

    Args:
        segments: Rows of start and end in seconds, label.
        points: Rows of seconds, label.
        others: Further fields, such as ``subset`` and ``duration_sec``.
    """
    return dict(
        segments=[dict(start_sec=start, end_sec=end, label=label) for start, end, label in segments],
        points=[dict(time_sec=time, label=label) for time, label in points],
        **others,
    )


def write_plain(path, classes, videos):
    """Write an annotation file of these classes and videos; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, dict(format='fsptal_mm', version=1, classes=list(classes), videos=videos))
    return path
