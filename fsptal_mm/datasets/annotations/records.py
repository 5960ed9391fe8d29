"""Records of videos, and :func:`load_annotations`, which assembles them from the user's annotation files."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import known_id

from ..point_sampling import video_rng
from .cleaning import RecordCleaner
from .json_readers import read_annotations
from .point_readers import read_clicks, read_points
from .readers import SourceVideo, read_ambiguous, read_classes, read_fps, read_split

_SUBSETS = {'training': 'train', 'validation': 'val', 'testing': 'test'}


@dataclass(eq=False)
class VideoRecord:
    """Annotations of one video. All times are in seconds from its start.

    Args:
        video_id: Id of the video, in the spelling of the split file or, without one, of the annotation file.
        subset: Subset of the video, as the annotation file spells it; ``None`` if no file states it.
        duration_sec: Duration; ``None`` if no file states it.
        fps: Native frames per second; ``None`` if no file states them.
        point_sec (np.ndarray): ``(N,)`` float64, ascending.
        point_labels (np.ndarray): ``(N,)`` int64 class indices.
        point_instances (np.ndarray): ``(N,)`` int64: points of one action instance share a number, from 0.
        background_sec (np.ndarray): ``(K,)`` float64, ascending: clicks on background.
        segments_sec (np.ndarray): ``(M, 2)`` float64, in the order of the file: ground truth for evaluation and
            analysis, never for training on points.
        segment_labels (np.ndarray): ``(M,)`` int64 class indices.
        ambiguous_sec (np.ndarray): ``(A, 2)`` float64 ranges where annotators could not tell whether an action happens:
            evaluation can leave out detections there.
    """

    video_id: str
    subset: str | None
    duration_sec: float | None
    fps: float | None
    point_sec: np.ndarray
    point_labels: np.ndarray
    point_instances: np.ndarray
    background_sec: np.ndarray
    segments_sec: np.ndarray
    segment_labels: np.ndarray
    ambiguous_sec: np.ndarray

    @property
    def video_labels(self) -> np.ndarray:
        """Classes of the points, ``(K,)`` int64, ascending, each once. They are the video-level labels of training."""
        return np.unique(self.point_labels)

    @classmethod
    def unlabelled(cls, video_id: str, duration_sec: float | None = None, fps: float | None = None) -> 'VideoRecord':
        """Build the record of a video without labels."""
        times, labels, ranges = np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros((0, 2))
        return cls(video_id, None, duration_sec, fps, times, labels, labels, times, ranges, labels, ranges)


@dataclass(eq=False)
class Annotations:
    """Annotations of the videos of one split.

    Args:
        classes: Class names in the order of their indices.
        videos: Records by video id, in the order of the split.
        drawn: Ids of the videos that have points in several point files, one per annotator. For each of these videos,
            one file was drawn, and the record holds the points of this file.
    """

    classes: tuple[str, ...]
    videos: dict[str, VideoRecord]
    drawn: tuple[str, ...] = ()


def load_annotations(
    ann_file: str | Path | None,
    *,
    split_file: str | Path | None = None,
    subset: str | None = None,
    point_file: str | Path | Sequence[str | Path] | None = None,
    background_file: str | Path | None = None,
    fps_file: str | Path | None = None,
    ambiguous_file: str | Path | None = None,
    classes: Sequence[str] | str | Path | None = None,
    annotator: int | None = None,
    seed: int = 0,
    background_label: str = 'background',
    other_labels: str = 'error',
    check_segments: bool = True,
    columns: Mapping[str, str] | None = None,
) -> Annotations:
    """Read the videos of one split with their points and segments.

    Faults that occur in public files are corrected, with one warning for all of them:

    - Segments that end after the video are clipped. Segments that also start after the video, and segments without
      length, are kept: in evaluation they count as missed, as in the official scripts.
    - Duplicate segments and points count once.
    - Points up to a second after the end of the video are moved to the end.
    - Points of unknown videos are left out.

    Args:
        ann_file: JSON in ActivityNet's format (also LACP's ``gt.json`` and HR-Pro's ``gt_full.json``), in mmaction2's
            (``anet_anno_train.json``) or in this package's plain format. ``None`` if there is no such file: then
            ``split_file`` or, without it, ``point_file`` names the videos.
        split_file: File of video ids, one per line, which takes precedence over ``subset``. Default: the videos of
            ``subset``, or all videos of ``ann_file``; without ``ann_file``, all videos with points. ActivityNet's
            prefix ``v_`` may stand before an id in one file and be missing in another.
        subset: Subset of ``ann_file``, in any usual spelling, such as ``train`` or ``training``. Default: all videos.
            In a file that has validation and test videos only (THUMOS14), ``train`` means the validation videos. In a
            file that has training and validation videos only (GTEA), ``test`` means the validation videos.
        point_file: Points that replace those of ``ann_file``: LACP's csv, SF-Net's txt, the plain format, or an export
            of ELAN (tab-delimited text), VIA or BORIS (csv), Label Studio or SoccerNet (json), see
            :func:`.read_points`; or a list of such files, one per annotator. Points of videos outside the split are
            left out.
        background_file: Background clicks, in BackTAL's csv or the plain format. They replace the background clicks of
            ``point_file`` or ``ann_file``.
        fps_file: JSON from video id to native frames per second, for point files with frame numbers.
        ambiguous_file: THUMOS14's ``Ambiguous_test.txt``, which replaces the ranges of ``ann_file``.
        classes: Class names, or the path of a file with one per line. Default: the class list of ``ann_file`` if it has
            one, else its labels in alphabetical order (without segments: the labels of the points).
        annotator: Index of the file of ``point_file`` to use. ``None``: for each video, one of the files that have
            points of this video is drawn, independently of other videos (SF-Net's practice).
        seed: Seed for drawing annotators, >= 0.
        background_label: Label of points that are background clicks, not actions.
        other_labels: ``'error'``: a label that is not among ``classes`` is an error. ``'leave out'``: its points and
            segments are left out, with a warning. This is for training or evaluation on some of the classes of a file.
        check_segments: Whether segments that are reversed or start before 0 are an error. If not, they are left out,
            with a warning.
        columns: Names of the columns of ``point_file``, if it is a table in none of these formats: see
            :func:`.read_table`.

    Returns:
        Annotations: Videos in the order of the split file, else of ``ann_file``, else of ``point_file``.

    Raises:
        InputError: A file cannot be read, or files and arguments contradict each other.
    """
    source = read_annotations(ann_file, check_segments) if ann_file is not None else None
    point_files = _point_files(point_file, annotator)
    annotators = [_by_video(read_points(path, columns)) for path in point_files]
    clicks = None if background_file is None else _by_video(read_clicks(background_file))
    fps = read_fps(fps_file) if fps_file is not None else {}
    ambiguous = read_ambiguous(ambiguous_file) if ambiguous_file is not None else None
    selected = _select_videos(source, annotators, ann_file, split_file, subset)
    class_index = _class_index(classes, source, annotators, background_label, ann_file or point_file)

    cleaner = RecordCleaner(class_index, background_label, other_labels)
    if source is not None:
        _note_unknown(cleaner, annotators, source.videos)
    videos, drawn = {}, []
    for video_id, video in selected.items():
        choices = [rows for rows in (_find(groups, video_id) for groups in annotators) if rows]
        points = _choose_rows(choices, video_id, seed) if annotators else video.points
        drawn += [video_id] * (len(choices) > 1)
        if clicks is not None:
            points = [row for row in points if row.label not in (None, background_label)]
            points += _find(clicks, video_id) or []
        joined = replace(
            video,
            fps=_find(fps, video_id) or video.fps,
            points=points,
            ambiguous=video.ambiguous if ambiguous is None else _find(ambiguous, video_id) or [],
        )
        videos[video_id] = _clean(cleaner, video_id, joined, ann_file)
    cleaner.warn([path for path in (ann_file, *point_files) if path is not None])
    return Annotations(tuple(class_index), videos, tuple(drawn))


def _clean(cleaner, video_id, video, ann_file):
    """Convert the rows of a video to the arrays of a record."""
    return VideoRecord(
        video_id,
        video.subset,
        video.duration_sec,
        video.fps,
        *cleaner.points(video_id, video.points, video.fps, video.duration_sec),
        *cleaner.segments(video_id, video, ann_file),
        np.array(video.ambiguous, dtype=np.float64).reshape(-1, 2),
    )


def _note_unknown(cleaner, annotators, videos):
    """Count the points of videos that are not in the annotation file, for the warning."""
    for video_id, rows in [item for groups in annotators for item in groups.items()]:
        if _find(videos, video_id) is None:
            cleaner.note_unknown(video_id, len(rows))


def _point_files(point_file, annotator):
    """Paths of the point files to read: of all annotators, or of the annotator with the index ``annotator``."""
    single = point_file is None or isinstance(point_file, (str, os.PathLike))
    paths = [path for path in ([point_file] if single else point_file) if path is not None]
    if annotator is None:
        return paths
    if annotator not in range(len(paths)):
        expected = f'the index of a point file, 0 to {len(paths) - 1}'
        raise InputError(expected, field='annotator', found=annotator)
    return [paths[annotator]]


def _find(mapping, video_id):
    """Entry of a video, whose id may differ by ActivityNet's prefix ``v_``; ``None`` if there is none."""
    return mapping.get(known_id(video_id, mapping))


def _by_video(rows):
    groups = defaultdict(list)
    for row in rows:
        groups[row.video_id].append(row)
    return dict(groups)


def _choose_rows(choices, video_id, seed):
    """Points of a video by one annotator; if several annotators labelled the video, one is drawn with ``seed``."""
    if len(choices) > 1:
        return choices[video_rng(seed, video_id).integers(len(choices))]
    return choices[0] if choices else []


def _select_videos(source, annotators, ann_file, split_file, subset):
    """Videos of the split file, else of the subset, else of the annotation file, else of the point files.

    Returns:
        dict[str, SourceVideo]: By video id.
    """
    if split_file is not None:
        ids = read_split(split_file)
        if source is None:
            return {video_id: SourceVideo() for video_id in ids}
        videos = {video_id: _find(source.videos, video_id) for video_id in ids}
        missing = [video_id for video_id, video in videos.items() if video is None]
        if missing:
            found = f'{len(missing)} of {len(ids)} ids unknown: {", ".join(missing[:5])}'
            raise InputError(f'ids of videos in {ann_file}', file=split_file, field='video id', found=found)
        return videos
    if source is None:
        if subset is not None:
            raise InputError('None without ann_file, since only ann_file states subsets', field='subset', found=subset)
        selected = {}
        for video_id in (video_id for groups in annotators for video_id in groups):
            if _find(selected, video_id) is None:
                selected[video_id] = SourceVideo()
        if not selected:
            raise InputError('a file that names the videos: annotations, points or a split', found='none')
        return selected
    videos = source.videos if subset is None else _of_subset(source.videos, subset, ann_file)
    if not videos:
        raise InputError('at least one video', file=ann_file, found='none')
    return videos


def _of_subset(videos, subset, ann_file):
    """Videos of a subset; see ``subset`` of :func:`load_annotations`."""

    def canonical(name):
        return _SUBSETS.get(str(name).lower(), str(name).lower())

    present = {canonical(video.subset) for video in videos.values()}
    wanted = canonical(subset)
    if present == {'train', 'test', 'val'} - {wanted}:  # only val and test (THUMOS14), only train and val (GTEA)
        wanted = 'val'
    if wanted not in present:
        found = sorted({str(video.subset) for video in videos.values()})
        raise InputError(f'videos of the subset {subset!r}', file=ann_file, field='subset', found=found)
    return {video_id: video for video_id, video in videos.items() if canonical(video.subset) == wanted}


def _class_index(classes, source, annotators, background_label, file):
    """Dict from class name to index, in the order of the indices; ``file`` is the source of the labels, for errors."""
    if isinstance(classes, (str, os.PathLike)):
        file, names = classes, read_classes(classes)
    elif classes is not None:
        file, names = None, list(classes) if isinstance(classes, (list, tuple)) else [classes]
    elif source is not None and source.classes is not None:
        names = source.classes
    else:
        videos = source.videos.values() if source is not None else ()
        names = sorted({label for video in videos for _, _, label in video.segments})
        if not names:
            rows = (row for groups in annotators for rows in groups.values() for row in rows)
            names = sorted({row.label for row in rows} - {None, background_label})
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise InputError('one or more names, each once', file=file, field='classes', found=names)
    if background_label in names:
        expected = f'names of actions only, since {background_label!r} marks background clicks'
        raise InputError(expected, file=file, field='classes', found=background_label)
    return {name: number for number, name in enumerate(names)}
