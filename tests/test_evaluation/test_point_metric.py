import json

import numpy as np
import pytest
import torch
from mmaction.registry import METRICS
from mmaction.structures import ActionDataSample
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from fsptal_mm.datasets import PointTALDataset
from fsptal_mm.evaluation import PointMetric, point_metric, samples
from fsptal_mm.utils.errors import InputError

CLASSES = ('Diving', 'CliffDiving')


def sample(video_id, points=(), found=(), **meta):
    """A data sample as the model returns it.

    Args:
        points: Rows of time, class index, instance.
        found: Rows of start, end, class index, score.
    """
    points, found = np.array(points, dtype=float).reshape(-1, 3), np.array(found, dtype=float).reshape(-1, 4)
    data_sample = ActionDataSample(
        metainfo=dict(
            video_id=video_id,
            gt_point_sec=points[:, 0],
            gt_point_labels=points[:, 1].astype(np.int64),
            gt_point_instances=points[:, 2].astype(np.int64),
            **meta,
        )
    )
    data_sample.pred_segments = InstanceData(
        segments_sec=torch.tensor(found[:, :2]),
        scores=torch.tensor(found[:, 3], dtype=torch.float32),
        labels=torch.tensor(found[:, 2], dtype=torch.long),
    )
    return data_sample


def evaluate(data_samples):
    evaluator = Evaluator(PointMetric())
    evaluator.dataset_meta = dict(classes=CLASSES)
    evaluator.process(data_samples)
    return evaluator.evaluate(len(data_samples))


@pytest.fixture
def messages(monkeypatch):
    """What the metric logs."""
    logged = []
    for module in (samples, point_metric):
        monkeypatch.setattr(module, 'print_log', lambda message, **_: logged.append(message))
    return logged


# Class 0: both points are found, after one mistake: hits yes, no, yes, AP (1 + 2/3) / 2. Class 1 at the same time as a
# point of class 0: not found.
FOUND = (
    sample('a', [[5, 0, 0], [5, 1, 1]], [[3, 7, 0, 0.75]]),
    sample('b', [[5, 0, 0]], [[3, 7, 0, 0.25], [10, 20, 0, 0.5]]),
)


def test_mean_over_the_classes_of_all_videos(messages):
    measures = evaluate(FOUND)
    assert measures == {'point/mAP': pytest.approx(5 / 12), 'point/recall': 1 / 2}
    assert all(type(value) is float for value in measures.values())
    assert '3 detections, 3 labelled instances in 2 videos' in messages[-1]


def test_a_class_without_a_point_does_not_count():
    assert evaluate([sample('a', [[5, 0, 0]], [[3, 7, 0, 0.75], [3, 7, 1, 0.9]])])['point/mAP'] == 1


def test_no_prediction():
    assert evaluate([sample('a', [[5, 0, 0]])]) == {'point/mAP': 0, 'point/recall': 0}


def test_videos_without_points_are_left_out(messages):
    # Its actions are unlabelled: the better scored detection in it is no mistake.
    unlabelled = sample('c', [], [[0, 10, 0, 0.9]])
    assert evaluate([*FOUND, unlabelled]) == evaluate(FOUND)
    assert any('1 of 3 videos carry no point' in message for message in messages)


def test_no_point_at_all(messages):
    assert evaluate([sample('a', [], [[0, 10, 0, 0.9]])]) == {}
    assert any('1 of 1 videos carry no point' in message for message in messages)


def test_several_points_of_one_instance_are_one():
    both = [[4, 0, 0], [6, 0, 0]]
    assert evaluate([sample('a', both, [[3, 7, 0, 0.75]])])['point/mAP'] == 1
    assert evaluate([sample('a', [[4, 0, 0], [6, 0, 1]], [[3, 7, 0, 0.75]])])['point/mAP'] == 0


def test_segments_are_never_read():
    class Unreadable:
        def __array__(self, *args, **kwargs):
            raise AssertionError('segments were read')

        def __len__(self):
            raise AssertionError('segments were read')

    hidden = dict(gt_segments_sec=Unreadable(), gt_segment_labels=Unreadable(), ambiguous_sec=Unreadable())
    with_segments = [sample('a', [[5, 0, 0]], [[3, 7, 0, 0.75], [9, 12, 0, 0.9]], **hidden)]
    assert evaluate(with_segments) == {'point/mAP': 0.5, 'point/recall': 1}


def test_a_repeated_video_counts_once(messages):
    once = evaluate(FOUND)
    assert evaluate([*FOUND, FOUND[0], FOUND[0]]) == once
    assert any('2 videos came more than once' in message for message in messages)


def test_is_registered_with_a_prefix():
    assert METRICS.build(dict(type='PointMetric')).prefix == 'point'


def test_samples_without_the_field_are_named():
    bare = sample('a').to_dict()
    del bare['gt_point_sec']
    with pytest.raises(InputError, match='video a: gt_point_sec'):
        PointMetric().process(None, [bare])


def test_classes_are_needed():
    metric = PointMetric()
    metric.process(None, [sample('a').to_dict()])
    with pytest.raises(InputError, match='classes'):
        metric.evaluate(1)


def test_a_data_set_without_segments_gives_the_same(tmp_path):
    (tmp_path / 'features').mkdir()
    np.save(tmp_path / 'features/a.npy', np.zeros((10, 3)))
    video = dict(duration_sec=10.0, points=[dict(time_sec=2.5, label='Diving'), dict(time_sec=7.5, label='Diving')])
    segments = [dict(start_sec=2, end_sec=3, label='Diving'), dict(start_sec=6, end_sec=9, label='CliffDiving')]
    measures = []
    for name, entry in (('with', video | dict(segments=segments)), ('without', video)):
        content = dict(format='fsptal_mm', version=1, classes=list(CLASSES), videos=dict(a=entry))
        (tmp_path / f'{name}.json').write_text(json.dumps(content))
        dataset = PointTALDataset(
            ann_file=f'{name}.json',
            data_root=str(tmp_path),
            grid=dict(snippet_sec=1.0),
            test_mode=True,
            pipeline=[dict(type='LoadSnippetFeatures'), dict(type='PointsToSnippets'), dict(type='PackPointTALInputs')],
        )
        data_sample = dataset[0]['data_samples']
        data_sample.pred_segments = sample('a', found=[[1, 4, 0, 0.5]]).pred_segments
        assert len(data_sample.gt_segments_sec) == (2 if name == 'with' else 0)
        measures.append(evaluate([data_sample]))
    assert measures == [{'point/mAP': 0.5, 'point/recall': 0.5}] * 2  # one of two points
