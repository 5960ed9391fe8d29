"""Choice of the videos to label next, from a model's detections, the present labels, and the features of all videos."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fsptal_mm.datasets.annotations.records import VideoRecord
from fsptal_mm.datasets.feature_files import FeatureReader
from fsptal_mm.evaluation.labelling import count_threshold, likely_detections, rank_videos
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import known_id
from fsptal_mm.utils.wording import counted

from .inference_inputs import list_inputs


class SuggestedVideo(NamedTuple):
    """A video without labels, and its likely detections.

    Attributes:
        video_id (str): Id of the video in the results.
        uncertainty (float): Mean uncertainty of the likely detections, from 0 to 1; 0 if there are none.
        detections (dict): The likely detections, see :func:`.likely_detections`.
        distance (float): Distance from the video's mean feature to the nearest mean feature of a labelled video, or of
            a video that comes earlier in the order to label. 0 until :func:`suggest_videos` has made this order.
    """

    video_id: str
    uncertainty: float
    detections: dict[str, Any]
    distance: float = 0.0


def unlabelled_videos(
    results: Mapping[str, dict], labelled: Mapping[str, VideoRecord], thresholds: Mapping[str, float] | None = None
) -> tuple[list[SuggestedVideo], dict[str, float]]:
    """Select the videos of a results file that are not labelled, with their likely detections.

    Args:
        results (dict[str, dict]): Detections, as :func:`.read_results` returns them.
        labelled (dict[str, VideoRecord]): The labelled videos by id.
        thresholds (dict[str, float], optional): Score threshold of each class. Default: the same threshold for all
            classes, at which unlabelled videos have on average as many likely detections as labelled videos have
            points.

    Returns:
        tuple[list[SuggestedVideo], dict[str, float]]: The videos in the order of the results, and the thresholds.

    Raises:
        InputError: No video is labelled, all videos are labelled, or no detection has a positive score.
    """
    if not labelled:
        raise InputError('labelled videos', field='annotations', found='none')
    found = {name: entry for name, entry in results.items() if known_id(name, labelled) is None}
    if not found:
        raise InputError('videos that are not labelled', field='results', found=counted(len(results), 'labelled video'))
    if thresholds is None:
        points = np.mean([len(record.point_sec) for record in labelled.values()])
        shared = count_threshold(np.concatenate([entry['scores'] for entry in found.values()]), points * len(found))
        thresholds = dict.fromkeys(sorted({label for entry in found.values() for label in entry['labels']}), shared)
    videos = []
    for name, entry in found.items():
        likely = likely_detections(entry, thresholds)
        videos.append(SuggestedVideo(name, float(likely['uncertainty'].mean()) if likely['labels'] else 0.0, likely))
    return videos, dict(thresholds)


def suggest_videos(
    videos: Sequence[SuggestedVideo], labelled: Iterable[str], features: Mapping[str, np.ndarray]
) -> list[SuggestedVideo]:
    """Order videos by how much labelling them may help, see :func:`.rank_videos`.

    Args:
        videos (Sequence[SuggestedVideo]): Videos, as :func:`unlabelled_videos` returns them.
        labelled: Ids of the labelled videos.
        features (dict[str, np.ndarray]): Mean feature ``(D,)`` of each video, see :func:`mean_features`.

    Returns:
        list[SuggestedVideo]: The videos with their distances, in the order in which to label them.

    Raises:
        InputError: A video has no features.
    """

    def stack(names):
        return np.stack([features[_known(name, features)] for name in names])

    order, distances = rank_videos(
        [video.uncertainty for video in videos], stack([video.video_id for video in videos]), stack(labelled)
    )
    return [videos[index]._replace(distance=distance) for index, distance in zip(order, distances)]


def mean_features(folders: Sequence[str | Path]) -> dict[str, np.ndarray]:
    """Read the mean feature of every video.

    Args:
        folders (Sequence): A folder of feature files (or an HDF5 file) for each stream, in any order. The means of the
            streams are concatenated. Video files in a folder are ignored.

    Returns:
        dict[str, np.ndarray]: ``(D,)`` float64 by video id.

    Raises:
        InputError: A file cannot be read, or a stream has no features of a video.
    """
    reader, means = FeatureReader(), {}
    for folder in folders:
        for video in list_inputs(str(folder)):
            if not video.is_video:
                features = reader.read(video.source, video.video_id)
                means.setdefault(video.video_id, []).append(features.mean(0, dtype=np.float64))
    for name, parts in means.items():
        if len(parts) < len(folders):
            raise InputError(f'{len(folders)} streams', video=name, field='features', found=len(parts))
    return {name: np.concatenate(parts) for name, parts in means.items()}


def _known(name, features):
    known = known_id(name, features)
    if known is None:
        raise InputError('features of this video', video=name, field='features', found='none')
    return known
