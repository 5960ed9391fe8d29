"""Export of the labels of a project to annotation files."""

from pathlib import Path
from typing import Any

import numpy as np

from fsptal_mm.datasets.annotations.records import Annotations, VideoRecord
from fsptal_mm.datasets.annotations.writers import save_lacp, save_plain
from fsptal_mm.utils.errors import InputError

from .project import Project


def export_project(
    project: Project, folder: str | Path, unfinished: bool = False, class_file: str | Path | None = None
) -> dict[str, Any]:
    """Write the labels as plain JSON and in LACP's format.

    Args:
        project (Project): The project. Its videos that are marked as done are written.
        folder: Folder for ``annotations.json`` (all videos in the subset ``train``), ``point_labels.csv``,
            ``fps_dict.json``, ``split_train.txt`` and ``classes.txt``.
        unfinished: Whether to write videos with a point, too, that are not marked as done.
        class_file: Class list of the user. It may also hold keys of the keyboard, so it is never overwritten.

    Returns:
        dict: Facts for the page:

        - ``folder``: the folder,
        - ``videos``, ``points``: numbers of videos and points that were written,
        - ``background_points``: number of background clicks that were written, to ``annotations.json`` only,
        - ``left_out``: number of videos with points that were not written, since they are not marked as done,
        - ``unreachable``: number of videos with points that were not written, since the program was started without
          them or cannot read them now,
        - ``kept``: path of ``class_file`` if it is the file that ``classes.txt`` would overwrite, else ``None``.

    Raises:
        InputError: There is no video to write.
    """
    videos, left_out = {}, 0
    for video_id in project.video_ids:
        labels = project.labels(video_id)
        if labels.done or (unfinished and labels.points):
            videos[video_id] = _record(video_id, project.file(video_id), labels, project.classes)
        else:
            left_out += bool(labels.points)
    if not videos:
        wanted = 'a video that is done or has a point' if unfinished else 'a video that is marked as done'
        raise InputError(wanted, field='export')
    annotations = Annotations(project.classes, videos)
    save_plain(Path(folder) / 'annotations.json', annotations)
    own = Path(folder, 'classes.txt')
    kept = class_file is not None and own.exists() and own.samefile(class_file)
    save_lacp(folder, annotations, write_classes=not kept)
    return {
        'folder': str(Path(folder).resolve()),
        'videos': len(videos),
        'points': sum(len(record.point_sec) for record in videos.values()),
        'background_points': sum(len(record.background_sec) for record in videos.values()),
        'left_out': left_out,
        'unreachable': len(project.unreachable),
        'kept': str(class_file) if kept else None,
    }


def _record(video_id, file, labels, classes):
    """Labels of one video as a record; each point is a separate instance."""
    record = VideoRecord.unlabelled(video_id, file.duration_sec, file.fps)
    actions = [point for point in labels.points if point.label is not None]
    record.subset = 'train'
    record.point_sec = np.array([point.time_sec for point in actions], dtype=np.float64)
    record.point_labels = np.array([classes.index(point.label) for point in actions], dtype=np.int64)
    record.point_instances = np.arange(len(actions))
    record.background_sec = np.array([point.time_sec for point in labels.points if point.label is None])
    return record
