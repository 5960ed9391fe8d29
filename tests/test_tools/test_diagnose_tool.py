import csv
import importlib
import json
import shutil

import cv2
import numpy as np
import pytest
from small_sets import ROOT


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools/analysis_tools')
    return importlib.import_module('diagnose')


def entry(label, start, end, score=None):
    return {'label': label, 'segment': [start, end], **({} if score is None else {'score': score})}


@pytest.fixture
def folder(tmp_path):
    """Two test videos, one of them without a segment, and one training video; three results files.

    ``b.json`` has the detections of ``a.json``, a false positive of a higher score, and an unknown video and class.
    """
    database = {
        'v1': {'subset': 'test', 'duration': 100, 'annotations': [entry('Dive', 0, 2), entry('Throw', 20, 30)]},
        'v2': {'subset': 'test', 'duration': 100, 'annotations': []},
        'v3': {'subset': 'training', 'duration': 100, 'annotations': [entry('Dive', 1, 2)]},
    }
    good = {'v1': [entry('Dive', 0, 2, 0.8), entry('Throw', 20, 30, 0.7)], 'v2': []}
    extra = {'v2': [entry('Dive', 50, 60, 0.9)], 'v9': good['v1'], 'v1': [*good['v1'], entry('Sleep', 20, 30, 1.0)]}
    (tmp_path / 'gt.json').write_text(json.dumps({'database': database}))
    for name, results in (('a', good), ('b', {**good, **extra}), ('empty', {'v1': [], 'v2': []})):
        (tmp_path / f'{name}.json').write_text(json.dumps({'results': results}))
    (tmp_path / 'ambiguous.txt').write_text('v2  59 62\n')
    return tmp_path


def run(tool, folder, files, *options):
    files = [folder / file for file in files]
    tool.main([*map(str, (*files, folder / 'gt.json', '-o', folder / 'out', *options))])
    return json.loads((folder / 'out/diagnosis.json').read_text())


def test_several_files(tool, folder, capsys):
    found = run(tool, folder, ['a.json', 'b.json', 'empty.json'], '--subset', 'test', '--tiou', '0.5', '0.7')
    assert list(found) == ['a', 'b', 'empty']
    assert [found[name]['mAP'] for name in found] == pytest.approx([1, 0.75, 0])  # in b, the precision of Dive is 1/2
    assert [found[name]['num_detections'] for name in found] == [2, 3, 0]
    assert [found[name]['num_missed'] for name in found] == [0, 0, 2]
    # For class Dive, b has a background error, in a video without a segment, before its true positive. Since G is 1 for
    # both classes, bin 1G has this error and the true positive of the other class.
    assert found['b']['profile'][0]['shares']['background'] == 0.5
    assert found['b']['gains']['background']['mAP'] == pytest.approx(0.25)
    assert found['empty']['profile'][0]['shares']['true_positive'] is None

    table = capsys.readouterr().out
    of_a, of_b, of_empty = table.splitlines()[-3:]
    assert '100.0' in of_a
    assert all(figure in of_b for figure in ('75.0', '25.0', 'Dive (AP 50.0'))
    assert '100 %' in of_empty
    assert (folder / 'out/diagnosis.md').read_text() in table
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in table.splitlines()]
    assert ['b', '2', '3', '75.0', '75.0', '0.0'] in lines
    assert ['b', 'share of the first G, tIoU 0.5', '50.0', '0.0', '0.0', '0.0', '0.0', '50.0'] in lines
    assert ['b', 'mAP gained without', '', '0.0', '0.0', '0.0', '0.0', '25.0'] in lines
    ranges = ['XS <= 3', 'S (3, 6]', 'M (6, 12]', 'L (12, 18]', 'XL > 18']
    assert ['length', '', *ranges, 'all', 'sensitivity', 'impact'] in lines
    # The segments have the lengths 2 s and 10 s.
    assert ['', 'instances', '1', '0', '1', '0', '0', '2', '', ''] in lines
    assert ['b', 'mAP_N', '50.0', '-', '100.0', '-', '-', '75.0', '50.0', '25.0'] in lines
    assert ['empty', 'missed, tIoU 0.5', '100.0', '-', '100.0', '-', '-', '100.0', '', ''] in lines

    with open(folder / 'out/diagnosis.csv', newline='') as file:
        rows = {tuple(row[:4]): row[4] for row in csv.reader(file)}
    assert float(rows['b', 'share', '1G', 'background']) == 0.5
    assert float(rows['b', 'mAP_N', 'length', 'XS']) == pytest.approx(0.5)
    assert rows['b', 'mAP_N', 'length', 'S'] == ''
    for name in ('error_profile', 'best_detections', 'sensitivity', 'false_negatives'):
        picture = cv2.imread(str(folder / f'out/{name}.png'))
        assert picture.min() < 100 < 250 < picture.max()


def test_options_reach_the_figures(tool, folder):
    options = ['--preset', 'activitynet', '--alpha', '0.3', '--format', 'svg', '--ambiguous', folder / 'ambiguous.txt']
    found = run(tool, folder, ['b.json'], '--names', 'mine', *options)['mine']
    assert found['tiou'] == 0.3
    assert found['tiou_thresholds'] == pytest.approx(np.linspace(0.5, 0.95, 10))
    assert found['num_instances'] == 3  # without --subset, all videos count
    assert found['num_detections'] == 2  # the false positive overlaps an ambiguous range
    assert [bucket['up_to'] for bucket in found['characteristics']['length']['buckets']] == [30, 60, 120, 180, None]
    assert 'mine' in (folder / 'out/false_negatives.svg').read_text()


def test_unknown_videos_and_classes_are_left_out_with_a_warning(tool, folder, monkeypatch):
    messages = []
    monkeypatch.setattr('fsptal_mm.evaluation.samples.print_log', lambda message, **_: messages.append(message))
    run(tool, folder, ['b.json'], '--subset', 'test')
    assert 'v9' in messages[0]
    assert 'Sleep' in messages[0]


def test_names_are_of_folders_where_files_do_not_differ(tool, folder):
    for name in ('ours', 'theirs'):
        (folder / name).mkdir()
        shutil.copy(folder / 'a.json', folder / name / 'results.json')
    assert list(run(tool, folder, ['ours/results.json', 'theirs/results.json'])) == ['ours', 'theirs']


def test_real_truth_as_detections_is_perfect(tool, data_root, tmp_path):
    folder = data_root / 'thumos14'
    database = json.loads((folder / 'gt_full.json').read_text())['database']
    ids = (folder / 'split_test.txt').read_text().split()
    results = {video: [{**row, 'score': 1.0} for row in database[video]['annotations']] for video in ids}
    (tmp_path / 'truth.json').write_text(json.dumps({'results': results}))
    arguments = [str(tmp_path / 'truth.json'), str(folder / 'gt_full.json'), '--split', str(folder / 'split_test.txt')]
    tool.main([*arguments, '-o', str(tmp_path / 'out')])
    found = json.loads((tmp_path / 'out/diagnosis.json').read_text())['truth']
    # Only in the ground truth, segments are clipped at the end of the video; one segment lies wholly after it.
    assert found['mAP'] == found['mAP_N'] == pytest.approx(1, abs=0.002)
    assert found['profile'][0]['shares']['true_positive'] == pytest.approx(1, abs=0.002)
    for characteristic in found['characteristics'].values():
        assert sum(bucket['num_instances'] for bucket in characteristic['buckets']) == found['num_instances']
