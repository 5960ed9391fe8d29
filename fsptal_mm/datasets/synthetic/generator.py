"""The embedded dataset: random THUMOS-like annotations and their features, generated at first use."""

import json
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import path_below, read_json
from fsptal_mm.utils.wording import counted
from fsptal_mm.utils.writing import atomic_write, write_json

from ..annotations.records import Annotations, VideoRecord
from ..annotations.writers import save_plain
from ..point_sampling import draw_points, video_rng
from .features import SyntheticParams, make_features

# Increase this number whenever a change of the code changes the data: folders of an older version are generated anew.
GENERATOR_VERSION = 1

# Classes 0 and 1, 2 and 3, ... are related pairs, whose features have much in common.
CLASSES = (
    'dive', 'cliff_dive', 'serve', 'smash', 'high_jump', 'long_jump', 'javelin', 'hammer', 'pitch', 'bowl',
)  # fmt: skip
# Every segment of class 1 is also a segment of class 0, as each CliffDiving of THUMOS14 is also annotated as Diving.
_ALSO = {1: 0}
# In all pairs except classes 0 and 1, this share of the videos shows both classes of the pair. THUMOS14 has such a
# pair, too: 27 of its 410 videos show both CricketBowling and CricketShot.
_PAIR_SHARE = 0.1

# The numbers below are fitted to THUMOS14's 410 videos. All lengths are in snippets and log-normally distributed.
# MEDIAN is the median of a distribution, SPREAD the standard deviation of the logarithm: SPREAD_VIDEOS between videos
# (for durations, between the videos of a class), SPREAD within a video.
_VIDEO_MEDIAN, _VIDEO_SPREAD = 235, 0.85
_VIDEO_MIN, _VIDEO_MAX = 20, 600  # THUMOS14's longest video has 2615, too many for a demo
# Median durations of the instances of the shortest class (CricketShot) and of the longest class (CleanAndJerk).
_CLASS_MEDIANS = (1.8, 14)
_DURATION_SPREAD_VIDEOS, _DURATION_SPREAD = 0.35, 0.4
_DURATION_MIN, _DURATION_MAX = 0.4, 60
_GAP_MEDIAN, _GAP_SPREAD_VIDEOS, _GAP_SPREAD = 9, 1.1, 0.9  # gaps between instances
_MARGIN_MEDIAN, _MARGIN_SPREAD = 15, 1.2  # background before the first and after the last instance

# Name of the generator in meta.json.
_GENERATOR = 'fsptal_mm.synthetic'
_POINT_FILES = {'annotations.json': 'gaussian', 'annotations_manual.json': 'uniform'}


def draw_annotations(params: SyntheticParams, point_style: str = 'gaussian') -> Annotations:
    """Draw the annotations of videos. Most videos show instances of one class.

    Args:
        params (SyntheticParams): Only ``seed``, ``snippet_sec``, ``train_videos`` and ``test_videos`` are used.
        point_style: Style of the points in training videos, see :func:`.draw_points`: ``'gaussian'`` stands for
            automatic points, ``'uniform'`` for manual points. The segments do not depend on the style. Test videos have
            no points.

    Returns:
        Annotations: 10 classes, each in both subsets; ids such as ``train_007``.
    """
    medians = np.geomspace(*_CLASS_MEDIANS, len(CLASSES))
    video_rng(params.seed, 'class durations').shuffle(medians)
    videos = {}
    for subset, count in (('train', params.train_videos), ('test', params.test_videos)):
        labels = video_rng(params.seed, f'classes of {subset}').permutation(count) % len(CLASSES)
        for number, label in enumerate(labels):
            record = _draw_video(f'{subset}_{number:03d}', subset, label, medians[label], params)
            videos[record.video_id] = record if subset == 'test' else _with_points(record, point_style, params.seed)
    return Annotations(CLASSES, videos)


def _draw_video(video_id, subset, label, median_duration, params):
    """Draw one video of class ``label``; ``median_duration`` is the median of its instances' durations, in snippets."""
    rng = video_rng(params.seed, f'annotations of {video_id}')
    num_snippets = 0
    while not _VIDEO_MIN <= num_snippets <= _VIDEO_MAX:
        num_snippets = int(_VIDEO_MEDIAN * rng.lognormal(0, _VIDEO_SPREAD))
    instances = _draw_instances(num_snippets, median_duration, rng)
    partner = label ^ 1  # the other class of the pair: of 4 it is 5, of 5 it is 4
    if label in _ALSO:
        instances, labels = np.repeat(instances, 2, axis=0), np.tile([label, _ALSO[label]], len(instances))
    elif rng.random() < _PAIR_SHARE and partner not in _ALSO:
        labels = rng.choice([label, partner], len(instances))
    else:
        labels = np.full(len(instances), label)
    duration_sec = (num_snippets + rng.random()) * params.snippet_sec  # real videos do not end where a snippet ends
    return replace(
        VideoRecord.unlabelled(video_id, duration_sec),
        subset=subset,
        segments_sec=instances * params.snippet_sec,
        segment_labels=labels.astype(np.int64),
    )


def _draw_instances(num_snippets, median_duration, rng):
    """Starts and ends ``(N, 2)`` in snippets, N >= 1, ascending and disjoint."""
    median_duration *= rng.lognormal(0, _DURATION_SPREAD_VIDEOS)
    median_gap = _GAP_MEDIAN * rng.lognormal(0, _GAP_SPREAD_VIDEOS)
    start, tail = _MARGIN_MEDIAN * rng.lognormal(0, _MARGIN_SPREAD, 2)  # tail: background at the end of the video
    instances = []
    while True:
        duration = np.clip(median_duration * rng.lognormal(0, _DURATION_SPREAD), _DURATION_MIN, _DURATION_MAX)
        if start + duration > num_snippets - tail:
            break
        instances.append((start, start + duration))
        start += duration + median_gap * rng.lognormal(0, _GAP_SPREAD)
    if not instances:  # even the first instance had no room: place it anywhere, at most half a video long
        duration = min(duration, num_snippets / 2)
        start = rng.uniform(0, num_snippets - duration)
        instances.append((start, start + duration))
    return np.array(instances)


