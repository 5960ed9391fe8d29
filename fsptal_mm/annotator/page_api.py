"""Answers to the requests of the labelling page, as values that JSON can hold."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import get_field
from fsptal_mm.visualization.palette import Look

from .class_keys import ClassKey
from .export import export_project
from .project import Project
from .video_files import OpenVideos


class OtherProjectError(InputError):
    """Error for a request from a page that was loaded for another project than the one that is open now."""


class PageApi:
    """Answers to the requests of the page: one method per request.

    Args:
        project (Project): The open project.
        class_keys (Sequence[ClassKey]): Classes of the project with their keys.
        export_folder: Folder for exported labels.
        class_file: File of the class list; no export overwrites it.
        suggestions (dict, optional): Suggestions, as :func:`.read_suggestions` returns them. They are only shown: if a
            person accepts one, the page adds a point by an ordinary edit. Default: none.
    """

    def __init__(
        self,
        project: Project,
        class_keys: Sequence[ClassKey],
        export_folder: str | Path,
        class_file: str | Path | None = None,
        suggestions: Mapping[str, list[dict[str, Any]]] | None = None,
    ) -> None:
        self.project = project
        self.class_keys = class_keys
        self.export_folder = export_folder
        self.class_file = class_file
        self.suggestions = suggestions or {}
        paths = {name: Path(project.file(name).path) for name in project.video_ids}
        self._videos = OpenVideos(paths, project.allow_damaged)

    def overview(self) -> dict[str, Any]:
        """Name and id of the project, its classes with keys and colours, and the progress of every video."""
        return {
            'project': self.project.project_id,
            'name': self.project.path.name,
            'annotator': self.project.annotator,
            'has_suggestions': bool(self.suggestions),
            'classes': [_class(index, key) for index, key in enumerate(self.class_keys)],
            'videos': [self._summary(video_id) for video_id in self.project.video_ids],
        }

    def video(self, video_id: str) -> dict[str, Any]:
        """Points and suggestions of a video, and the start of each frame in seconds.

        A detection in a file of features may end after the video, with the last snippet; its suggestion ends with it.

        Raises:
            InputError: The video cannot be read any more.
        """
        start_sec, duration_sec = self._videos.frame_times(video_id)
        suggestions = self.suggestions.get(video_id, [])
        return {
            'start_sec': start_sec.round(6).tolist(),
            'duration_sec': duration_sec,
            'suggestions': [one | dict(end_sec=min(one['end_sec'], duration_sec)) for one in suggestions],
            **self._state(video_id),
        }

    def video_path(self, video_id: str) -> Path:
        """Path of the video file."""
        return Path(self.project.file(video_id).path)

    def jpeg(self, video_id: str, frame: int) -> bytes:
        """Frame of a video as JPEG, see ``OpenVideos.jpeg``."""
        return self._videos.jpeg(video_id, frame)

    def edit(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make one edit of the labels of a video.

        Args:
            body (dict): ``project``, the id of the project for which the page was loaded; ``video``, the id of a video;
                and ``edit``, see ``apply_edit``.

        Returns:
            dict: The new state of the video.

        Raises:
            InputError: Another project is open now (``OtherProjectError``), there is no such video, or the edit cannot
                be made.
            OSError: The project file cannot be written.
        """
        self._check_project(body)
        video_id = get_field(body, 'video', str)
        if video_id not in self.project.video_ids:
            raise InputError('a video of this project', field='video', found=video_id)
        edit = get_field(body, 'edit', dict)
        self.project.edit(video_id, edit, lambda time_sec: self._videos.snap(video_id, time_sec))
        return self._state(video_id)

    def export(self, body: dict[str, Any]) -> dict[str, Any]:
        """Write the labels, see ``export_project``.

        Args:
            body (dict): ``project``, the id of the project for which the page was loaded; and ``unfinished``, whether
                to write videos that are not done, too.

        Returns:
            dict: The dict that ``export_project`` returns.

        Raises:
            InputError: Another project is open now (``OtherProjectError``), there is no video to write, or a file
                cannot be written.
        """
        self._check_project(body)
        unfinished = body.get('unfinished') is True
        return export_project(self.project, self.export_folder, unfinished, self.class_file)

    def _check_project(self, body):
        # A page may still be open after the program was restarted with another project. It must not write labels there.
        if get_field(body, 'project', str) != self.project.project_id:
            expected = f'the project {self.project.path.name}, which is open now: reload the page'
            raise OtherProjectError(expected, field='project', found='another project')

    def _summary(self, video_id):
        labels, file = self.project.labels(video_id), self.project.file(video_id)
        return {
            'id': video_id,
            'duration_sec': file.duration_sec,
            'fps': file.fps,
            'done': labels.done,
            'points': len(labels.points),
            'spent_sec': labels.spent_sec,
        }

    def _state(self, video_id):
        """Labels of a video, as the page shows them after each edit."""
        labels = self.project.labels(video_id)
        return {
            'summary': self._summary(video_id),
            'points': [asdict(point) for point in labels.points],
            'can_undo': bool(labels.undo),
            'can_redo': bool(labels.redo),
        }


def _class(index, key):
    look = Look.of_number(index)
    return {**key._asdict(), 'color': look.color, 'text_color': look.text_color}
