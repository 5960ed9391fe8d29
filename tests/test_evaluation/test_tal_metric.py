import json

import numpy as np
import pytest
import torch
from forks import forked, in_two_processes
from metric_samples import CLASSES, evaluate, sample
from mmaction.registry import METRICS
from mmaction.structures import ActionDataSample
from refusals import refused

from fsptal_mm.evaluation import TALMetric, read_results, to_instances
from fsptal_mm.evaluation.functional import detection_average_precision
from fsptal_mm.structures import Instances

PERFECT = (
    sample('a', [[0, 10, 0], [20, 30, 1]], [[0, 10, 0, 0.5], [20, 30, 1, 0.25]]),
    sample('b', [[5, 8, 0]], [[5, 8, 0, 0.5]]),
    sample('c'),
)


def figures(samples, size=None, **arguments):
    """Figures by their names without the prefix."""
    measures = evaluate(TALMetric(**arguments), samples, size)
    return {key.removeprefix('tal/'): value for key, value in measures.items()}


def test_perfect_predictions():
    measures = figures(PERFECT)
    assert list(measures)[:3] == ['mAP@0.1-0.7', 'mAP@0.1-0.5', 'mAP@0.3-0.7']
    # Two videos have 2 and 1 segments, and as many proposals; 100 proposals per video are allowed. So 1 % of them are 2
    # of the 3 proposals, and each video uses 2/3 of its proposals, rounded down: 1 and 0. The recall is 1/3; from 2 %
    # on, it is 1. The area from 1 to 100 is 98 + (1/3 + 1) / 2, divided by 100.
    assert measures.pop('AUC') == pytest.approx(0.98 + 0.02 / 3)
    assert set(measures.values()) == {1.0}
    assert {'AR@5', 'AR@10', 'AR@50', 'AR@100', 'video_mAP', 'video_top1', 'mAP@0.5'} <= measures.keys()
    assert all(type(value) is float for value in measures.values())
    assert figures([*PERFECT, PERFECT[0]], size=3) == figures(PERFECT)  # the sampler's padding is cut off


@pytest.mark.parametrize(
    'arguments, expected',
    [
        (dict(metrics='mAP', tiou_thresholds=[0.5]), ['mAP@0.5']),
        (dict(metrics=['AR@AN']), ['AR@5', 'AR@10', 'AR@50', 'AR@100', 'AUC']),
        (dict(metrics=['classification']), ['video_mAP', 'video_top1']),
        (
            dict(metrics='mAP', preset='activitynet', tiou_thresholds=[0.5, 0.95]),
            ['mAP@0.5-0.95', 'mAP@0.5', 'mAP@0.95'],
        ),
    ],
)
def test_metrics_can_be_chosen(arguments, expected):
    assert list(figures(PERFECT, **arguments)) == expected


@pytest.mark.parametrize('prefix, expected', [(None, 'tal/mAP@0.5'), ('mine', 'mine/mAP@0.5')])
def test_names_have_a_prefix_in_the_log_and_none_in_the_results_file(prefix, expected, tmp_path):
    path = tmp_path / 'result.json'
    config = dict(type='TALMetric', metrics='mAP', tiou_thresholds=[0.5], prefix=prefix, result_file=path)
    assert evaluate(METRICS.build(config), PERFECT[:1]) == {expected: 1}
    assert json.loads(path.read_text())['evaluation']['metrics'] == {'mAP@0.5': 1}


def test_half_precision_predictions():
    # Halves and quarters are exact in bfloat16.
    assert figures([sample('a', [[0, 10, 0]], [[0, 8, 0, 0.5]], dtype=torch.bfloat16)])['mAP@0.7'] == 1


def test_a_repeated_video_counts_once(messages):
    wrong = sample('a', [[0, 10, 0]], [[50, 60, 0, 0.9]])
    right = sample('b', [[0, 10, 0]], [[0, 10, 0, 0.5]])
    once = figures([right, wrong])
    assert once['mAP@0.5'] == pytest.approx(0.25)  # a second copy of the wrong video would halve the recall again
    assert figures([right, wrong, wrong, right]) == once
    assert any('2 videos came more than once' in message for message in messages)


@pytest.mark.parametrize('ambiguous, expected', [('keep', 0.5), ('drop', 1.0)])
def test_ambiguous_ranges(ambiguous, expected, messages, tmp_path):
    # The detection with score .9 is a false positive before the true positive, so the precision is 1/2; if it is
    # dropped, 1.
    samples = [sample('a', [[0, 10, 0]], [[48, 60, 0, 0.9], [0, 10, 0, 0.5]], ambiguous=[[40, 50]])]
    path = tmp_path / 'result.json'
    assert figures(samples, ambiguous=ambiguous, result_file=path)['mAP@0.5'] == expected
    content = json.loads(path.read_text())
    assert content['evaluation']['ambiguous'] == ambiguous
    assert len(content['results']['a']) == 2  # the file holds all detections
    assert content['classes'] == list(CLASSES)  # in the order of their indices
    assert any(content['evaluation']['detections'] in message for message in messages)
    figures(PERFECT, ambiguous=ambiguous)
    assert any('no video has an ambiguous range' in message for message in messages) == (ambiguous == 'drop')