def _with_points(record, style, seed):
    """Draw one point per segment; classes that have the same segment get points at the same time."""
    segments, of_segment = np.unique(record.segments_sec, axis=0, return_inverse=True)
    points = draw_points(segments, style, video_rng(seed, f'{style} points of {record.video_id}'))
    record.point_sec = points[of_segment.reshape(-1)]
    record.point_labels = record.segment_labels
    record.point_instances = np.arange(len(record.point_sec))
    return record


def select_videos(annotations: Annotations, count: int, max_sec: float = np.inf, seed: int = 0) -> Annotations:
    """Draw some of the videos of a dataset, so that every class occurs in them.

    The videos are put into a random order. The first video of each class is taken, then further videos in this order.

    Args:
        annotations (Annotations): Videos to draw from.
        count: Number of videos.
        max_sec: Videos of longer duration are left out.
        seed: Seed of the order, >= 0.

    Returns:
        Annotations: The chosen videos, in the order of ``annotations``.

    Raises:
        InputError: There are fewer than ``count`` videos of at most ``max_sec``, no such video shows one of the
            classes, or ``count`` is too small to show every class.
    """
    short = [video_id for video_id, record in annotations.videos.items() if record.duration_sec <= max_sec]
    order = sorted(short, key=lambda video_id: video_rng(seed, video_id).random())
    first = {}
    for video_id in order:
        for label in annotations.videos[video_id].segment_labels.tolist():
            first.setdefault(label, video_id)
    missing = [name for label, name in enumerate(annotations.classes) if label not in first]
    if missing or count > len(short) or count < len(set(first.values())):
        found = f'{len(short)} of at most {max_sec} s; classes without such a video: {missing[:5] or "none"}'
        raise InputError(f'{counted(count, "video")} to show every class', field='count', found=found)
    chosen = list(dict.fromkeys([*first.values(), *order]))[:count]
    return Annotations(
        annotations.classes, {video_id: annotations.videos[video_id] for video_id in short if video_id in chosen}
    )


def ensure_synthetic(root: str | Path, **params: Any) -> Path:
    """Generate the embedded dataset, unless the folder already holds a dataset of these parameters.

    The folder then holds ``annotations.json`` (automatic points), ``annotations_manual.json`` (the same videos with
    manual points), ``features/{train,test}/ID.npy`` ``(T, D)`` float16, ``split_{train,test}.txt`` and ``meta.json``.
    The files are written into a temporary folder, which is renamed when it is complete. Meanwhile, other processes that
    need the dataset wait.

    Args:
        root: The folder. A dataset that this function made with other parameters, or in an older version, is replaced.
        **params: Fields of :class:`SyntheticParams`.

    Returns:
        Path: ``root``.

    Raises:
        InputError: A parameter is wrong, or ``root`` holds something else.
    """
    root, params = Path(root).absolute(), SyntheticParams.from_dict(params)
    meta = {'generator': _GENERATOR, 'version': GENERATOR_VERSION, 'params': asdict(params)}
    meta = json.loads(json.dumps(meta))  # as _read_meta returns it: JSON turns tuples into lists
    if _read_meta(root) == meta:
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(root.parent / f'.{root.name}.lock'):  # the system releases the lock when a process is killed
        found = _read_meta(root)
        if found == meta:
            return root
        if found is None and root.exists() and (root.is_file() or any(root.iterdir())):
            expected = 'an empty or missing folder, or a dataset that was generated'
            raise InputError(expected, file=root, found='something else (no meta.json of the generator)')
        partial = root.parent / f'.{root.name}.partial'
        shutil.rmtree(partial, ignore_errors=True)  # left there by a process that was killed
        _write_set(partial, params)
        write_json(partial / 'meta.json', meta)
        shutil.rmtree(root, ignore_errors=True)
        os.replace(partial, root)
    return root


def _read_meta(root):
    """Content of ``meta.json`` in a folder; ``None`` unless :func:`ensure_synthetic` made it."""
    path = root / 'meta.json'
    meta = read_json(path) if path.is_file() else {}
    return meta if meta.get('generator') == _GENERATOR else None


def _write_set(folder, params):
    for name, style in _POINT_FILES.items():
        annotations = draw_annotations(params, style)
        save_plain(folder / name, annotations)
    for subset in ('train', 'test'):
        videos = {video_id: record for video_id, record in annotations.videos.items() if record.subset == subset}
        save_split(folder, subset, Annotations(annotations.classes, videos), params)


def save_split(folder: str | Path, name: str, annotations: Annotations, params: SyntheticParams) -> None:
    """Write the features of a split's videos, and the split file with their ids; each file atomically.

    Args:
        folder: Folder for ``features/NAME/ID.npy`` and ``split_NAME.txt``.
        name: Name of the split.
        annotations (Annotations): The videos of the split.
        params (SyntheticParams): As in :func:`.make_features`.

    Raises:
        InputError: A video has no duration, or its id cannot be the name of a file.
    """
    paths = {video_id: path_below(Path(folder, 'features', name), video_id, '.npy') for video_id in annotations.videos}
    for video_id, features in make_features(annotations, params):
        with atomic_write(paths[video_id], 'wb') as file:
            np.save(file, features)
    with atomic_write(Path(folder, f'split_{name}.txt')) as file:
        file.writelines(f'{video_id}\n' for video_id in annotations.videos)
