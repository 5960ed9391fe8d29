"""Timelines from what a user has: configs and checkpoints, files of results, videos."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from mmaction.registry import DATASETS, MODELS
from mmengine.device import get_device
from mmengine.registry import DefaultScope

from fsptal_mm.datasets.videos.reader import VIDEO_SUFFIXES, open_video
from fsptal_mm.engine.timeline_samples import check_has_timeline, find_videos, mining_timeline, prediction_timeline
from fsptal_mm.evaluation import index_classes
from fsptal_mm.structures import Instances
from fsptal_mm.utils.configs import naming_types
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import known_id, spellings
from fsptal_mm.visualization import FrameStrip, ModelTrack, Timeline, axis_width_in

from .model_loading import load_local_checkpoint

_FRAME_IN = 0.7  # height of a frame of the strip
_FRAME_PX = 160


@naming_types()
def timelines_of_model(config, checkpoint, split='test', videos=3, name=''):
    """What a model says about videos of its own data set.

    Args:
        config (Config): Of an experiment with a :class:`.PointTAL`.
        checkpoint: Local file; nothing in it is executed.
        split: ``'test'``: scores and proposals; ``'train'``: also extended labels, mined labels and best segments, and
            the scores are those of the extended video.
        videos (int | Sequence[str]): How many, the first ones; or their ids.
        name: Of the model, in the picture.

    Returns:
        dict[str, Timeline]: By video id.

    Raises:
        InputError: No such data set, checkpoint or video, a checkpoint of another model, or a model whose snippets
            have no scores.
    """
    for part in {'test', split}:
        if config.get(f'{part}_dataloader') is None:
            raise InputError('a data loader', file=config.filename, field=f'{part}_dataloader')
    test_set = config.test_dataloader.dataset
    plain = test_set if split == 'test' else config.train_dataloader.dataset | dict(pipeline=test_set.pipeline)
    with DefaultScope.overwrite_default_scope('mmaction'):
        dataset = DATASETS.build(plain)
        labelled = DATASETS.build(config.train_dataloader.dataset) if split == 'train' else None
        model = MODELS.build(config.model)
    check_has_timeline(model)
    load_local_checkpoint(model, checkpoint)
    model = model.to(get_device()).eval()
    found, classes = {}, dataset.metainfo['classes']
    for index in find_videos(dataset, videos, 'videos'):
        timeline = prediction_timeline(model, dataset[index], classes, name)
        if labelled is not None:
            mined = mining_timeline(model, labelled[index], classes, name)
            track = replace(mined.tracks[0], proposals=timeline.tracks[0].proposals)
            timeline = replace(mined, tracks=(track,))
        found[timeline.video_id] = timeline
    return found


def timelines_of_results(files, annotations=None, videos=3):
    """Videos that files of results speak of, with what stands there.

    Args:
        files (dict[str, dict]): From a name in the picture to detections, as :func:`.read_results` returns them.
        annotations (Annotations, optional): True segments, points, lengths and classes; without them, a video ends
            with the last detection.
        videos (int | Sequence[str]): How many, the first ones with detections; or their ids.

    Returns:
        dict[str, Timeline]: By video id, with one track per file.

    Raises:
        InputError: There is no such video, or none at all.
    """
    found_in = {video_id: None for results in files.values() for video_id in results}
    if annotations is None:
        labels = {label for results in files.values() for found in results.values() for label in found['labels']}
        classes, listed = tuple(sorted(labels)), list(found_in)
    else:
        classes = annotations.classes
        listed = [video_id for video_id in annotations.videos if known_id(video_id, found_in) is not None]
    chosen = listed[:videos] if isinstance(videos, int) else [known_id(video_id, listed) for video_id in videos]
    if not chosen or None in chosen:
        expected = f'videos with detections, such as {", ".join(listed[:5]) or "(there is none)"}'
        raise InputError(expected, file=', '.join(files), field='videos', found=videos)
    blank = {}
    for video_id in chosen:
        if annotations is None:
            own = [results[video_id]['segments_sec'] for results in files.values() if video_id in results]
            duration_sec = max((segments.max(initial=0) for segments in own), default=0)
            blank[video_id] = Timeline(video_id, duration_sec or 1.0, classes)
        else:
            blank[video_id] = _annotated(annotations.videos[video_id], classes)
    return add_results(blank, files)


def _annotated(record, classes):
    if record.duration_sec is None:
        expected = 'a duration, or frames and frames per second, in the annotations'
        raise InputError(expected, video=record.video_id, field='duration')
    return Timeline(
        record.video_id,
        record.duration_sec,
        classes,
        truth=Instances.of_video(record.segments_sec, record.segment_labels),
        points=Instances.of_points(record.point_sec, record.point_labels, record.background_sec),
    )


def add_results(timelines, files):
    """Put detections of files beneath what timelines show.

    Args:
        timelines (dict[str, Timeline]): By video id, not changed.
        files (dict[str, dict]): As in :func:`timelines_of_results`. Detections of other classes are left out.

    Returns:
        dict[str, Timeline]: With one more track per file.
    """
    return {
        video_id: replace(
            timeline,
            tracks=(*timeline.tracks, *(_track(name, results, timeline) for name, results in files.items())),
        )
        for video_id, timeline in timelines.items()
    }


def _track(name, results, timeline):
    spelled = known_id(timeline.video_id, results)
    found = results[spelled] if spelled is not None else {'segments_sec': [], 'labels': [], 'scores': []}
    return ModelTrack(name, proposals=index_classes(found, timeline.classes))


def join_tracks(first, *others):
    """The models of several timelines of one video beneath each other, on the first one's truth and points.

    Raises:
        InputError: The timelines are not of the same video, or their classes differ.
    """
    for other in others:
        for field in ('video_id', 'classes'):
            expected, found = getattr(first, field), getattr(other, field)
            if expected != found:
                raise InputError(f'{expected}, as of the other model', video=other.video_id, field=field, found=found)
    return replace(first, tracks=tuple(track for timeline in (first, *others) for track in timeline.tracks))


def read_frames(path, duration_sec):
    """A strip of frames for a timeline of this length.

    Args:
        path: Video file.
        duration_sec: What the timeline shows.

    Returns:
        FrameStrip: As many frames as fit beside each other.

    Raises:
        InputError: A video that cannot be read.
    """
    video = open_video(path)
    (first,) = video.frames([0])
    height, width = first.shape[:2]
    count = max(1, round(axis_width_in(duration_sec) / (_FRAME_IN * width / height)))
    times_sec = (np.arange(count) + 0.5) * duration_sec / count
    size = (round(_FRAME_PX * width / height), _FRAME_PX)
    images = [
        cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        for index in video.index_at(times_sec)
        for frame in video.frames([index])
    ]
    return FrameStrip(times_sec, images)


def find_video_file(folder, video_id):
    """The file of a video in a folder, None if there is none.

    Raises:
        InputError: There is no such folder.
    """
    if not Path(folder).is_dir():
        raise InputError('a folder of videos', file=folder, found='no such folder')
    files = (Path(folder, name + suffix) for name in spellings(video_id) for suffix in VIDEO_SUFFIXES)
    return next((path for path in files if path.is_file()), None)
