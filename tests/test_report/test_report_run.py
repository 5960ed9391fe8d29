"""Content that a report gathers from the files of a run."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest
import torch
from refusals import refused
from report_runs import BAD, EVIL, NUM_WEAK, remove_segments, write_data, write_results, write_run

from fsptal_mm.evaluation.operating_point import OperatingPoint, Threshold, model_digest, write_operating_point
from fsptal_mm.evaluation.training_log import read_training_log
from fsptal_mm.report import read_run, run_reader, write_report
from fsptal_mm.report.curves import thin
from fsptal_mm.report.names import readable
from fsptal_mm.report.timelines import MAX_DETECTIONS, group_by_test_set, make_timelines

UNKNOWN = json.dumps({'results': {'good': [{'label': 'unknown', 'score': 1, 'segment': [0, 1]}]}})


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path / 'data')
    write_run(tmp_path / 'run', tmp_path / 'data')
    return tmp_path / 'run'


def said(run, *words):
    """The only sentence about missing parts that holds all the words."""
    [sentence] = [sentence for sentence in run.missing if all(word in sentence for word in words)]
    return sentence


def test_figures_are_those_of_the_metric(folder):
    run = read_run(folder, 'run')
    ap = run.segment_result.evaluation.ap[:, :2]
    # The best of three detections of 'jump' is a false positive: the precisions 1/2 and 2/3 are lifted to 2/3.
    np.testing.assert_allclose(ap, np.tile([2 / 3, 1], (7, 1)))
    assert run.measures['mAP@0.1-0.7'] == pytest.approx(5 / 6)
    assert run.measures['video_mAP'] == 0.75, 'what only the test can know is kept'
    np.testing.assert_allclose(run.segment_result.video_ap, [1, 1 / 2, np.nan])
    assert run.segment_result.diagnosis.mean_ap == pytest.approx(5 / 6)
    assert run.segment_result.test_set.classes == ('jump', EVIL, 'never')


def test_operating_point_of_the_tested_checkpoint(folder):
    assert read_run(folder, 'run').operating_point is None
    with open(folder / 'mine.py', 'a') as file:
        file.write("model = dict(type='Any')\nload_from = 'moved/since/epoch_3.pth'\n")
    low, high = (Threshold(score, 1.0, 1.0, 40) for score in (0.65, 0.75))
    chosen = OperatingPoint(low, {'jump': low, EVIL: high, 'never': low}, model_digest(dict(type='Any')), 4)
    write_operating_point(folder / 'epoch_3.pth', chosen)
    run = read_run(folder, 'run')
    assert run.operating_point == chosen
    # At 0.65, jump has a true positive (0.8) and a false one (0.9); at 0.75, the other class has no detection. There
    # are three segments.
    assert run.segment_result.at(chosen) == Threshold(0.65, 1 / 2, 1 / 3, 3)
    assert make_timelines([run], [0], 1)['threshold'] == 0.65
    assert make_timelines([run, run], [0, 1], 1)['threshold'] is None
    write_report(folder / 'report.html', [run])
    assert 'precision 50.0, recall 33.3' in ' '.join((folder / 'report.html').read_text().split())
    assert 'chosen by held-out points: ' in (folder / 'report.html').read_text()
    write_operating_point(folder / 'epoch_3.pth', replace(chosen, chosen_with='first/epoch_3.pth'))
    write_report(folder / 'report.html', [read_run(folder, 'run')])
    expected = 'chosen by held-out points with first/epoch_3.pth, not with this checkpoint: '
    assert expected in (folder / 'report.html').read_text()


def test_losses_are_means_of_epochs_and_measures_stay_as_logged(folder):
    log = read_run(folder, 'run').log
    assert log.losses['loss_video'] == {1: 1.0, 2: 0.25}
    assert log.losses['loss'][1] == 3.0
    assert np.isnan(log.losses['loss'][3])
    assert log.measures == {'mAP@0.1-0.7': {2: 0.25}, 'mAP@0.5': {2: 0.2}, 'mAP@0.6': {2: 0.1}}
    assert log.mining == {'mining/mined_action': {0: 12}, 'analysis/action_precision': {0: 0.5}}
    assert thin(log.losses['loss']) == ([1, 2, 3], [3.0, 1.0, None])


def test_counts_of_the_second_stage_are_no_measures_of_validation(folder):
    with open(folder / '20260101_000000/vis_data/scalars.json', 'a') as file:
        file.write('{"refinement/proposals": 240, "refinement/pseudo_segments": 8, "step": 3}\n')
    log = read_run(folder, 'run').log
    assert (log.mining['refinement/proposals'], log.mining['refinement/pseudo_segments']) == ({3: 240}, {3: 8})
    assert log.last_measures() == (2, {'mAP@0.1-0.7': 0.25, 'mAP@0.5': 0.2, 'mAP@0.6': 0.1})


def test_a_later_start_replaces_what_it_trained_again(folder):
    for start, epochs in (('20260102_000000', [2, 3]), ('20260103_000000', [4])):
        (folder / start / 'vis_data').mkdir(parents=True)
        lines = [{'loss': 10.0 * epoch, 'epoch': epoch, 'iter': 2 * epoch, 'step': 2 * epoch} for epoch in epochs]
        (folder / start / 'vis_data/scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    run = read_run(folder, 'run')
    assert run.log.losses['loss'] == {1: 3.0, 2: 20.0, 3: 30.0, 4: 40.0}
    assert run.log.losses['loss_video'] == {1: 1.0}
    assert run.log.measures == {}, 'they were of epoch 2, which was trained again'
    assert run.progress == '4 of 4 epochs'
    assert not [sentence for sentence in run.missing if 'not finished' in sentence]


def test_a_loop_over_iterations(tmp_path):
    lines = [{'loss': 2.0, 'iter': 20, 'step': 20}, {'mAP@0.5': 0.5, 'step': 30}, {'loss': 1.0, 'iter': 40, 'step': 40}]
    file = tmp_path / 'scalars.json'
    file.write_text('\n'.join(map(json.dumps, lines)))
    log = read_training_log([file])
    assert (log.unit, log.losses, log.measures) == ('iteration', {'loss': {20: 2.0, 40: 1.0}}, {'mAP@0.5': {30: 0.5}})
    assert log.last_measures() == (30, {'mAP@0.5': 0.5})
    (tmp_path / 'started_again.json').write_text('')
    assert read_training_log([file, tmp_path / 'started_again.json']) == log, 'a start that logged nothing'
    x, y = thin({step: float(step) for step in range(5000)}, 100)  # long curves keep their ends
    assert (len(x), x[0], x[-1], y[-1]) == (500, 0, 4999, 499900.0)


def test_timelines_hold_the_best_detections_and_say_how_many_there_are(folder):
    runs = [read_run(folder, 'run')]
    content = make_timelines(runs, *group_by_test_set(runs), num_videos=3)
    assert [(video['id'], video['kind']) for video in content['videos']] == [('good', 'best'), (BAD, 'worst')]
    good, bad = content['videos']
    assert good['truth'] == [[0, 10, 0], [20, 30, 1]]
    assert good['points'] == [[4.5, 0]]
    assert good['runs'][0]['detections'] == [[0, 10, 0.8, 0, 1], [20, 30, 0.7, 1, 1]]
    [found] = bad['runs']
    assert (found['ap'], found['total'], len(found['detections'])) == (0.5, NUM_WEAK + 2, MAX_DETECTIONS)
    assert found['detections'][:2] == [[40.25, 50.5, 0.9, 0, 0], [5, 15, 0.6, 0, 1]]


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda folder: None, ('83.3 mAP', 'jump (AP 66.7')),
        (lambda folder: (folder / 'results.json').unlink(), ('25.0', 'epoch 2')),
    ],
)
def test_the_headline_is_the_main_figure(change, words, folder):
    change(folder)
    run = read_run(folder, 'run')
    assert all(word in run.headline for word in words), run.headline


def test_points_without_segments_are_a_result(folder, tmp_path):
    """The report lists no missing test, since there was one."""
    remove_segments(tmp_path / 'data', points={BAD: [dict(time_sec=14, label='jump'), dict(time_sec=46, label='jump')]})
    write_point_results(folder)
    run = read_run(folder, 'run')
    assert (run.segment_result, run.measures) == (None, {'point/recall': 0.5, 'point/mAP': 0.4})
    assert '40.0 mAP by points' in run.headline
    assert '3 points in 2 videos' in run.headline
    assert all('tools/test.py' not in sentence for sentence in run.missing)
    # In 'good', the detection of the point at 4.5 s is the only true positive; in BAD, both points are found.
    np.testing.assert_allclose(run.result.video_ap, [1, 1, np.nan])
    [(_, ap), (_, recall)] = run.result.class_columns()
    np.testing.assert_allclose([ap, recall], [[1, np.nan, np.nan]] * 2)
    [content] = [make_timelines([run], numbers, 3) for numbers in group_by_test_set([run])]
    assert (content['unit'], [video['points'] for video in content['videos']]) == (
        'point',
        [[[4.5, 0]], [[14, 0], [46, 0]]],
    )
    write_report(tmp_path / 'page.html', [run])
    page = (tmp_path / 'page.html').read_text()
    assert 'id="summary-1"' in page
    assert page.index('data-key="point/mAP">40.0') < page.index('id="runs"')


def test_other_points_are_another_test_set(folder, tmp_path):
    remove_segments(tmp_path / 'data')
    first = read_run(folder, 'first')
    remove_segments(tmp_path / 'data', points={BAD: [dict(time_sec=1, label='jump')]})
    assert group_by_test_set([first, read_run(folder, 'second'), first]) == [[0, 2], [1]]


@pytest.mark.parametrize(
    'key',
    [
        'loss_background',
        'loss_of_my_own',
        'mining/mined_action',
        'refinement/pseudo_segments',
        'refinement/proposals',
        'analysis/my_precision',
        'point/mAP',
        'mAP@0.5',
    ],
)
def test_no_raw_key_where_people_read(key):
    assert not set('_/@') & set(readable(key))


def write_point_results(folder):
    content = json.loads((folder / 'results.json').read_text())
    noted = {'metrics': {'point/recall': 0.5, 'point/mAP': 0.4}}
    (folder / 'results.json').write_text(json.dumps({**content, 'evaluation': noted}))


def test_runs_on_other_videos_have_timelines_of_their_own(folder, tmp_path):
    write_run(tmp_path / 'second', tmp_path / 'data')
    data = json.loads((tmp_path / 'data/annotations.json').read_text())
    del data['videos'][BAD]
    (tmp_path / 'less').mkdir()
    (tmp_path / 'less/annotations.json').write_text(json.dumps(data))
    write_run(tmp_path / 'third', tmp_path / 'less')
    runs = [read_run(tmp_path / name, name) for name in ('run', 'third', 'second')]
    assert group_by_test_set(runs) == [[0, 2], [1]]


def test_the_options_say_where_the_data_lie_now(folder, tmp_path):
    (tmp_path / 'data').rename(tmp_path / 'moved')
    run = read_run(folder, 'run')
    assert run.segment_result is None
    assert 'test_dataloader.dataset.data_root=DIR' in said(run, 'cannot be evaluated', 'annotations.json')
    assert run.measures['mAP@0.1-0.7'] == pytest.approx(5 / 6), 'as the test noted it'
    options = {'test_dataloader.dataset.data_root': str(tmp_path / 'moved')}
    assert read_run(folder, 'run', options).segment_result is not None


def test_an_empty_folder_names_all_that_is_missing(tmp_path):
    run = read_run(tmp_path, 'empty')
    for words in (
        ('no config', 'tools/train.py'),
        ('no curves of losses', 'LocalVisBackend'),
        ('no curve of mAP', 'val_interval'),
        ('no curves of pseudo labels', 'PseudoLabelMiningHook'),
        ('no test results', f'tools/test.py CONFIG CHECKPOINT --work-dir {tmp_path}'),
    ):
        said(run, *words)
    assert (run.measures, run.segment_result, run.progress) == ({}, None, 'not logged')
    with refused('nowhere'):
        read_run(tmp_path / 'nowhere', 'run')


@pytest.mark.parametrize('validated', [True, False])
def test_a_test_on_the_videos_of_the_validation_is_not_needed(folder, validated):
    (folder / 'results.json').unlink()
    if validated:
        for file in (folder / 'mine.py', folder / '20260101_000000/vis_data/config.py'):
            file.write_text(file.read_text() + 'val_dataloader = test_dataloader\n')
    run = read_run(folder, 'run')
    assert any('no test results' in sentence for sentence in run.missing) != validated
    write_report(folder / 'report.html', [run])
    page = (folder / 'report.html').read_text()
    assert ('could be evaluated: see “Missing here” above' in page) != validated
    command = f'tools/test.py {folder}/mine.py {folder}/epoch_3.pth --work-dir {folder}'
    assert page.count(command) == (3 if validated else 1), 'in each part that the test makes'
    assert (
        'of the videos of the validation, so they tell nothing about further videos' in ' '.join(page.split())
    ) == validated
    assert 'figures and curves are above' not in page


FOLD = """
test_dataloader['dataset']['fold'] = dict(index=0, count=2, part='held_out')
val_dataloader = test_dataloader
"""


@pytest.mark.parametrize('options', ['val_dataloader = test_dataloader\n', FOLD])
def test_a_test_on_the_held_out_videos_says_so(folder, tmp_path, options):
    """By points, each test on the videos of the validation is one; a fold says it with segments, too."""
    remove_segments(tmp_path / 'data', points={BAD: [dict(time_sec=14, label='jump'), dict(time_sec=46, label='jump')]})
    write_point_results(folder)
    (folder / 'mine.py').write_text((folder / 'mine.py').read_text().replace("subset='test'", 'subset=None'))
    (folder / '20260101_000000/vis_data/config.py').unlink()
    with open(folder / 'mine.py', 'a') as file:
        file.write(options + "model = dict(type='Any')\n")
    run = read_run(folder, 'run')
    start = '40.0 mAP by points, on the held-out videos, by which '
    assert run.headline.startswith(start + 'checkpoints are chosen ('), 'no checkpoint has thresholds'
    low = Threshold(0.5, 1.0, 1.0, 40)
    chosen = OperatingPoint(low, {'jump': low, EVIL: low, 'never': low}, model_digest(dict(type='Any')), 4)
    write_operating_point(folder / 'epoch_3.pth', chosen)
    run = read_run(folder, 'run')
    assert run.headline.startswith(start + 'the checkpoint was chosen (')
    assert run.headline.endswith('); with its score thresholds, F1 is 100.0 by held-out points')
    said(run, 'The held-out videos have no ground-truth segments')
    write_report(folder / 'report.html', [run])
    page = (folder / 'report.html').read_text()
    assert 'own data: held-out videos</td>' in page
    assert 'own data: test' not in page
    assert ' test video' not in page[page.index('id="classes"') : page.index('id="curves"')]
    torch.save(dict(state_dict={}, meta=dict(trained_videos=['good', BAD])), folder / 'epoch_3.pth')
    assert 'held-out videos' not in read_run(folder, 'run').headline
    assert read_run(folder, 'run').headline.endswith('on videos that were trained on')


@pytest.mark.parametrize('options, held_out', [('val_dataloader = test_dataloader\n', False), (FOLD, True)])
def test_a_benchmark_that_validates_on_its_test_videos_is_tested(folder, options, held_out):
    """Its checkpoint is not chosen by them. With a fold, it would be."""
    with open(folder / 'mine.py', 'a') as file:
        file.write(options)
    run = read_run(folder, 'run')
    assert run.segment_result is not None
    assert ('held-out videos' in run.headline) == held_out
    assert run.test_video == ('held-out video' if held_out else 'test video')


def test_without_a_test_the_command_is_of_the_chosen_checkpoint_and_names_held_out_videos(folder):
    (folder / 'results.json').unlink()
    for file in (folder / 'mine.py', folder / '20260101_000000/vis_data/config.py'):
        file.write_text(file.read_text() + FOLD)
    (folder / 'epoch_2.pth').write_bytes(b'')
    low = Threshold(0.5, 1.0, 1.0, 40)
    write_operating_point(folder / 'epoch_2.pth', OperatingPoint(low, {'jump': low}, 'model', 4))
    write_report(folder / 'report.html', [read_run(folder, 'run')])
    page = ' '.join((folder / 'report.html').read_text().split())
    assert page.count(f'tools/test.py {folder}/mine.py {folder}/epoch_2.pth --work-dir {folder}') == 3
    assert 'They are of the held-out videos, so they tell nothing about further videos.' in page


def train_on(folder, *videos, options=''):
    """A checkpoint that was trained on these videos, and a config with further lines."""
    torch.save(dict(state_dict={}, meta=dict(trained_videos=list(videos))), folder / 'epoch_3.pth')
    for file in (folder / 'mine.py', folder / '20260101_000000/vis_data/config.py'):
        file.write_text(file.read_text() + options)


def forget_validations(folder):
    scalars = folder / '20260101_000000/vis_data/scalars.json'
    scalars.write_text(''.join(line for line in scalars.read_text().splitlines(True) if 'mAP' not in line))


def test_a_run_on_all_videos_has_nothing_to_measure_and_says_where_figures_are(folder):
    (folder / 'results.json').unlink()
    forget_validations(folder)
    train_on(folder, 'good', BAD, 'nothing', 'training', options="val_dataloader = None\nmodel = dict(type='Any')\n")
    run = read_run(folder, 'run')
    assert (run.trained_on, run.nothing_held_out) == ((3, 3), True)
    assert 'Trained on all videos' in run.headline
    assert 'choose_threshold.py' in said(run, 'No video was held out', f'--for {folder}/epoch_3.pth')
    assert not [sentence for sentence in run.missing if 'tools/test.py' in sentence or 'val_interval' in sentence]
    low = Threshold(0.5, 1.0, 1.0, 40)
    chosen = OperatingPoint(low, {'jump': low}, model_digest(dict(type='Any')), 4, chosen_with='first/epoch_3.pth')
    write_operating_point(folder / 'epoch_3.pth', chosen)
    run = read_run(folder, 'run')
    assert 'F1 is 100.0 by held-out points with first/epoch_3.pth' in run.headline
    assert 'choose_threshold.py' not in said(run, 'No video was held out')
    write_report(folder / 'report.html', [run])
    page = (folder / 'report.html').read_text()
    assert 'no video was held out' in page
    assert 'nothing measured yet' not in page


def test_a_test_on_training_videos_is_no_measure(folder):
    train_on(folder, 'good', 'training')
    run = read_run(folder, 'run')
    assert run.headline.endswith('on videos that were trained on')
    said(run, '1 of 3 test videos')
    train_on(folder, 'training')
    assert 'trained on' not in read_run(folder, 'run').headline


@pytest.mark.parametrize('options', ['', 'val_dataloader = test_dataloader\n'])
def test_a_run_with_other_videos_waits_for_its_test(options, folder):
    """So does a run whose first validation is still to come, and one whose checkpoint does not say its videos."""
    (folder / 'results.json').unlink()
    forget_validations(folder)
    train_on(folder, 'training', *(['good', BAD, 'nothing'] if options else []), options=options)
    assert 'Nothing is measured yet' in read_run(folder, 'run').headline
    (folder / 'epoch_3.pth').write_bytes(b'')
    assert 'Nothing is measured yet' in read_run(folder, 'run').headline


def test_the_validation_of_the_checkpoint_with_thresholds_stands_for_a_run_without_a_test(folder):
    (folder / 'results.json').unlink()
    with open(folder / '20260101_000000/vis_data/scalars.json', 'a') as file:
        file.write(json.dumps({'tal/mAP@0.1-0.7': 0.125, 'step': 4}) + '\n')
    assert read_run(folder, 'run').headline == '12.5 mAP at tIoU 0.1-0.7, in the validation after epoch 4'
    low = Threshold(0.5, 1.0, 1.0, 40)
    chosen = OperatingPoint(low, {'jump': low, EVIL: low, 'never': low}, 'model', 4)
    for epoch, expected in ((2, '25.0 mAP at tIoU 0.1-0.7, in the validation after epoch 2'), (4, '12.5')):
        (folder / f'epoch_{epoch}.pth').write_bytes(b'')
        write_operating_point(folder / f'epoch_{epoch}.pth', chosen)
        headline = read_run(folder, 'run').headline
        assert headline.startswith(expected), 'of two with thresholds, the one that was chosen last'
        assert headline.endswith('F1 is 100.0 by held-out points')
    (folder / 'epoch_4.pth').write_bytes(b'of a later training')
    assert read_run(folder, 'run').headline.startswith('25.0'), 'the thresholds are those of an earlier checkpoint'
    (folder / 'epoch_4.pth').write_bytes(b'')
    write_report(folder / 'report.html', [read_run(folder, 'run')])
    assert 'validation, epoch 4' in (folder / 'report.html').read_text()


def test_quality_of_pseudo_labels_from_dumps_where_the_log_has_none(folder):
    lines = (folder / '20260101_000000/vis_data/scalars.json').read_text().splitlines()[1:]
    (folder / '20260101_000000/vis_data/scalars.json').write_text('\n'.join(lines))
    jump = {'label': 'jump', 'segment': [0, 2]}
    dump = dict(action=[jump], segments=[jump], gt_segments=[{**jump, 'segment': [0, 1]}], background=[], given=[])
    (folder / 'pseudo_labels').mkdir()
    (folder / 'pseudo_labels/epoch_2.json').write_text(json.dumps({'video': dump | dict(edges_sec=[0, 1, 2, 3])}))
    mining = read_run(folder, 'run').log.mining
    assert mining['analysis/action_precision'] == {2: 0.5}, 'of two snippets one is right'
    assert mining['analysis/segment_tiou'] == {2: 0.5}
    (folder / 'pseudo_labels/epoch_2.json').write_text('{')
    assert 'epoch_2.json' in said(read_run(folder, 'run'), 'dumps of pseudo labels cannot be evaluated')


@pytest.mark.parametrize(
    'losses, fall',
    [
        ([8, 4, 2, 1], 1 / 7),
        ([4, 3, 2, 1], 1 / 3),
        ([4, 1, 1, 1], 0),
        ([1, 1, 2, 3], 0),  # the loss rose
        ([4, 1], 0),  # too short to tell
        ([4, 3, float('nan'), 1], 0),
        ([9, 8, 4, 3, 2, 1], 1 / 3),  # a loss begins after two epochs: the last four count
    ],
)
def test_a_loss_that_still_falls(losses, fall, folder):
    lines = [
        {'loss': float(loss), 'loss_second' if index >= len(losses) - 4 else 'loss_first': 1.0, 'epoch': index + 1}
        | {'iter': index + 1, 'step': index + 1}
        for index, loss in enumerate(losses)
    ]
    (folder / '20260101_000000/vis_data/scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    run = read_run(folder, 'run')
    assert run.log.late_falls == pytest.approx([fall])
    told = [sentence for sentence in run.missing if 'still fell' in sentence]
    assert bool(told) == (fall > 0.12)


def test_each_stage_may_be_too_short(folder):
    losses = [9, 8, 7, 6, 4, 1, 1, 1]
    lines = [
        {'loss': float(loss), f'loss_{index // 4}': 1.0, 'epoch': index + 1, 'iter': index + 1, 'step': index + 1}
        for index, loss in enumerate(losses)
    ]
    (folder / '20260101_000000/vis_data/scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    run = read_run(folder, 'run')
    assert run.log.late_falls == pytest.approx([1 / 3, 0])
    said(run, 'still fell', 'stage 1', '33 %')
    assert 'stage 2' not in ' '.join(run.missing)


def forget_a_segment(folder):
    """Remove the only ground-truth segment of the class with AP 1."""
    path = folder.parent / 'data/annotations.json'
    data = json.loads(path.read_text())
    data['videos']['good']['segments'].pop()
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda folder: None, ('3 of 4 epochs', 'tools/train.py {folder}/mine.py --work-dir {folder} --resume')),
        (lambda folder: os.utime(folder / 'results.json', (1, 1)), ('epoch_3.pth', 'older than')),
        (forget_a_segment, ('annotations have changed', 'mAP@0.1-0.7 is 0.6667', '0.8333')),
        (lambda folder: remove_segments(folder.parent / 'data', dict(good=[])), ('segments', 'points')),
    ],
)
def test_what_is_odd_about_a_run_is_said(change, words, folder):
    change(folder)
    said(read_run(folder, 'run'), *(word.format(folder=folder) for word in words))


@pytest.mark.parametrize(
    'file, content, words',
    [
        ('results.json', '{', ('cannot be evaluated', 'results.json')),
        ('results.json', json.dumps({'results': {'other': []}}), ('cannot be evaluated', 'other')),
        ('results.json', UNKNOWN, ('cannot be evaluated', 'detections of the classes')),
        ('mine.py', 'test_dataloader = (', ('config', 'cannot be read', 'mine.py')),
        ('20260101_000000/vis_data/scalars.json', '{"loss": 1, "step"', ('1 line of the log', 'scalars.json:1')),
    ],
)
def test_broken_files_are_named_and_the_rest_stays(file, content, words, folder):
    (folder / file).write_text(content)
    run = read_run(folder, 'run')
    assert said(run, *words)
    assert run.log.losses or 'scalars' in file
    assert run.measures or 'results' in file


def test_a_bug_shows_its_traceback_and_blames_no_file(folder, monkeypatch, capsys):
    def broken(file, test_set):
        return 1 / 0

    monkeypatch.setattr(run_reader, 'evaluate_results', broken)
    with open(folder / 'mine.py', 'a') as file:
        file.write('broken_line = {}["no key"]\n')
    told = read_run(folder, 'run')
    assert 'mine.py' in said(told, 'config', 'KeyError')
    assert 'broken_line = ' in capsys.readouterr().err
    (folder / 'mine.py').write_text((folder / 'mine.py').read_text().rsplit('broken_line', 1)[0])
    told = read_run(folder, 'run')
    assert 'data_root' not in said(told, 'cannot be evaluated', 'ZeroDivisionError')
    assert 'in broken' in capsys.readouterr().err
    assert told.log.losses, 'the other parts stay'


def test_a_metric_with_a_file_of_its_own_is_followed(folder, tmp_path):
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    write_results(elsewhere)
    (folder / 'results.json').unlink()
    config = (folder / 'mine.py').read_text() + f'test_evaluator["result_file"] = {str(elsewhere / "results.json")!r}\n'
    (folder / 'mine.py').write_text(config)
    assert read_run(folder, 'run').segment_result is not None
