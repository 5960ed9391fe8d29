"""Conversion of file rows to the arrays of a record: names become indices, known faults are corrected and counted."""

import difflib
import logging
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from mmengine.logging import print_log

from fsptal_mm.utils.errors import InputError

from .readers import PointRow, SourceVideo

# A point this little past the end is a click on the last frame with rounded times; more is a mistake.
_END_TOLERANCE_SEC = 1.0
_MAX_NAMED = 10  # classes in an error, those of similar names first


class RecordCleaner:
    """Correct faults that are known from public files, refuse others, and warn once at the end.

    Args:
        class_index (dict): From class name to index.
        background_label (str): Points of this name are background clicks.
        other_labels (str): ``'error'``: a label that is not in the class list is an error; ``'leave out'``: its points
            and segments are left out.
    """

    def __init__(self, class_index: dict[str, int], background_label: str, other_labels: str = 'error') -> None:
        if other_labels not in ('error', 'leave out'):
            raise InputError("'error' or 'leave out'", field='other_labels', found=other_labels)
        self.class_index = class_index
        self.background_label = background_label
        self.other_labels = other_labels
        self._dirt = defaultdict(list)  # kind -> a video id per case

    def note_unknown(self, video_id: str, num_points: int) -> None:
        """Count the points of a video that the annotation file does not know."""
        self._dirt['points of unknown videos (left out)'] += [video_id] * num_points

    def segments(self, video_id: str, video: SourceVideo, file: str | Path | None) -> tuple[np.ndarray, np.ndarray]:
        """Convert the segments of a :class:`SourceVideo`.

        Returns:
            tuple: ``segments_sec (M, 2)`` float64 within the duration, and ``segment_labels (M,)`` int64.

        Raises:
            InputError: A label is not in the class list.
        """
        kept = {}  # an ordered set
        if video.wrong_segments:
            kind = 'segments that are reversed or start before 0 (left out: training on points reads none)'
            self._dirt[kind] += [video_id] * video.wrong_segments
        for start, end, label in video.segments:
            index = self._index(label, file, video_id)
            if index is None:
                continue
            segment = (start, end, index)
            if start == end:
                self._dirt['segments without length (kept; no detection can match them)'].append(video_id)
            if segment in kept:
                self._dirt['duplicate segments (one kept)'].append(video_id)
            kept[segment] = None
        segments_sec = np.array([segment[:2] for segment in kept], dtype=np.float64).reshape(-1, 2)
        if video.duration_sec is not None:
            past_end = segments_sec > video.duration_sec
            if past_end.any():
                kind = 'segments that end after the video (clipped; kept if they also start after it)'
                self._dirt[kind] += [video_id] * int(past_end[:, 1].sum())
            # One that starts after the end stays as it is: official scripts count it as missed.
            inside = segments_sec[:, 0] < video.duration_sec
            segments_sec[inside] = np.minimum(segments_sec[inside], video.duration_sec)
        return segments_sec, np.array([segment[2] for segment in kept], dtype=np.int64)

    def points(
        self, video_id: str, rows: Iterable[PointRow], fps: float | None, duration_sec: float | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Convert the points of one video, a list of :class:`PointRow`.

        Returns:
            tuple: ``point_sec``, ``point_labels``, ``point_instances``, each ``(N,)``, and ``background_sec (K,)``.

        Raises:
            InputError: A label is not in the class list, or not at the place that the file states; a point lies
                outside the video; or points count frames and the frame rate is unknown.
        """
        instance_of, background = {}, set()
        for row in rows:
            sec = self._sec(row, video_id, fps, duration_sec)
            if row.label is None or row.label == self.background_label:
                background.add(sec)
                continue
            label = self._index(row.label, row.where, video_id)
            if label is None:
                continue
            if self.other_labels == 'error' and row.class_index is not None and row.class_index != label:
                expected = f'{label}, the place of {row.label!r} in the class list'
                raise InputError(expected, file=row.where, video=video_id, field='class_index', found=row.class_index)
            point = (sec, label, row.instance)
            if point in instance_of:
                self._dirt['duplicate points (one kept)'].append(video_id)
            # With the label: where actions of two classes coincide, they are two instances.
            instance_of[point] = (label, object() if row.instance is None else row.instance)
        points = sorted(instance_of, key=lambda point: point[:2])
        numbers = {}
        for point in points:
            numbers.setdefault(instance_of[point], len(numbers))
        return (
            np.array([point[0] for point in points], dtype=np.float64),
            np.array([point[1] for point in points], dtype=np.int64),
            np.array([numbers[instance_of[point]] for point in points], dtype=np.int64),
            np.array(sorted(background), dtype=np.float64),
        )

    def _index(self, label, where, video_id):
        if label not in self.class_index and self.other_labels == 'leave out':
            self._dirt['labels of other classes (left out)'].append(video_id)
            return None
        if label not in self.class_index:
            expected = (
                f'one of the {len(self.class_index)} classes (metainfo, or the class list): {self._near(label)}; '
                "other_labels='leave out' trains or evaluates a subset"
            )
            raise InputError(expected, file=where, video=video_id, field='label', found=label)
        return self.class_index[label]

    def _near(self, label):
        near = difflib.get_close_matches(label, self.class_index, n=_MAX_NAMED, cutoff=0)
        return ', '.join(near) + ', ...' * (len(self.class_index) > len(near))

    def _sec(self, row, video_id, fps, duration_sec):
        sec = row.time
        if row.in_frames:
            if fps is None:
                expected = (
                    'its native frames per second in fps_file (JSON, id -> number), since the points count frames'
                )
                raise InputError(expected, file=row.where, video=video_id, field='fps')
            sec = row.time / fps
        if duration_sec is None or sec <= duration_sec:
            return sec
        if sec > duration_sec + _END_TOLERANCE_SEC:
            expected = f'a time within the {duration_sec:g} s of the video'
            raise InputError(expected, file=row.where, video=video_id, field='point', found=f'{sec:g} s')
        self._dirt['points up to a second after the end of the video (moved to the end)'].append(video_id)
        return duration_sec

    def warn(self, files: Iterable[str | Path]) -> None:
        """Log one warning about all corrected faults, if there were any."""
        if self._dirt:
            found = '; '.join(f'{kind}: {len(videos)}, in {_some(videos)}' for kind, videos in self._dirt.items())
            print_log(f'{", ".join(map(str, files))}: {found}', logger='current', level=logging.WARNING)


def _some(videos):
    names = list(dict.fromkeys(videos))
    return ', '.join(names[:3]) + (f' and {len(names) - 3} more' if len(names) > 3 else '')
