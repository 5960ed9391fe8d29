from dataclasses import replace

import numpy as np
import pytest
from refusals import refused
from tiny_videos import brightness_to_sec, write_video

from fsptal_mm.apis.timelines import add_results, join_tracks, read_frames, timelines_of_results
from fsptal_mm.datasets.annotations.records import Annotations, VideoRecord
from fsptal_mm.datasets.videos.reader import open_video
from fsptal_mm.structures import Instances
from fsptal_mm.visualization import ModelTrack, Timeline

CLASSES = ('jump', 'run')


def found(*rows):
    return {
        'segments_sec': np.array([row[:2] for row in rows], dtype=float).reshape(-1, 2),
        'labels': [row[2] for row in rows],
        'scores': np.array([row[3] for row in rows]),
    }


def annotations():
    record = VideoRecord.unlabelled('a', 60.0)
    record.segments_sec, record.segment_labels = np.array([[5.0, 9.0]]), np.array([1])
    record.point_sec, record.point_labels, record.background_sec = np.array([7.0]), np.array([1]), np.array([30.0])
    return Annotations(CLASSES, {'a': record, 'b': VideoRecord.unlabelled('b', 10.0)})


FILES = {
    'first': {'v_a': found((5, 8, 'run', 0.9), (1, 2, 'jump', 0.2), (1, 2, 'fly', 0.1)), 'c': found((0, 3, 'run', 1))},
    'second': {'v_a': found((6, 9, 'run', 0.5))},
}


def test_results_with_annotations_show_truth_points_and_every_file():
    timelines = timelines_of_results(FILES, annotations())
    assert list(timelines) == ['a']  # nothing was found in b, and c is not annotated
    timeline = timelines['a']
    assert (timeline.duration_sec, timeline.classes, timeline.is_training) == (60, CLASSES, False)
    assert timeline.truth.segments.tolist() == [[5, 9]]
    assert timeline.points.segments.tolist() == [[7, 7], [30, 30]]
    assert timeline.points.labels.tolist() == [1, -1]
    assert [track.name for track in timeline.tracks] == ['first', 'second']
    first, second = (track.proposals for track in timeline.tracks)
    assert first.labels.tolist() == [1, 0]  # the class "fly" is not in the annotations
    assert first.segments.tolist() == [[5, 8], [1, 2]]
    assert (second.scores.tolist(), second.segments.tolist()) == ([0.5], [[6, 9]])


def test_results_alone_end_with_the_last_time_that_is_known():
    timelines = timelines_of_results(FILES)
    assert list(timelines) == ['v_a', 'c']
    assert timelines['v_a'].classes == ('fly', 'jump', 'run')
    assert (timelines['v_a'].duration_sec, timelines['c'].duration_sec) == (9, 3)
    assert len(timelines['c'].tracks[1].proposals) == 0  # the second file has no such video
    assert len(timelines['v_a'].truth) == len(timelines['v_a'].points) == 0
    assert list(timelines_of_results(FILES, videos=1)) == ['v_a']
    assert list(timelines_of_results(FILES, videos=['c', 'a'])) == ['c', 'v_a']
    with refused("first, second: videos: found ['x']"):
        timelines_of_results(FILES, videos=['x'])
    with refused('empty'):
        timelines_of_results({'empty': {}})
    unknown = annotations()
    unknown.videos['a'].duration_sec = None
    assert timelines_of_results(FILES, unknown)['a'].duration_sec == 30  # the last time is that of a background click


def test_models_of_one_video_are_joined():
    first = Timeline('v', 9.0, CLASSES, truth=Instances.of_video([[0, 1]], [0]), tracks=(ModelTrack('A'),))
    other = replace(first, truth=None, tracks=(ModelTrack('B'),))
    joined = join_tracks(first, other)
    assert [track.name for track in joined.tracks] == ['A', 'B']
    assert joined.truth is first.truth
    assert [track.name for track in add_results({'v': joined}, FILES)['v'].tracks] == ['A', 'B', 'first', 'second']
    with refused("classes: found ('run',)"):
        join_tracks(first, replace(other, classes=('run',)))


def test_frames_are_those_of_the_middles_of_their_parts(tmp_path):
    path = write_video(tmp_path / 'v.mp4', duration_sec=4.0)
    strip = read_frames(open_video(path), 4.0)
    assert len(strip.images) == 10  # the axis is 9 inches wide, frames are 4:3 and 0.7 inches high
    assert strip.times_sec == pytest.approx(np.arange(10) * 0.4 + 0.2)
    assert [brightness_to_sec(image) for image in strip.images] == pytest.approx(strip.times_sec, abs=0.3)
