import json

import numpy as np
import pytest
from metric_samples import sample
from refusals import refused

from fsptal_mm.evaluation import ProposalTALMetric, read_results

TRUTH = [[2, 4, 1], [12, 16, 1]]


def window(found, video='v', offset_sec=0.0, share_sec=(-np.inf, np.inf)):
    """A window of a video of 20 s, and mmaction2's output for it: proposals, from rows of start, end and score."""
    meta = dict(offset_sec=offset_sec, window_share_sec=share_sec, duration_sec=20.0)
    proposals = [dict(segment=[start, end], score=score) for start, end, score in found]
    return sample(video, TRUTH, **meta), dict(video_name='v', proposal_list=proposals)


def judge(metric, *windows):
    metric.dataset_meta = dict(classes=('a', 'b', 'c'))
    for data_sample, found in windows:
        metric.process(dict(data_samples=[data_sample]), [found])
    return metric.evaluate(len(windows))


@pytest.fixture
def scores(tmp_path):
    path = tmp_path / 'scores.json'
    path.write_text(json.dumps({'results': {}, 'video_scores': {'v': {'a': 0.1, 'b': 0.9, 'c': 0.5}}}))
    return path


def test_proposals_take_the_classes_of_their_video(scores, tmp_path):
    metric = ProposalTALMetric(scores, result_file=str(tmp_path / 'out.json'))
    measures = judge(metric, window([(2, 4, 0.8), (12, 16, 0.6)]))
    found = read_results(tmp_path / 'out.json')['v']
    # Two classes reach .25. The score of a detection is the score of the proposal times that of the class.
    assert found['labels'] == ['b', 'b', 'c', 'c']
    assert found['scores'] == pytest.approx([0.72, 0.54, 0.4, 0.3])
    assert measures['tal/mAP@0.1-0.7'] == 1


def test_windows_of_a_video_are_joined_and_nothing_is_found_twice(scores, tmp_path):
    metric = ProposalTALMetric(scores, result_file=str(tmp_path / 'out.json'), video_threshold=0.9)
    # The second proposal belongs to the other window.
    first = window([(2, 4, 0.8), (11, 16, 0.9)], share_sec=(-np.inf, 9.0))
    second = window([(4, 8, 0.7), (11, 14, 0.1)], offset_sec=8.0, share_sec=(9.0, np.inf))
    judge(metric, first, second, second)  # the second window is repeated
    assert read_results(tmp_path / 'out.json')['v']['segments_sec'].tolist() == [[2, 4], [12, 16], [19, 20]]


def test_without_classes_only_recall_is_known(tmp_path):
    metric = ProposalTALMetric(result_file=str(tmp_path / 'out.json'))
    measures = judge(metric, window([(2, 4, 0.8)]))
    assert measures['tal/AR@100'] == 0.5
    assert not any(key.startswith('tal/mAP') for key in measures)
    assert read_results(tmp_path / 'out.json')['v']['labels'] == ['proposal']
    with refused('class_scores'):
        ProposalTALMetric(metrics='mAP')


def test_a_video_or_a_class_without_a_score_is_named(scores):
    with refused('scores.json: video w: video_scores'):
        judge(ProposalTALMetric(scores), window([(1, 2, 1)], video='w'))
    scores.write_text(json.dumps({'results': {}, 'video_scores': {'v': {'a': 0.1, 'c': 0.5}}}))
    with refused('scores.json: video v: video_scores', "['a', 'c']", "['b']"):
        judge(ProposalTALMetric(scores), window([(1, 2, 1)]))
    scores.write_text('{"results": {}}')
    with refused('video_scores'):
        judge(ProposalTALMetric(scores), window([(1, 2, 1)]))
