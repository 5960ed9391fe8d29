"""Conversion of file rows to the arrays of a record: names become indices, common faults are corrected and counted."""

import difflib
import logging
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from fsptal_mm.utils.errors import InputError

from .readers import PointRow, SourceVideo

# A point up to this long after the end of the video counts as a click on the last frame whose time was rounded. A later
# point is an error.
_END_TOLERANCE_SEC = 1.0
_MAX_NAMED = 10  # largest number of classes that an error message names: those with the most similar names


class RecordCleaner:
    """Converter of annotation rows to arrays, which corrects the known faults of public annotation files.

    :meth:`warn` reports the corrected faults. Any other fault is an error.

    Args:
        class_index (dict): From class name to index.
        background_label (str): Label that marks background clicks.
        other_labels (str): ``'error'``: a label that is not in ``class_index`` is an error. ``'leave out'``: its points
            and segments are left out.

    Raises:
        InputError: ``other_labels`` has another value.
    """

    def __init__(self, class_index: dict[str, int], background_label: str, other_labels: str = 'error') -> None:
        if other_labels not in ('error', 'leave out'):
            raise InputError("'error' or 'leave out'", field='other_labels', found=other_labels)
        self.class_index = class_index
        self.background_label = background_label
        self.other_labels = other_labels
        self._faults = defaultdict(list)  # from the kind of a fault to video ids, one for each time that it occurred

    def note_unknown(self, video_id: str, num_points: int) -> None:
        """Count the points of a video that is not in the annotation file, for the warning of :meth:`warn`."""
        self._faults['points of unknown videos (left out)'] += [video_id] * num_points

    def segments(self, video_id: str, video: SourceVideo, file: str | Path | None) -> tuple[np.ndarray, np.ndarray]:
        """Convert the segments of a :class:`SourceVideo`.

        Args:
            video_id: Id of the video.
            video (SourceVideo): Content of the annotation file about this video.
            file: The annotation file, for errors.

        Returns:
            tuple: ``segments_sec (M, 2)`` float64 and ``segment_labels (M,)`` int64, in the order of the file. Ends are
            clipped to the duration, except in segments that also start after the end of the video.

        Raises:
            InputError: A label is not in the class list.
        """
        kept = {}  # from (start, end, class index) to None: an ordered set, which leaves out duplicates
        if video.wrong_segments:
            kind = 'segments that are reversed or start before 0 (left out; training on points does not use segments)'
            self._faults[kind] += [video_id] * video.wrong_segments
        for start, end, label in video.segments:
            index = self._index(label, file, video_id)
            if index is None:
                continue
            segment = (start, end, index)
            if start == end:
                self._faults['segments without length (kept; no detection can match them)'].append(video_id)
            if segment in kept:
                self._faults['duplicate segments (one kept)'].append(video_id)
            kept[segment] = None
        segments_sec = np.array([segment[:2] for segment in kept], dtype=np.float64).reshape(-1, 2)
        if video.duration_sec is not None:
            past_end = segments_sec > video.duration_sec
            if past_end.any():
                kind = 'segments that end after the video (clipped; kept if they also start after it)'
                self._faults[kind] += [video_id] * int(past_end[:, 1].sum())
            # A segment that starts after the end of the video is kept: official evaluation scripts count it as missed.
            inside = segments_sec[:, 0] < video.duration_sec
            segments_sec[inside] = np.minimum(segments_sec[inside], video.duration_sec)
        return segments_sec, np.array([segment[2] for segment in kept], dtype=np.int64)

    def points(
        self, video_id: str, rows: Iterable[PointRow], fps: float | None, duration_sec: float | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Convert the points and background clicks of one video.

        Args:
            video_id: Id of the video.
            rows (Iterable[PointRow]): Points and background clicks of the video.
            fps: Native frames per second, needed for points that are frame numbers.
            duration_sec: Duration of the video. A point at most a second after the end is moved to the end; a later
                point is an error. ``None`` if unknown: then no point is checked.

        Returns:
            tuple: ``point_sec`` float64, ``point_labels`` and ``point_instances`` int64, each ``(N,)``, and
            ``background_sec (K,)`` float64. Points and clicks are sorted by time.

        Raises:
            InputError: A label is not in the class list; the file states another index for a label than the class list;
                a point lies outside the video; or points are frame numbers and the frames per second are unknown.
        """
        instance_of, background = {}, set()  # instance_of: from a point to the key of its instance
        for row in rows:
            sec = self._sec(row, video_id, fps, duration_sec)
            if row.label is None or row.label == self.background_label:
                background.add(sec)
                continue
            label = self._index(row.label, row.where, video_id)
            if label is None:
                continue
            if self.other_labels == 'error' and row.class_index is not None and row.class_index != label:
                expected = f'{label}, the index of {row.label!r} in the class list'
                raise InputError(expected, file=row.where, video=video_id, field='class_index', found=row.class_index)
            point = (sec, label, row.instance)
            if point in instance_of:
                self._faults['duplicate points (one kept)'].append(video_id)
            # The key of an instance includes the label, since actions of two classes at the same time are two
            # instances. If the file states no instance for a point, the point becomes a separate instance: object()
            # makes a key that equals no other key.
            instance_of[point] = (label, object() if row.instance is None else row.instance)
        points = sorted(instance_of, key=lambda point: point[:2])
        numbers = {}  # instances are numbered from 0, in the order of their first points
        for point in points:
            numbers.setdefault(instance_of[point], len(numbers))
        return (
            np.array([point[0] for point in points], dtype=np.float64),
            np.array([point[1] for point in points], dtype=np.int64),
            np.array([numbers[instance_of[point]] for point in points], dtype=np.int64),
            np.array(sorted(background), dtype=np.float64),
        )

    def _index(self, label, where, video_id):
        """Class index of a label; ``None`` if ``other_labels='leave out'`` and the label is not in the class list."""
        if label not in self.class_index and self.other_labels == 'leave out':
            self._faults['labels of other classes (left out)'].append(video_id)
            return None
        if label not in self.class_index:
            expected = (
                f'one of the {len(self.class_index)} classes of metainfo or the class list: {self._near(label)}; or '
                "set other_labels='leave out' to leave out all labels of other classes"
            )
            raise InputError(expected, file=where, video=video_id, field='label', found=label)
        return self.class_index[label]

    def _near(self, label):
        """Text for an error: the classes whose names are most similar to an unknown label."""
        near = difflib.get_close_matches(label, self.class_index, n=_MAX_NAMED, cutoff=0)
        return ', '.join(near) + (', ...' if len(self.class_index) > len(near) else '')

    def _sec(self, row, video_id, fps, duration_sec):
        """Time of a row in seconds; a click on the last frame is moved to the end of the video."""
        sec = row.time
        if row.in_frames:
            if fps is None:
                expected = (
                    "the video's frames per second in fps_file (JSON: video id -> number), as points are frame numbers"
                )
                raise InputError(expected, file=row.where, video=video_id, field='fps')
            sec = row.time / fps
        if duration_sec is None or sec <= duration_sec:
            return sec
        if sec > duration_sec + _END_TOLERANCE_SEC:
            expected = f'a time within the {duration_sec:g} s of the video'
            raise InputError(expected, file=row.where, video=video_id, field='point', found=f'{sec:g} s')
        self._faults['points up to a second after the end of the video (moved to the end)'].append(video_id)
        return duration_sec

    def warn(self, files: Iterable[str | Path]) -> None:
        """Log one warning that lists all corrected faults, if there were any, and names the annotation ``files``."""
        if self._faults:
            found = '; '.join(f'{kind}: {len(videos)}, in {_some(videos)}' for kind, videos in self._faults.items())
            print_log(f'{", ".join(map(str, files))}: {found}', logger='current', level=logging.WARNING)


def _some(videos):
    names = list(dict.fromkeys(videos))
    return ', '.join(names[:3]) + (f' and {len(names) - 3} more' if len(names) > 3 else '')
