"""Annotation project: the labels of a set of videos, in one file that is rewritten after every change."""

import json
import secrets
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fsptal_mm.datasets.videos.reader import open_video
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.progress import VideoProgress
from fsptal_mm.utils.reading import get_field
from fsptal_mm.utils.wording import counted
from fsptal_mm.utils.writing import atomic_write

from .labels import LabelledVideo, Snap, apply_edit
from .project_file import ProjectContent, VideoFile, check_entry, read_project, to_json

_RECENT_EDITS = 200  # number of edits whose ids are kept, to recognize an edit that the page sends a second time


class Project:
    """Labels of a set of videos.

    Only one process at a time can open a project; several of its threads may use it.

    Args:
        path: The project file. If it does not exist, it is created; if it does, its labels are loaded.
        classes (Sequence[str]): Class names in the order of their indices. For an existing project, the list must begin
            with the classes of the project; new names may follow.
        videos (dict[str, Path]): From video id to file, as :func:`find_videos` gives them. Videos may be added to an
            existing project.
        annotator: Name of the annotator, which the project keeps. Default: the name in the project file, if any.
        allow_damaged: Whether truncated and damaged videos can be labelled, as far as they can be read. Default: they
            are among the ``problems``.

    Attributes:
        video_ids: Ids of the videos that can be labelled now, in the order of ``videos``.
        problems: One line for each video that cannot be labelled now: it cannot be read, its file is another video than
            the one that was labelled, it has labels but is not among ``videos``, or its entry in the project file is
            damaged. The labels of these videos stay in the project file.
        added_classes: Classes of ``classes`` that an existing project did not have before.

    Raises:
        InputError: No video can be read; another process has the project open; the project file cannot be read;
            ``classes`` does not begin with the classes of the project; the project has another annotator; or it has
            labels, but none of the given videos.
    """

    def __init__(
        self,
        path: str | Path,
        classes: Sequence[str],
        videos: dict[str, Path],
        annotator: str | None = None,
        allow_damaged: bool = False,
    ) -> None:
        self.path, self.allow_damaged = Path(path), allow_damaged
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.added_classes = ()
        self._writing = threading.Lock()
        self._process_lock = FileLock(self.path.with_name(f'.{self.path.name}.lock'))
        try:
            self._process_lock.acquire(timeout=0)
        except Timeout:
            raise InputError(
                'a project that no other process has open, such as an annotate.py that still runs', file=path
            ) from None
        try:
            self._content = self._open(tuple(classes), videos, annotator)
            self.video_ids, self.problems = self._inspect(videos)
            if not self.video_ids:
                found = '; '.join(self.problems) or 'none'
                raise InputError('at least one readable video', field='videos', found=found)
            self._write(self._content)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Wait for the current write, then let other processes open the project."""
        with self._writing:
            self._process_lock.release()

    @property
    def project_id(self) -> str:
        """Random id of the project; a request from a page of another project is recognized by it."""
        return self._content.project_id

    @property
    def annotator(self) -> str | None:
        """Name of the annotator; ``None`` if it is not known."""
        return self._content.annotator

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of their indices."""
        return self._content.classes

    @property
    def unreachable(self) -> list[str]:
        """Ids of videos with points that cannot be labelled now, see ``problems``; their labels stay in the file."""
        labelled = [name for name, labels in self._content.labels.items() if labels.points]
        return [name for name in (*labelled, *self._content.unread) if name not in self.video_ids]

    def file(self, video_id: str) -> VideoFile:
        """Facts about the file of a video."""
        return self._content.files[video_id]

    def labels(self, video_id: str) -> LabelledVideo:
        """Labels of a video."""
        return self._content.labels[video_id]

    def edit(self, video_id: str, edit: dict[str, Any], snap: Snap) -> LabelledVideo:
        """Make one edit and write the project file: when this method returns, the edit is on the disk.

        The page sends an edit again if it got no answer. So an edit whose ``edit_id`` is among those of the latest 200
        edits is not made a second time.

        Args:
            video_id: One of ``video_ids``.
            edit (dict): As in ``apply_edit``.
            snap (Callable): As in ``apply_edit``.

        Returns:
            LabelledVideo: Labels after the edit.

        Raises:
            InputError: The edit cannot be made.
            OSError: The file cannot be written; the labels stay as they were.
        """
        edit_id = get_field(edit, 'edit_id', str)
        if not 8 <= len(edit_id) <= 64:
            raise InputError('8 to 64 characters', field='edit_id', found=edit_id)
        with self._writing:
            before = self._content
            if edit_id not in before.recent_edits:
                labels = apply_edit(before.labels[video_id], edit, before.classes, snap)
                after = replace(
                    before,
                    labels={**before.labels, video_id: labels},
                    recent_edits=(*before.recent_edits, edit_id)[-_RECENT_EDITS:],
                )
                self._check(after, video_id)
                self._write(after)
                self._content = after
            return self._content.labels[video_id]

    def _check(self, content, video_id):
        """Make sure that the entry of a video in the project file can be read again, before the file is written."""
        where = dict(file=self.path, video=video_id)
        check_entry(content.files[video_id], content.labels[video_id], content.classes, **where)

    def _write(self, content):
        with atomic_write(self.path) as file:
            file.write(json.dumps(to_json(content), allow_nan=False))

    def _open(self, classes, videos, annotator):
        """Content of the project file, which must fit the arguments; content of a new project, if there is no file.

        Videos of the project that are not given now stay in it if they have labels. Without labels, they are dropped.
        """
        if not self.path.exists():
            return ProjectContent(secrets.token_hex(8), annotator, classes)
        content = read_project(self.path)
        known = len(content.classes)
        if content.classes != classes[:known]:
            expected = (
                f'the given classes, {", ".join(classes)} (new classes must come last; if names are removed or '
                'their order is changed, start another project: --out)'
            )
            raise InputError(expected, file=self.path, field='classes', found=', '.join(map(str, content.classes)))
        self.added_classes = classes[known:]
        if annotator is not None and content.annotator not in (None, annotator):
            expected = f'{annotator!r} (start another project for another annotator: --out)'
            raise InputError(expected, file=self.path, field='annotator', found=content.annotator)
        untouched = LabelledVideo()  # a video without labels; its working time does not count as a label
        labelled = [name for name in content.files if replace(content.labels[name], spent_sec=0.0) != untouched]
        gone = [name for name in labelled if name not in videos]
        if gone and gone == labelled:
            found = f'labels of {counted(len(gone), "other video")} only: {", ".join(gone[:5])}'
            expected = 'labels of the given videos (start another project for other videos: --out)'
            raise InputError(expected, file=self.path, found=found)
        for name in set(content.files) - set(videos) - set(gone):
            del content.files[name], content.labels[name]
        expected = 'its file among the given videos, since the project has labels of it (they stay in the project)'
        problems = (str(InputError(expected, file=self.path, video=name)) for name in gone)
        problems = (*content.problems, *problems)
        return replace(content, classes=classes, annotator=annotator or content.annotator, problems=problems)

    def _inspect(self, videos):
        """Read facts about new or changed files. Return the ids of readable videos, and the problems of the others."""
        content, readable, problems = self._content, [], list(self._content.problems)
        with VideoProgress('Reading videos', len(videos)) as progress:
            for number, (video_id, path) in enumerate(videos.items()):
                progress.update(number)
                if video_id in content.unread:
                    continue
                known = content.files.get(video_id)
                try:
                    file, labels = self._file(video_id, path, known), content.labels.get(video_id, LabelledVideo())
                    check_entry(file, labels, content.classes, file=path, video=video_id)
                except InputError as error:
                    problems.append(str(error))
                else:
                    content.files[video_id], content.labels[video_id] = file, labels
                    readable.append(video_id)
        return readable, problems

    def _file(self, video_id, path, known):
        """Facts about a video file. If the file has not changed, they are ``known``, those in the project file."""
        if not path.is_file():
            raise InputError('a video file', file=path, video=video_id, found='no such file')
        status = path.stat()
        stamp = (status.st_size, status.st_mtime_ns)
        if known is not None and (known.file_bytes, known.file_mtime_ns) == stamp:
            return known._replace(path=str(path))
        reader = open_video(path, self.allow_damaged)
        file = VideoFile(str(path), *stamp, len(reader), round(reader.duration_sec, 6), reader.mean_fps)
        if known is not None and known.num_frames != file.num_frames:
            frames = counted(known.num_frames, 'frame')
            expected = f'the video with {frames} that was labelled in {self.path}, or another project'
            raise InputError(expected, file=path, video=video_id, found=counted(file.num_frames, 'frame'))
        return file
