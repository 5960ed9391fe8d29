import numpy as np
import pytest
import torch

from fsptal_mm.engine.hooks.label_report import analyse_labels, count_labels, describe_labels
from fsptal_mm.models.task_modules import VideoLabels
from fsptal_mm.models.task_modules.segment_search import SegmentLabels

CLASSES = ('jump', 'throw')


def segments_of(*rows):
    """Segment labels from (class, first snippet, last snippet, is background)."""
    classes = sorted({row[0] for row in rows})
    group, start, end, background = torch.tensor([[classes.index(c), s, e, b] for c, s, e, b in rows]).T
    return SegmentLabels(
        torch.zeros(len(classes), dtype=torch.long),
        torch.tensor(classes),
        group,
        start,
        end,
        start,
        end,
        background > 0,
    )


def make_labels(segments):
    """Ten snippets of half a second; jump 0 on 2-4 (point 3), jump 1 on 5 (point), throw on 8 (mined); 0, 7, 9 are
    background, of which 0 was clicked."""
    instances = torch.full((10, 2), -1, dtype=torch.int32)
    instances[2:5, 0], instances[5, 0], instances[8, 1] = 0, 1, 2
    background, given = torch.zeros(10, dtype=torch.bool), torch.zeros(10, dtype=torch.bool)
    background[[0, 7, 9]] = True
    given[[0, 3, 5]] = True
    return VideoLabels((instances + 1).to_sparse(), background, torch.ones(2), given, np.arange(11) / 2, segments)


LABELS = make_labels(segments_of((0, 2, 4, False), (0, 5, 5, False), (0, 6, 9, True), (1, 8, 9, False)))


def test_counts():
    other = make_labels(None)
    other.point_background[:] = True  # every snippet has a label
    assert count_labels(dict(v=LABELS, w=other)) == {
        'mining/given_action': 4,  # 3 and 5, in either video
        'mining/given_background': 4,  # 0; in the other video also the two points, which no miner would do
        'mining/mined_action': 6,  # 2, 4 and 8
        'mining/mined_background': 2 + 7,
        'mining/segments': 4,
        'mining/labelled_share': pytest.approx((8 / 10 + 1) / 2),
    }


def test_description_has_runs_and_action_segments_in_seconds():
    assert describe_labels(LABELS, CLASSES) == dict(
        action=[  # instances that touch stay apart
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
    )
    assert describe_labels(make_labels(None), CLASSES)['segments'] == []


def record(video_id, *segments):
    return dict(
        video_id=video_id,
        gt_segments_sec=np.array([row[:2] for row in segments], dtype=float).reshape(-1, 2),
        gt_segment_labels=np.array([row[2] for row in segments], dtype=np.int64),
    )


def test_analysis():
    # Snippets 0-3 (middles .25 ... 1.75), and 5 and 6, are jump; 7 and 8 are throw.
    truth = record('v', (0, 2, 0), (2.5, 3.5, 0), (3.6, 4.4, 1))
    assert analyse_labels(dict(v=LABELS), [truth, record('not mined', (0, 1, 0))]) == pytest.approx(
        {
            # Mined pairs: jump on 2 and 4, throw on 8; right are 2 and 8. True ones without 0, 3, 5: 1, 2, 6; 7, 8.
            'analysis/action_precision': 2 / 3,
            'analysis/action_recall': 2 / 5,
            # Mined: 7, 9; right: 9. True ones: 4, 9.
            'analysis/background_precision': 1 / 2,
            'analysis/background_recall': 1 / 2,
            # [1, 2.5] and [0, 2]: 1 / 2.5; [2.5, 3] and [2.5, 3.5]: 1 / 2; [4, 5] and [3.6, 4.4]: .4 / 1.4.
            'analysis/segment_tiou': (0.4 + 0.5 + 0.4 / 1.4) / 3,
        }
    )


def test_a_segment_without_a_true_one_of_its_class_counts_0():
    assert analyse_labels(dict(v=LABELS), [record('v', (1, 2.5, 0))])['analysis/segment_tiou'] == pytest.approx(1 / 3)


def test_nothing_is_said_about_videos_without_true_segments():
    assert analyse_labels(dict(v=LABELS), [record('v')]) == {}


def test_figures_without_anything_to_measure_are_left_out():
    labels = make_labels(None)
    labels.given[:] = True  # nothing is mined
    assert analyse_labels(dict(v=labels), [record('v', (0, 2, 0))]) == {}
