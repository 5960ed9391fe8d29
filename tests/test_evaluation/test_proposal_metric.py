import json

import numpy as np
import pytest
from mmaction.structures import ActionDataSample

from fsptal_mm.evaluation import ProposalTALMetric, read_results
from fsptal_mm.utils.errors import InputError


def sample(video='v', offset=0.0, share=(-np.inf, np.inf)):
    return ActionDataSample(
        metainfo=dict(
            video_id=video,
            offset_sec=offset,
            duration_sec=20.0,
            window_share_sec=share,
            gt_segments_sec=np.array([[2.0, 4.0], [12.0, 16.0]]),
            gt_segment_labels=np.array([1, 1]),
            ambiguous_sec=np.zeros((0, 2)),
        )
    )


def output(*rows):
    return dict(video_name='v', proposal_list=[dict(segment=[s, e], score=p) for s, e, p in rows])


def judge(metric, pairs):
    metric.dataset_meta = dict(classes=('a', 'b', 'c'))
    for data_sample, found in pairs:
        metric.process(dict(data_samples=[data_sample]), [found])
    return metric.evaluate(len(pairs))


@pytest.fixture
def scores(tmp_path):
    path = tmp_path / 'scores.json'
    path.write_text(json.dumps({'results': {}, 'video_scores': {'v': {'a': 0.1, 'b': 0.9, 'c': 0.5}}}))
    return path


def test_proposals_take_the_classes_of_their_video(scores, tmp_path):
    metric = ProposalTALMetric(scores, result_file=str(tmp_path / 'out.json'))
    measures = judge(metric, [(sample(), output((2, 4, 0.8), (12, 16, 0.6)))])
    found = read_results(tmp_path / 'out.json')['v']
    # Two classes reach .25; a score is the proposal's times that of the class.
    assert found['labels'] == ['b', 'b', 'c', 'c']
    assert found['scores'] == pytest.approx([0.72, 0.54, 0.4, 0.3])
    assert measures['tal/mAP@0.1-0.7'] == 1


def test_windows_of_a_video_are_joined_and_nothing_is_found_twice(scores, tmp_path):
    metric = ProposalTALMetric(scores, result_file=str(tmp_path / 'out.json'), video_threshold=0.9)
    first = sample(share=(-np.inf, 9.0)), output((2, 4, 0.8), (11, 16, 0.9))  # the second belongs to the other window
    second = sample(offset=8.0, share=(9.0, np.inf)), output((4, 8, 0.7), (11, 14, 0.1))
    judge(metric, [first, second, second])  # the last is a repetition
    assert read_results(tmp_path / 'out.json')['v']['segments_sec'].tolist() == [[2, 4], [12, 16], [19, 20]]


def test_without_classes_only_recall_is_known(tmp_path):
    metric = ProposalTALMetric(result_file=str(tmp_path / 'out.json'))
    measures = judge(metric, [(sample(), output((2, 4, 0.8)))])
    assert measures['tal/AR@100'] == 0.5
    assert not any(key.startswith('tal/mAP') for key in measures)
    assert read_results(tmp_path / 'out.json')['v']['labels'] == ['proposal']
    with pytest.raises(InputError, match='class_scores'):
        ProposalTALMetric(metrics='mAP')


def test_a_video_or_a_class_without_a_score_is_named(scores):
    with pytest.raises(InputError, match=r'scores\.json: video w: video_scores'):
        judge(ProposalTALMetric(scores), [(sample('w'), output((1, 2, 1)))])
    scores.write_text('{"results": {}}')
    with pytest.raises(InputError, match='video_scores'):
        judge(ProposalTALMetric(scores), [(sample(), output((1, 2, 1)))])
