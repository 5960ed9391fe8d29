import json
import re
from pathlib import Path

import numpy as np
import pytest
from mmaction.evaluation.functional.eval_detection import ActivityNetLocalization
from tool_modules import load_tool

tool = load_tool('analysis_tools/eval_tal')


def annotation(label, start, end, **more):
    return {'label': label, 'segment': [start, end], **more}


@pytest.fixture
def folder(tmp_path):
    """Two test videos and one training video, perfect results, and results with a false positive of a higher score."""
    truth = {
        'a': ('test', [annotation('Diving', 0, 10), annotation('Shotput', 20, 30)]),
        'b': ('test', [annotation('Diving', 5, 15)]),
        'c': ('training', [annotation('Diving', 1, 2)]),
    }
    database = {id_: dict(subset=subset, duration=60, annotations=rows) for id_, (subset, rows) in truth.items()}
    perfect = {
        'v_a': [annotation('Diving', 0, 10, score=0.8), annotation('Shotput', 20, 30, score=0.7)],
        'v_b': [annotation('Diving', 5, 15, score=0.6)],
    }
    mistaken = {**perfect, 'v_b': [*perfect['v_b'], annotation('Diving', 40, 50, score=0.9)]}
    nothing = {'v_a': [], 'v_b': [], 'another': perfect['v_a']}
    (tmp_path / 'gt.json').write_text(json.dumps({'database': database}))
    for name, results in (('perfect', perfect), ('mistaken', mistaken), ('nothing', nothing)):
        (tmp_path / f'{name}.json').write_text(json.dumps({'results': results}))
    (tmp_path / 'split.txt').write_text('a\nb')
    (tmp_path / 'ambiguous.txt').write_text('b  49 52\n')
    return tmp_path


def rows_of(text):
    """Cells of a Markdown table by the first cell of their line."""
    lines = [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line[:1] == '|']
    return {line[0]: line[1:] for line in lines}


def run(folder, capsys, results, *arguments):
    out = folder / 'out.json'
    tool.main([*(str(folder / name) for name in results), str(folder / 'gt.json'), *arguments, '--json', str(out)])
    figures = {Path(path).name: entry for path, entry in json.loads(out.read_text()).items()}
    return capsys.readouterr().out, figures


def test_several_files_give_several_rows(folder, capsys):
    results = ['perfect.json', 'mistaken.json']
    text, figures = run(folder, capsys, results, '--split', str(folder / 'split.txt'), '--tiou', '0.5', '0.7')
    assert '2 videos, 3 segments of 2 classes' in text
    assert figures['perfect.json']['metrics']['mAP@0.5-0.7'] == 1
    # The false positive comes first among the Diving detections: the precisions 1/2 and 2/3 are lifted to 2/3. The AP
    # of Shotput stays 1.
    assert figures['mistaken.json']['metrics']['mAP@0.5'] == pytest.approx((2 / 3 + 1) / 2)
    assert re.search('all 4 .*ambiguous', figures['mistaken.json']['detections'])
    rows = rows_of(text)
    assert rows['in percent'][:3] == ['mAP@0.5-0.7', 'mAP@0.5', 'mAP@0.7']
    assert rows[str(folder / 'perfect.json')][:3] == ['100.00'] * 3
    assert rows[str(folder / 'mistaken.json')][:3] == ['83.33'] * 3


def test_ambiguous_ranges_are_left_out_and_said(folder, capsys):
    arguments = ['--subset', 'test', '--ambiguous', str(folder / 'ambiguous.txt')]
    text, figures = run(folder, capsys, ['mistaken.json'], *arguments)
    assert figures['mistaken.json']['metrics']['mAP@0.1-0.7'] == 1
    assert re.search('1 detection .*ambiguous.* 3 ', text)


def test_all_videos_without_split_or_subset(folder, capsys):
    text, figures = run(folder, capsys, ['perfect.json'], '--preset', 'activitynet', '--per-class')
    # One of three Diving segments is in the training video, which has no detection: recall 2/3 at precision 1.
    assert figures['perfect.json']['metrics']['mAP@0.5-0.95'] == pytest.approx((2 / 3 + 1) / 2)
    assert rows_of(text)['Diving'] == ['3', *['66.67'] * 11]


@pytest.mark.parametrize('name', ['thumos14', 'gtea'])
def test_equals_the_official_script_from_file_to_figure(name, data_root, tmp_path):
    # Reading of files is tested, too. THUMOS14 has ground-truth segments after the end of a video, which count as
    # missed.
    rng = np.random.default_rng(0)
    database = json.loads((data_root / name / 'gt_full.json').read_text())['database']
    truth = {id_: database[id_]['annotations'] for id_ in (data_root / name / 'split_test.txt').read_text().split()}
    results = {}
    for video_id, annotations in truth.items():
        chosen = [annotations[index] for index in rng.integers(len(annotations), size=15)]
        segments = np.array([row['segment'] for row in chosen])
        # The noise is small, so that no detection has the same tIoU with two segments: then it is undefined which
        # segment the official script takes.
        moved = segments + rng.normal(0, 0.1, (15, 2)) * np.diff(segments)
        scores = rng.random(15)
        results[video_id] = [
            {'label': row['label'], 'segment': sorted(segment), 'score': score}
            for row, segment, score in zip(chosen, moved.tolist(), scores.tolist())
        ]
    result_file, flat_file, out = (tmp_path / file for file in ('result.json', 'flat.json', 'out.json'))
    result_file.write_text(json.dumps({'results': results}))
    # The port reads no "database", and cuts two letters off the ids of the ground truth.
    flat_file.write_text(json.dumps({f'v_{video_id}': {'annotations': rows} for video_id, rows in truth.items()}))
    expected, _ = ActivityNetLocalization(str(flat_file), str(result_file), np.linspace(0.1, 0.7, 7)).evaluate()

    folder = data_root / name
    split = str(folder / 'split_test.txt')
    tool.main([str(result_file), str(folder / 'gt_full.json'), '--split', split, '--json', str(out)])
    measures = json.loads(out.read_text())[str(result_file)]['metrics']
    ours = [measures[f'mAP@0.{tenths}'] for tenths in range(1, 8)]
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9)
    assert measures['mAP@0.1-0.7'] == pytest.approx(expected.mean(), abs=1e-9)


def test_nothing_found_in_the_judged_videos_is_a_result(folder, capsys):
    _, figures = run(folder, capsys, ['nothing.json'], '--split', str(folder / 'split.txt'))
    assert figures['nothing.json']['metrics']['mAP@0.1-0.7'] == 0