def test_results_file_gives_the_same_figures(tmp_path):
    samples, path = random_samples(np.random.default_rng(0), 6), tmp_path / 'result.json'
    measures = figures(samples, tiou_thresholds=[0.3, 0.5], result_file=path)
    gt = Instances.from_videos([s.gt_segments_sec for s in samples], [s.gt_segment_labels for s in samples])
    det = to_instances(read_results(path), [s.video_id for s in samples], CLASSES)
    ap = detection_average_precision(gt, det, [0.3, 0.5], len(CLASSES))
    assert 0 < measures['mAP@0.5'] < 1
    assert np.nanmean(ap, axis=1).tolist() == [measures['mAP@0.3'], measures['mAP@0.5']]
    assert json.loads(path.read_text())['evaluation']['metrics'] == measures


def test_per_class_table(messages):
    samples = [sample('a', [[0, 10, 0], [20, 30, 1]], [[0, 10, 0, 0.5], [21, 29, 1, 0.5]])]
    figures(samples, tiou_thresholds=[0.5, 0.9], per_class=True)
    table = next(message for message in messages if 'AP@0.9' in message)
    cells = [[cell.strip() for cell in row.strip('|').split('|')] for row in table.splitlines()]
    # Diving is found exactly, Shotput with a tIoU of .8, and Billiards never happens.
    assert ['Diving', '1', '100.00', '100.00', '100.00'] in cells
    assert ['Shotput', '1', '100.00', '0.00', '50.00'] in cells
    assert ['Billiards', '0', '-', '-', '-'] in cells


def test_what_cannot_be_measured_is_left_out(messages, tmp_path):
    samples = [sample('a', found=[[0, 10, 0, 0.5]]), sample('b')]  # videos without annotations
    path = tmp_path / 'result.json'
    assert figures(samples, result_file=path) == {}
    assert sum('left out' in message for message in messages) == 2
    assert read_results(path)['a']['labels'] == ['Diving']
    without = sample('a', [[0, 10, 0]], [[0, 10, 0, 0.5]])
    del without.pred_scores  # other models have no video-level scores
    measures = figures([without])
    assert measures['mAP@0.5'] == 1
    assert 'video_mAP' not in measures


def test_bad_predictions_and_missing_ones():
    for field in ('scores', 'segments_sec'):
        bad = sample('video3', [[0, 10, 0]], [[0, 10, 0, 0.5]])
        bad.pred_segments[field][0] = float('nan')
        with refused(f'video video3: pred_segments.{field}'):
            figures([bad])
    with refused('video video3', 'pred_segments'):
        figures([ActionDataSample(metainfo=dict(video_id='video3'))])
    metric = TALMetric()
    metric.process(None, [PERFECT[0].to_dict()])
    with refused('classes'):
        metric.evaluate(1)


@pytest.mark.parametrize(
    'arguments', [dict(metrics=['map']), dict(metrics=[]), dict(ambiguous='maybe'), dict(preset='anet')]
)
def test_bad_arguments_of_the_metric(arguments):
    with refused(next(iter(arguments))):
        TALMetric(**arguments)


def random_samples(rng, num_videos):
    samples = []
    for video in range(num_videos):
        start = rng.random((4, 1)) * 80
        truth = np.hstack([start, start + 10, rng.integers(len(CLASSES), size=(4, 1))])
        found = np.repeat(truth, 3, axis=0)
        found[:, :2] += rng.normal(0, 2, (12, 2))
        samples.append(sample(f'v{video}', truth, np.hstack([found, np.round(rng.random((12, 1)), 1)])))
    return samples


def run_rank(rank, folder):
    torch.distributed.init_process_group('gloo', rank=rank, world_size=2)
    samples = random_samples(np.random.default_rng(1), 5)
    # mmengine's DefaultSampler deals 5 samples to 2 processes in this way, and repeats the first one as padding.
    mine = [samples[index] for index in ((0, 2, 4), (1, 3, 0))[rank]]
    measures = figures(mine, size=5, result_file=f'{folder}/result{rank}.json', collect_dir=f'{folder}/collect')
    with open(f'{folder}/measures{rank}.json', 'w') as file:
        json.dump(measures, file)


@forked
def test_two_processes_give_the_figures_of_one(tmp_path):
    in_two_processes(run_rank, tmp_path)
    alone = figures(random_samples(np.random.default_rng(1), 5), result_file=tmp_path / 'alone.json')
    assert 0.1 < alone['mAP@0.5'] < 0.9
    assert json.loads((tmp_path / 'measures0.json').read_text()) == alone
    assert json.loads((tmp_path / 'measures1.json').read_text()) == alone
    assert (tmp_path / 'result0.json').read_text() == (tmp_path / 'alone.json').read_text()
    assert not (tmp_path / 'result1.json').exists()  # only one process writes the file
