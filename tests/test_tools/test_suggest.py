import json

import numpy as np
import pytest
import torch
from plain_files import plain_video, write_plain
from tool_modules import load_tool

from fsptal_mm.evaluation import Threshold, read_results, write_operating_point, write_results
from fsptal_mm.evaluation.operating_point import OperatingPoint


@pytest.fixture
def files(tmp_path):
    """Results of four videos, labels of one of them, and features; gives the arguments of the tool."""
    features = dict(known=[0.0, 0.0], near=[1.0, 0.0], far=[9.0, 0.0], sure=[0.0, 9.0])
    (tmp_path / 'features').mkdir()
    for name, mean in features.items():
        np.save(tmp_path / f'features/{name}.npy', np.array([mean, mean], np.float32))
    scores = dict(known=[0.5], near=[0.4], far=[0.4, 0.01], sure=[4.0])
    found = {
        name: dict(segments_sec=np.array([[0.0, 1.0]] * len(own)), scores=np.array(own), labels=['jump'] * len(own))
        for name, own in scores.items()
    }
    write_results(tmp_path / 'results.json', found)
    write_plain(tmp_path / 'ann.json', ['jump'], dict(known=plain_video(points=[(0.5, 'jump')], subset='train')))
    return [str(tmp_path / name) for name in ('results.json', 'ann.json', 'features')]


def test_ranks_the_videos_that_are_not_labelled(files, tmp_path, capsys):
    load_tool('suggest').main(files)
    # The labelled video has one point, so three detections are expected in the three other videos: the threshold is
    # 0.4. Uncertainty times distance is 1 * 1 for near, 1 * 9 for far, 0.1 * 9 for sure; after far is chosen, 1 * 1 and
    # 0.1 * 9.
    assert list(read_results(tmp_path / 'suggestions.json')) == ['far', 'near', 'sure']
    content = json.loads((tmp_path / 'suggestions.json').read_text())
    assert content['thresholds'] == dict(jump=0.4)
    assert [row['score'] for row in content['results']['far']] == [0.4]  # 0.01 is below half of the threshold
    printed = capsys.readouterr().out
    assert printed.index('far') < printed.index('near') < printed.index('sure')
    assert [line.split()[1:10:2][-3:] for line in printed.splitlines() if 'far' in line] == [['1', '9', '9']]


def test_times_of_best_snippets_reach_the_file_of_suggestions(files, tmp_path):
    content = json.loads((tmp_path / 'results.json').read_text())
    content['results']['far'][0]['best_sec'] = 0.75
    (tmp_path / 'results.json').write_text(json.dumps(content))
    load_tool('suggest').main(files)
    assert read_results(tmp_path / 'suggestions.json')['far']['best_sec'].tolist() == [0.75]


def test_takes_the_operating_point_of_a_checkpoint(files, tmp_path):
    checkpoint = tmp_path / 'epoch_1.pth'
    torch.save({}, checkpoint)
    threshold = Threshold(4.0, 1.0, 1.0, 1)
    write_operating_point(checkpoint, OperatingPoint(threshold, dict(jump=threshold), '', 1))
    load_tool('suggest').main([*files, '--checkpoint', str(checkpoint), '--out', str(tmp_path / 'next.json')])
    assert next(iter(read_results(tmp_path / 'next.json'))) == 'sure'
    assert json.loads((tmp_path / 'next.json').read_text())['thresholds'] == dict(jump=4.0)


@pytest.mark.parametrize(
    'change, expected',
    [
        (lambda files, tmp_path: files.append('--out=' + files[0]), '--out'),
        (lambda files, tmp_path: files.append(f'--checkpoint={tmp_path / "ann.json"}'), '--checkpoint'),
        (lambda files, tmp_path: (tmp_path / 'features/near.npy').unlink(), 'video near: features'),
        (lambda files, tmp_path: files.__setitem__(0, files[1]), 'results'),
    ],
)
def test_errors_are_one_line_with_status_1(files, tmp_path, change, expected):
    change(files, tmp_path)
    with pytest.raises(SystemExit, match=f'^error: .*{expected}'):
        load_tool('suggest').main(files)
    assert not (tmp_path / 'suggestions.json').exists()
