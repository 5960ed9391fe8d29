import json

import numpy as np
import pytest
from plain_files import plain_video, write_plain
from refusals import refused

from fsptal_mm.datasets import PointTALDataset
from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.evaluation import GroundTruth
from fsptal_mm.evaluation.functional import Protocol
from fsptal_mm.structures import NO_CLASS, Instances

PROTOCOL = Protocol((0.5,), ())


@pytest.fixture
def ann_file(tmp_path):
    """Three test videos, with two segments and a point; with a segment and an ambiguous range; with nothing at all.

    The duration of the third video is unknown.
    """

    points = [(25.5, 'run'), (40.5, 'background')]
    videos = {
        'a': plain_video([(0, 10, 'jump'), (20, 30, 'run')], points, duration_sec=60),
        'b': plain_video([(5, 15, 'jump')], duration_sec=50, ambiguous=[dict(start_sec=49, end_sec=50)]),
        'c': plain_video(duration_sec=40),
    }
    return write_plain(tmp_path / 'annotations.json', ['jump', 'run'], videos)


def from_annotations(ann_file, **kwargs):
    return GroundTruth.from_annotations(load_annotations(ann_file), PROTOCOL, **kwargs)


def from_dataset(ann_file, **kwargs):
    dataset = PointTALDataset(
        ann_file=str(ann_file),
        data_prefix=dict(rgb=str(ann_file.parent)),
        grid=dict(snippet_sec=1.0),
        pipeline=[],
        test_mode=True,
        **kwargs,
    )
    return GroundTruth.from_dataset(dataset, PROTOCOL)


def detections(*rows):
    """A perfect detection in each video that has a segment, and rows of (video, start, end, label, score)."""
    rows = [(0, 0, 10, 0, 0.8), (0, 20, 30, 1, 0.7), (1, 5, 15, 0, 0.6), *rows]
    videos, start, end, labels, scores = map(np.array, zip(*rows))
    return Instances(videos, labels, np.stack([start, end], 1).astype(float), scores)


@pytest.mark.parametrize('source', [from_annotations, from_dataset])
def test_a_dataset_and_its_file_hold_the_same(source, ann_file):
    truth = source(ann_file)
    assert (truth.ids, truth.classes) == (['a', 'b', 'c'], ('jump', 'run'))
    assert truth.durations_sec.tolist() == [60, 50, 40]
    assert truth.segments.segments.tolist() == [[0, 10], [20, 30], [5, 15]]
    assert truth.segments.videos.tolist() == [0, 0, 1]
    assert truth.points.segments.tolist() == [[25.5, 25.5], [40.5, 40.5]]
    assert truth.points.labels.tolist() == [1, NO_CLASS]
    assert truth.ambiguous is None
    assert truth.key == from_annotations(ann_file).key


def test_what_is_unknown_is_empty(ann_file):
    truth = from_dataset(ann_file, supervision='segments')
    assert (len(truth.points), len(truth.segments)) == (0, 3)  # points that are made from segments do not count
    truth = GroundTruth.from_videos([dict(video_id='a'), dict(video_id='b'), dict(video_id='a')], ('x',))
    assert truth.ids == ['a', 'b']  # windows of a video are one video
    assert np.isnan(truth.durations_sec).all()
    assert len(truth.segments) == len(truth.points) == 0
    with refused('gt.json'):
        truth.check_has_segments('gt.json')


@pytest.mark.parametrize('drop, expected', [(False, (2 / 3 + 1) / 2), (True, 1)])
def test_ambiguous_ranges_are_regarded_by_all_measures(drop, expected, ann_file):
    truth = from_annotations(ann_file, drop_ambiguous=drop)
    det = detections((1, 45, 50, 0, 0.9))  # ranks before the two others of its class: precision 1/2, then 2/3
    assert truth.evaluate(det, proposals=False).measures == {'mAP@0.5': pytest.approx(expected)}
    assert truth.diagnose(det).mean_ap == pytest.approx(expected)
    video_ap = truth.video_average_precision(det)
    np.testing.assert_allclose(video_ap, [1, 1 if drop else 1 / 2, np.nan])
    assert len(truth.without_ambiguous(det)) == (3 if drop else 4)


@pytest.mark.parametrize(
    'protocol, preset, bound', [('thumos14', None, 3), ('activitynet', None, 30), ('activitynet', 'thumos14', 3)]
)
def test_buckets_are_those_of_the_protocol(protocol, preset, bound, ann_file):
    truth = GroundTruth.from_annotations(load_annotations(ann_file), Protocol.from_config(protocol))
    assert truth.diagnose(detections(), preset=preset).buckets['length'][0].up_to == bound


ROW = dict(label='run', score=0.5, segment=[1, 2])


@pytest.mark.parametrize(
    'reason, results, videos',
    [
        ('in the order of the videos; another one is beside the point', {'v_b': [ROW], 'other': [ROW]}, [1]),
        ('nothing was found in a video that is judged', {'a': [], 'z': [ROW]}, []),
        ('no video at all', {}, None),
        ('other classes only', {'a': [ROW | dict(label='fly')]}, None),
    ],
)
def test_reading_of_detections(reason, results, videos, ann_file, tmp_path):
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(dict(results=results)))
    if videos is None:
        with refused('results.json'):
            from_annotations(ann_file).read_detections(path)
    else:
        assert from_annotations(ann_file).read_detections(path).videos.tolist() == videos, reason
