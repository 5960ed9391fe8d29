"""Timelines that show the scores and detections of a checkpoint or of results files, with frames of the video."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from mmaction.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DefaultScope

from fsptal_mm import visualization  # its drawing functions are imported at their first use
from fsptal_mm.datasets.annotations.records import Annotations
from fsptal_mm.datasets.videos.reader import VideoReader
from fsptal_mm.engine.timeline_samples import (
    check_has_timeline,
    item_with_ground_truth,
    mined_sample,
    predicted_sample,
    video_indices,
)
from fsptal_mm.engine.trained_videos import trained_videos
from fsptal_mm.evaluation import GroundTruth, index_classes
from fsptal_mm.evaluation.operating_point import model_digest, read_operating_point
from fsptal_mm.evaluation.samples import warn
from fsptal_mm.utils.configs import naming_types
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import known_id
from fsptal_mm.visualization import FrameStrip, ModelTrack, Timeline, sample_timeline, video_timeline

from .model_loading import load_local_checkpoint
from .training_videos import training_videos_among

_FRAME_IN, _FRAME_PX = 0.7, 160  # height of a video frame above the timeline: inches in the figure, pixels read


@naming_types()
def timelines_of_model(
    config: Config,
    checkpoint: str | Path,
    split: str = 'test',
    videos: int | Sequence[str] = 3,
    name: str = '',
    score_threshold: float | None = None,
) -> dict[str, Timeline]:
    """Build timelines of a model on the test or training videos of its config.

    A warning names the test videos that the checkpoint was trained on, if it holds their ids.

    Args:
        config (Config): Config of an experiment with a :class:`.PointTAL`.
        checkpoint: Local file; nothing in it is executed.
        split: ``'test'``: test videos, with scores and proposals. ``'train'``: training videos, also with extended
            labels, mined labels and the best segments of the segment search; the scores are those of the extended
            snippets.
        videos (int | Sequence[str]): Number of videos, which are taken from the beginning of the dataset; or their ids.
        name: Name of the model in the picture.
        score_threshold: Proposals with a lower score are left out. Default: the thresholds of the operating point of
            the checkpoint, or no threshold if there is none.

    Returns:
        dict[str, Timeline]: By video id; each timeline has one track, that of the model.

    Raises:
        InputError: There is no such data loader, checkpoint or video; the checkpoint belongs to another model; or the
            model makes no snippet scores.
    """
    for part in {'test', split}:
        if config.get(f'{part}_dataloader') is None:
            raise InputError('a data loader', file=config.filename, field=f'{part}_dataloader')
    # Proposals are made with the test pipeline, also for training videos. Extended and mined labels need the training
    # pipeline: the dataset ``labelled`` has it.
    tested = config.test_dataloader.dataset
    if split != 'test':
        tested = config.train_dataloader.dataset | dict(pipeline=tested.pipeline)
    with DefaultScope.overwrite_default_scope('mmaction'):
        dataset = DATASETS.build(tested)
        labelled = DATASETS.build(config.train_dataloader.dataset) if split == 'train' else None
        digest = model_digest(config.model)
        model = MODELS.build(config.model)
    check_has_timeline(model)
    content = load_local_checkpoint(model, checkpoint, *filter(None, (dataset, labelled)))
    chosen = read_operating_point(checkpoint, digest, dataset.metainfo['classes'])
    model = model.to(get_device()).eval()
    found = {}
    for index in video_indices(dataset, videos, 'videos'):
        sample = predicted_sample(model, item_with_ground_truth(dataset, index))
        if labelled is not None:
            mined = mined_sample(model, item_with_ground_truth(labelled, index))
            mined.pred_segments = sample.pred_segments
            sample = mined
        timeline = sample_timeline(sample, dataset.metainfo['classes'], name)
        (track,) = timeline.tracks
        track = replace(track, proposals=_kept(track.proposals, score_threshold, chosen))
        found[sample.video_id] = replace(timeline, tracks=(track,))
    if split == 'test' and (seen := training_videos_among(found, trained_videos(content) or (), checkpoint)):
        warn(seen)
    return found


def _kept(proposals, score_threshold, chosen):
    """Proposals that reach the score threshold or, if it is ``None``, the operating point ``chosen``, if any."""
    if score_threshold is not None:
        return proposals[proposals.scores >= score_threshold]
    return proposals if chosen is None else chosen.select(proposals)


def timelines_of_results(
    files: dict[str, dict], annotations: Annotations | None = None, videos: int | Sequence[str] = 3
) -> dict[str, Timeline]:
    """Build timelines of the videos in results files.

    Args:
        files (dict[str, dict]): From the name that the picture shows for a results file to its detections, as
            :func:`.read_results` returns them.
        annotations (Annotations, optional): Ground truth, points, durations and classes. Default: none; a timeline then
            ends with the last detection.
        videos (int | Sequence[str]): Number of videos: the first videos that have detections. Or the ids of videos.

    Returns:
        dict[str, Timeline]: By video id; each timeline has one track per file.

    Raises:
        InputError: One of the ids is in none of the files, or the files hold no video.
    """
    found_in = {video_id: None for results in files.values() for video_id in results}
    if annotations is None:
        labels = {label for results in files.values() for found in results.values() for label in found['labels']}
        ground_truth = GroundTruth.from_videos([dict(video_id=video_id) for video_id in found_in], sorted(labels))
    else:
        ground_truth = GroundTruth.from_annotations(annotations)
    index_of = {video_id: index for index, video_id in enumerate(ground_truth.ids)}
    listed = [video_id for video_id in index_of if known_id(video_id, found_in) is not None]
    chosen = listed[:videos] if isinstance(videos, int) else [known_id(video_id, listed) for video_id in videos]
    if not chosen or None in chosen:
        expected = f'videos with detections, such as {", ".join(listed[:5]) or "(there is none)"}'
        raise InputError(expected, file=', '.join(files), field='videos', found=videos)
    return {
        video_id: video_timeline(ground_truth, index_of[video_id], _tracks(files, video_id, ground_truth.classes))
        for video_id in chosen
    }


def add_results(timelines: dict[str, Timeline], files: dict[str, dict]) -> dict[str, Timeline]:
    """Add the detections of results files to timelines.

    Args:
        timelines (dict[str, Timeline]): Timelines by video id, which are not changed.
        files (dict[str, dict]): As in :func:`timelines_of_results`. Detections of classes that the timelines do not
            have are left out.

    Returns:
        dict[str, Timeline]: Timelines by video id, with one more track per file.
    """
    return {
        video_id: replace(timeline, tracks=(*timeline.tracks, *_tracks(files, video_id, timeline.classes)))
        for video_id, timeline in timelines.items()
    }


def _tracks(files, video_id, classes):
    """A track for each results file, with its detections in a video."""
    nothing, tracks = {'segments_sec': [], 'labels': [], 'scores': []}, []
    for name, results in files.items():
        found = results.get(known_id(video_id, results), nothing)
        tracks.append(ModelTrack(name, proposals=index_classes(found, classes)))
    return tracks


def join_tracks(first: Timeline, *others: Timeline) -> Timeline:
    """Join timelines of one video into one that shows all models.

    Args:
        first (Timeline): Timeline whose ground truth, points and frames are kept.
        *others (Timeline): Timelines whose tracks are added.

    Raises:
        InputError: The timelines are not of the same video, or their classes differ.
    """
    for other in others:
        for field in ('video_id', 'classes'):
            expected, found = getattr(first, field), getattr(other, field)
            if expected != found:
                expected = f'{expected}, as in the first timeline'
                raise InputError(expected, video=other.video_id, field=field, found=found)
    return replace(first, tracks=tuple(track for timeline in (first, *others) for track in timeline.tracks))


def read_frames(
    video: VideoReader, duration_sec: float, on_progress: Callable[[float], object] | None = None
) -> FrameStrip:
    """Read the frames of a video that a timeline shows as a strip.

    Args:
        video (VideoReader): The video.
        duration_sec: Duration that the timeline shows.
        on_progress: Function that is called after every frame with the share of the frames that is done, 0 to 1.

    Returns:
        FrameStrip: As many frames as fit side by side, at even distances in time.

    Raises:
        InputError: A frame cannot be decoded.
    """
    (first,) = video.frames([0])
    height, width = first.shape[:2]
    count = max(1, round(visualization.axis_width_in(duration_sec) / (_FRAME_IN * width / height)))
    times_sec = (np.arange(count) + 0.5) * duration_sec / count
    size = (round(_FRAME_PX * width / height), _FRAME_PX)
    images = []
    for index in video.index_at(times_sec):
        (frame,) = video.frames([index])
        images.append(cv2.resize(frame, size, interpolation=cv2.INTER_AREA))
        if on_progress:
            on_progress(len(images) / count)
    return FrameStrip(times_sec, images)
