import json

import numpy as np
import pytest

from fsptal_mm.datasets import PointTALDataset
from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.evaluation import GroundTruth
from fsptal_mm.evaluation.functional import Protocol
from fsptal_mm.structures import NO_CLASS, Instances
from fsptal_mm.utils.errors import InputError

PROTOCOL = Protocol((0.5,), ())


@pytest.fixture
def ann_file(tmp_path):
    """Three test videos: two segments and a point; a segment and an ambiguous range; nothing, of unknown duration."""

    def segment(label, start, end):
        return dict(label=label, start_sec=start, end_sec=end)

    videos = {
        'a': dict(
            duration_sec=60,
            segments=[segment('jump', 0, 10), segment('run', 20, 30)],
            points=[dict(time_sec=25.5, label='run'), dict(time_sec=40.5, label='background')],
        ),
        'b': dict(duration_sec=50, segments=[segment('jump', 5, 15)], ambiguous=[dict(start_sec=49, end_sec=50)]),
        'c': dict(duration_sec=40, segments=[]),
    }
    content = dict(format='fsptal_mm', version=1, classes=['jump', 'run'], videos=videos)
    path = tmp_path / 'annotations.json'
    path.write_text(json.dumps(content))
    return path


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


def test_points_that_are_made_from_segments_are_none(ann_file):
    truth = from_dataset(ann_file, supervision='segments')
    assert len(truth.points) == 0
    assert len(truth.segments) == 3


def test_windows_of_a_video_are_one_and_what_is_unknown_is_empty():
    truth = GroundTruth.from_videos([dict(video_id='a'), dict(video_id='b'), dict(video_id='a')], ('x',))
    assert truth.ids == ['a', 'b']
    assert np.isnan(truth.durations_sec).all()
    assert len(truth.segments) == len(truth.points) == 0
    with pytest.raises(InputError, match=r'gt\.json'):
        truth.check_has_segments('gt.json')


@pytest.mark.parametrize('drop, expected', [(False, (2 / 3 + 1) / 2), (True, 1)])
def test_ambiguous_ranges_are_regarded_by_all_measures(drop, expected, ann_file):
    truth = from_annotations(ann_file, drop_ambiguous=drop)
    det = detections((1, 45, 50, 0, 0.9))  # before the two others of its class: precision 1/2, then 2/3
    assert truth.evaluate(det, proposals=False).measures == {'mAP@0.5': pytest.approx(expected)}
    assert truth.diagnose(det).mean_ap == pytest.approx(expected)
    video_ap = truth.video_average_precision(det)
    np.testing.assert_allclose(video_ap, [1, 1 if drop else 1 / 2, np.nan])
    assert len(truth.judged(det)) == (3 if drop else 4)


@pytest.mark.parametrize(
    'protocol, preset, bound', [('thumos14', None, 3), ('activitynet', None, 30), ('activitynet', 'thumos14', 3)]
)
def test_buckets_are_those_of_the_protocol(protocol, preset, bound, ann_file):
    truth = GroundTruth.from_annotations(load_annotations(ann_file), Protocol.from_config(protocol))
    assert truth.diagnose(detections(), preset=preset).buckets['length'][0].up_to == bound


def test_detections_are_read_in_the_order_of_the_videos(ann_file, tmp_path):
    row = dict(label='run', score=0.5, segment=[1, 2])
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(dict(results={'v_b': [row], 'other': [row]})))
    assert from_annotations(ann_file).read_detections(path).videos.tolist() == [1]


@pytest.mark.parametrize(
    'results, is_refused, reason',
    [
        ({'a': []}, False, 'nothing was found in a video that is judged'),
        ({}, True, 'no video at all'),
        ({'a': [dict(label='fly', score=0.5, segment=[1, 2])]}, True, 'other classes only'),
        ({'a': [], 'z': [dict(label='run', score=0.5, segment=[1, 2])]}, False, 'another video is beside the point'),
    ],
)
def test_files_that_say_nothing_of_the_videos_are_refused(results, is_refused, reason, ann_file, tmp_path):
    path = tmp_path / 'results.json'
    path.write_text(json.dumps(dict(results=results)))
    if is_refused:
        with pytest.raises(InputError, match=r'results\.json'):
            from_annotations(ann_file).read_detections(path)
    else:
        assert len(from_annotations(ann_file).read_detections(path)) == 0, reason
