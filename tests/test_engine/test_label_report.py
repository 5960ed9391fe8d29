import numpy as np
import pytest
import torch
from model_builders import make_segments

from fsptal_mm.engine.hooks.label_report import count_labels, describe_labels, label_runs
from fsptal_mm.structures import VideoLabels

CLASSES = ('jump', 'throw')


def make_labels(segments):
    """Labels of ten snippets of half a second.

    The first jump is on snippets 2-4 (its point is on 3), the second jump is on 5, as is its point, and a mined throw
    is on 8. Snippets 0, 7 and 9 are background; 0 was clicked.
    """
    instances = torch.full((10, 2), -1, dtype=torch.int32)
    instances[2:5, 0], instances[5, 0], instances[8, 1] = 0, 1, 2
    background, given = torch.zeros(10, dtype=torch.bool), torch.zeros(10, dtype=torch.bool)
    background[[0, 7, 9]] = True
    given[[0, 3, 5]] = True
    return VideoLabels((instances + 1).to_sparse(), background, torch.ones(2), given, np.arange(11) / 2, segments)


ROWS = [(0, 2, 5, 2, 5, False), (0, 5, 6, 5, 6, False), (0, 6, 10, 6, 10, True), (1, 8, 10, 8, 10, False)]
LABELS = make_labels(make_segments([(0, 0), (0, 1)], ROWS))


def test_counts():
    other = make_labels(None)
    other.background_labels[:] = True  # every snippet has a label
    assert count_labels(dict(v=LABELS, w=other)) == {
        'mining/given_action': 4,  # 3 and 5, in either video
        'mining/given_background': 4,  # 0 in both videos; 3 and 5 in the other video, whose snippets all are background
        'mining/mined_action': 6,  # 2, 4 and 8
        'mining/mined_background': 2 + 7,
        'mining/segments': 4,
        'mining/labelled_share': pytest.approx((8 / 10 + 1) / 2),
    }


def test_description_has_runs_and_action_segments_in_seconds():
    described = describe_labels(LABELS, CLASSES)
    assert described.pop('edges_sec') == (np.arange(11) / 2).tolist()
    assert described == dict(
        action=[  # instances that touch stay two
            dict(label='jump', segment=[1.0, 2.5]),
            dict(label='jump', segment=[2.5, 3.0]),
            dict(label='throw', segment=[4.0, 4.5]),
        ],
        background=[[0.0, 0.5], [3.5, 4.0], [4.5, 5.0]],
        segments=[
            dict(label='jump', segment=[1.0, 2.5]),
            dict(label='jump', segment=[2.5, 3.0]),
            dict(label='throw', segment=[4.0, 5.0]),
        ],
        given=[[0.0, 0.5], [1.5, 2.0], [2.5, 3.0]],
    )
    assert describe_labels(make_labels(None), CLASSES)['segments'] == []
    record = dict(gt_segments_sec=np.array([[0.123456, 2.0]]), gt_segment_labels=np.array([1]))
    assert describe_labels(LABELS, CLASSES, record)['gt_segments'] == [dict(label='throw', segment=[0.1235, 2.0])]


def test_runs_of_some_snippets():
    given = LABELS.given.numpy()
    runs = label_runs(LABELS, given)
    assert runs.segments.tolist() == [[1.5, 2.0], [2.5, 3.0], [0.0, 0.5]]
    assert runs.labels.tolist() == [0, 0, -1]
    runs = label_runs(LABELS, ~given)
    assert runs.segments.tolist() == [[1.0, 1.5], [2.0, 2.5], [4.0, 4.5], [3.5, 4.0], [4.5, 5.0]]
    assert runs.labels.tolist() == [0, 0, 1, -1, -1]
    assert len(label_runs(LABELS, np.zeros(10, dtype=bool))) == 0
