"""Timelines and annotated videos of detections, after inference or from a results file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmaction.structures import ActionDataSample

from fsptal_mm import visualization  # its drawing functions are imported at their first use
from fsptal_mm.datasets.annotations.readers import read_classes
from fsptal_mm.datasets.videos.reader import open_video
from fsptal_mm.evaluation import index_classes, read_results
from fsptal_mm.evaluation.results import read_class_names
from fsptal_mm.structures import name_detections
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.progress import VideoProgress
from fsptal_mm.utils.reading import known_id, path_below
from fsptal_mm.visualization import ModelTrack, Timeline

from .inference_inputs import Inputs, VideoInput, list_inputs
from .timelines import read_frames

# If a timeline and an annotated copy of a video are made, the timeline takes about this share of the time. It is a
# rough guess, for the progress bar only: a timeline needs a few frames of the video, a copy all of them.
_TIMELINE_SHARE = 0.1


def draw_pictures(
    inputs: Sequence[VideoInput],
    preds: Sequence[ActionDataSample],
    classes: Sequence[str],
    out_dir: str | Path | None,
    *,
    timeline: bool = False,
    annotate: bool = False,
    failures: list[InputError] | None = None,
    show_progress: bool = False,
    allow_damaged: bool = False,
) -> list[str]:
    """Draw timelines, and write annotated videos.

    Args:
        inputs: The videos.
        preds: Their data samples, with ``duration_sec`` and ``detections``, which are :class:`.Instances`.
        classes: Names of the classes.
        out_dir: Folder for the files.
        timeline: Whether to draw ``timelines/VIDEO.png``.
        annotate: Whether to write ``videos/VIDEO.mp4``, for inputs that are video files.
        failures: List to which the errors of single files are added. Default: the first error is raised.
        show_progress: Whether to show the progress.
        allow_damaged: Whether to take what can be read of truncated and damaged videos.

    Returns:
        list[str]: Paths of the written files.

    Raises:
        InputError: A file cannot be made, and ``failures`` is ``None``.
    """

    def draw_timeline(video, sample, on_progress):
        frames = None
        if video.is_video:
            frames = read_frames(open_video(video.source, allow_damaged), sample.duration_sec, on_progress)
        tracks = (ModelTrack(proposals=sample.detections),)
        shown = Timeline(video.video_id, sample.duration_sec, classes, tracks=tracks, frames=frames)
        return visualization.draw_timeline(path_below(Path(out_dir, 'timelines'), video.video_id, '.png'), shown)

    def annotate_copy(video, sample, on_progress):
        path = path_below(Path(out_dir, 'videos'), video.video_id, '.mp4')
        source = open_video(video.source, allow_damaged)
        return visualization.annotate_video(source, path, sample.detections, classes, on_progress=on_progress)

    paths = []
    silent = not (show_progress and (timeline or annotate))
    with VideoProgress('Pictures', len(preds), disable=silent) as progress:
        for index, (video, sample) in enumerate(zip(inputs, preds)):
            copies = annotate and video.is_video
            # Each entry is a function that draws, and the progress at which its work starts and ends.
            draws, copy_start = [], index
            if timeline:
                copy_start = index + (_TIMELINE_SHARE if copies else 1)
                draws.append((draw_timeline, index, copy_start))
            if copies:
                draws.append((annotate_copy, copy_start, index + 1))
            for draw, start, end in draws:

                def show(share, index=index, start=start, end=end):
                    progress.update(index, start + share * (end - start))

                try:
                    paths.append(draw(video, sample, show))
                except InputError as error:
                    if failures is None:
                        raise video.naming(error) from error
                    failures.append(video.naming(error))
            progress.update(index + 1)
    return paths


def draw_results(
    file: str | Path,
    inputs: Inputs,
    out_dir: str | Path,
    *,
    classes: str | Path | None = None,
    score_threshold: float | None = None,
    top_k: int | None = None,
    **kwargs: Any,
) -> dict[str, Any]:
    """Draw the detections of a results file, without a model.

    Args:
        file: A results file in ActivityNet's format.
        inputs: The videos, as :class:`.TALInferencer` takes them. For features, the timeline ends with the last
            detection, since the results file does not state the duration.
        out_dir: Folder for the files.
        classes: Class list, one name per line; the index of a class decides its colour. Default: the list in the
            results file, else the classes that are found, sorted.
        score_threshold: Detections with a lower score are left out. Default: none.
        top_k: Largest number of detections per video; the best ones are kept. Default: all.
        **kwargs: ``timeline``, ``annotate``, ``show_progress`` and ``allow_damaged`` of :func:`draw_pictures`.

    Returns:
        dict: ``predictions``, ``visualization`` and ``failures``, as :class:`.TALInferencer` returns them.

    Raises:
        InputError: The results file or the class list cannot be read, or the class list lacks a class that is found.
    """
    results = read_results(file)
    names = tuple(read_classes(classes) if classes else read_class_names(file, results))
    for video_id, found in results.items():
        other = next((label for label in found['labels'] if label not in names), None)
        if other is not None:
            raise InputError(f'one of {names}', file=file, video=video_id, field='label', found=other)
    samples, videos, failures = {}, [], []
    for video in list_inputs(inputs):
        known = known_id(video.video_id, results)
        try:
            if video.video_id in samples:
                raise InputError('only one input with this id', field='inputs')
            if known is None:
                raise InputError(f'one of the videos in {file}', field='inputs')
            found = index_classes(results[known], names)
            duration_sec = found.segments.max(initial=0) or 1.0
            if video.is_video:
                duration_sec = open_video(video.source, kwargs.get('allow_damaged', False)).duration_sec
        except InputError as error:
            failures.append(video.naming(error))
            continue
        found = found[np.argsort(-found.scores, kind='stable')]
        if score_threshold is not None:
            found = found[found.scores >= score_threshold]
        sample = ActionDataSample(metainfo=dict(video_id=video.video_id, duration_sec=duration_sec))
        sample.detections = found[:top_k]
        samples[video.video_id] = sample
        videos.append(video)
    pictures = draw_pictures(videos, [*samples.values()], names, out_dir, failures=failures, **kwargs)
    predictions = {name: name_detections(sample.detections, names) for name, sample in samples.items()}
    return dict(predictions=predictions, visualization=pictures, failures=failures)
