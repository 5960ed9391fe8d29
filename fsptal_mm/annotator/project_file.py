"""Reading and writing of the project file: JSON with classes, videos, points and the changes that can be undone."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import get_field, read_json, shown, to_number, to_positive

from .labels import Change, LabelledVideo, Point

PROJECT_FORMAT, PROJECT_VERSION = 'fsptal_mm_point_project', 1


class VideoFile(NamedTuple):
    """Facts about a video file, which are read again only if the size or modification time of the file has changed."""

    path: str
    file_bytes: int
    file_mtime_ns: int
    num_frames: int
    duration_sec: float
    fps: float


@dataclass
class ProjectContent:
    """Content of a project file.

    Args:
        project_id: Random id; a request from a page of another project is recognized by it.
        annotator: Name of the annotator; ``None`` if it is not known.
        classes: Class names in the order of their indices.
        files (dict[str, VideoFile | None]): Facts by video id; ``None`` if the facts in the project file are missing or
            damaged.
        labels (dict[str, LabelledVideo]): Labels by video id, with the same keys as ``files``.
        recent_edits: Ids of the latest edits. The page sends an edit again if it got no answer.
        unread (dict): Damaged entries by video id. They are written back unchanged, so that nothing is lost.
        problems: One line for each entry in ``unread``.
    """

    project_id: str
    annotator: str | None
    classes: tuple[str, ...]
    files: dict[str, VideoFile | None] = field(default_factory=dict)
    labels: dict[str, LabelledVideo] = field(default_factory=dict)
    recent_edits: tuple[str, ...] = ()
    unread: dict[str, Any] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def to_json(content: ProjectContent) -> dict[str, Any]:
    """Convert a :class:`ProjectContent` to JSON values."""
    videos = {name: _entry(file, content.labels[name]) for name, file in content.files.items()}
    return {
        'format': PROJECT_FORMAT,
        'version': PROJECT_VERSION,
        'project_id': content.project_id,
        'annotator': content.annotator,
        'classes': content.classes,
        'recent_edits': content.recent_edits,
        'videos': {**content.unread, **videos},
    }


def check_entry(file: VideoFile, labels: LabelledVideo, classes: Sequence[str], /, **where: Any) -> None:
    """Make sure that the entry of a video, once written, will be read as the same facts and labels.

    Args:
        file (VideoFile): Facts about the file.
        labels (LabelledVideo): Labels of the video.
        classes: Names of the classes.
        **where: Arguments of the :class:`InputError`.

    Raises:
        InputError: The entry could not be read, or would be read as other facts or labels.
    """
    if _read_entry(json.loads(json.dumps(_entry(file, labels))), classes, where) != (file, labels):
        raise InputError('labels that can be read back unchanged', **where)


def _entry(file, labels):
    """Entry of a video in the project file: the facts about its file, if they are known, and its labels."""
    return {**(file._asdict() if file else {}), **asdict(labels)}


def read_project(path: str | Path) -> ProjectContent:
    """Read a project file.

    A damaged entry of a video is no error: it is kept in ``unread`` and reported in ``problems``.

    Returns:
        ProjectContent: The content that :func:`to_json` was given.

    Raises:
        InputError: The file is no project file, has another version, or a field outside the entries of videos is
            missing or of the wrong type.
    """
    content = read_json(path)
    for name, expected in (('format', PROJECT_FORMAT), ('version', PROJECT_VERSION)):
        if content.get(name) != expected:
            raise InputError(repr(expected), file=path, field=name, found=content.get(name, 'none'))
    annotator = content.get('annotator')
    if annotator is not None:
        annotator = get_field(content, 'annotator', str, file=path)
    classes = tuple(get_field(content, 'classes', list, file=path))
    if not all(isinstance(name, str) for name in classes):
        raise InputError('a list of texts', file=path, field='classes', found=list(classes))
    project = ProjectContent(
        get_field(content, 'project_id', str, file=path),
        annotator,
        classes,
        recent_edits=tuple(get_field(content, 'recent_edits', list, file=path)),
    )
    for video_id, entry in get_field(content, 'videos', dict, file=path).items():
        where = dict(file=path, video=video_id)
        try:
            project.labels[video_id] = _labels(entry, classes, where)
        except InputError as error:
            project.unread[video_id] = entry
            project.problems += (f'{error} (its labels stay in the file)',)
            continue
        try:
            project.files[video_id] = _file(entry, where)
        except InputError:  # the project reads the facts again from the video file
            project.files[video_id] = None
    return project


def _read_entry(entry, classes, where):
    return _file(entry, where), _labels(entry, classes, where)


def _file(entry, where):
    return VideoFile(
        get_field(entry, 'path', str, **where),
        *(_count(entry, name, where) for name in ('file_bytes', 'file_mtime_ns', 'num_frames')),
        *(to_positive(_present(entry, name, where), field=name, **where) for name in ('duration_sec', 'fps')),
    )


def _labels(entry, classes, where):
    done = _present(entry, 'done', where)
    if not isinstance(done, bool):
        raise InputError('true or false', field='done', found=shown(done), **where)
    points = [_point(point, classes, 'points', where) for point in get_field(entry, 'points', list, **where)]
    if len({point.id for point in points}) < len(points):
        raise InputError('points with different ids', field='points', found='one id twice', **where)
    return LabelledVideo(
        tuple(points),
        *(tuple(_changes(entry, name, classes, where)) for name in ('undo', 'redo')),
        done=done,
        spent_sec=to_number(_present(entry, 'spent_sec', where), 0, field='spent_sec', **where),
    )


def _changes(entry, name, classes, where):
    """Yield the changes in a list of an entry, ``undo`` or ``redo``."""
    for change in get_field(entry, name, list, **where):
        sides = [_present(change, side, dict(field=name, **where)) for side in ('before', 'after')]
        yield Change(*(side and _point(side, classes, name, where) for side in sides))


def _point(entry, classes, name, where):
    where = dict(field=name, **where)
    label, time_sec = _present(entry, 'label', where), _present(entry, 'time_sec', where)
    if label is not None and label not in classes:
        raise InputError(f'one of the classes {", ".join(classes)}', found=label, **where)
    if not isinstance(_present(entry, 'id', where), str):
        raise InputError('a text as id', found=entry['id'], **where)
    return Point(entry['id'], _count(entry, 'frame', where), to_number(time_sec, 0, **where), label)


def _present(entry, name, where):
    """Value of a field that must be there; it may be ``None``."""
    if not isinstance(entry, dict) or name not in entry:
        raise InputError(f'an object with {name!r}', found=shown(entry), **where)
    return entry[name]


def _count(entry, name, where):
    value = _present(entry, name, where)
    if type(value) is not int or value < 0:
        raise InputError(f'a whole number >= 0 as {name}', found=shown(value), **where)
    return value
