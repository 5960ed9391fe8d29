import re

import pytest
import torch
from refusals import refused
from small_sets import ROOT, save_untrained, small_config
from tool_modules import load_tool

from fsptal_mm.apis.operating_points import build_held_out
from fsptal_mm.engine.trained_videos import video_ids
from fsptal_mm.structures import Instances
from fsptal_mm.utils.errors import InputError

tool = load_tool('analysis_tools/rank_checkpoints')


@pytest.fixture
def config(tmp_path):
    return small_config(tmp_path, 'fsptal_tuned/fsptal-tuned_synthetic_fold')


@pytest.fixture
def checkpoints(config, tmp_path):
    return [save_untrained(config, tmp_path / f'epoch_{seed}.pth', seed) for seed in (0, 1)]


def test_rows_of_checkpoints(config, checkpoints, capsys):
    rows = tool.rank(config, checkpoints, points_only=False)
    assert list(rows) == checkpoints
    counted = [line for line in capsys.readouterr().err.splitlines() if line.startswith('checkpoint ')]
    assert counted == [f'checkpoint {number} of 2: {path}' for number, path in enumerate(checkpoints, 1)]
    for row in rows.values():
        assert list(row) == ['point/mAP', 'held-out mAP (analysis)', 'test mAP (analysis)']
        assert all(0 < value < 1 for value in row.values())
    assert rows[checkpoints[0]] != rows[checkpoints[1]]
    config.test_dataloader = config.test_evaluator = None  # the tool needs no test videos
    config.val_dataloader.dataset.fold = None  # the held-out videos are those that the training leaves out
    of_points = tool.rank(config, checkpoints[:1], points_only=True)
    assert of_points == {checkpoints[0]: {'point/mAP': rows[checkpoints[0]]['point/mAP']}}
    found = {}
    tool.rank(config, checkpoints[:1], True, found)
    text = tool.report(of_points, found)
    assert 'analysis' not in text
    assert 'in 3 held-out videos' in text


def test_what_is_reported():
    def row(*values):
        return dict(zip(['point/mAP', 'held-out mAP (analysis)', 'test mAP (analysis)'], values))

    # The ranks by points are 1, 3, 2, and by test videos 1, 2, 3, so the correlation is 1 - 6 * (0 + 1 + 1) / (3 * 8) =
    # 0.5. The ranks by the segments of the held-out videos are 3, 2, 1: -1.
    rows = {'early': row(0.1, 0.3, 0.2), 'middle': row(0.3, 0.2, 0.4), 'late': row(0.2, 0.1, 0.45)}
    points, hit, miss = (Instances.of_video([part], [0], [1]) for part in ([5, 5], [0, 10], [20, 30]))
    both = [(points, hit)] * 2
    text = tool.report(rows, {'early': [(points, miss)] * 2, 'middle': both, 'late': [(points, hit), (points, miss)]})
    assert 'only 2 held-out points' in text
    assert re.search('chosen by .*: middle', text)
    assert '2 points in 2 held-out videos' in text
    # The point of one of two videos is missed, so AP is 1/2. Resamples have this video 0, 1 or 2 times, so the standard
    # error is 0.35.
    assert tool.choose({'early': both, 'late': [(points, hit), (points, miss)]})[0] == 'early'
    assert tool.choose({'early': both, 'late': both})[0] == 'late'
    assert '0.50 (point/mAP), -1.00 (held-out mAP (analysis))' in text
    assert 'chosen 40.00, best 45.00, last 45.00; regret 5.00' in text
    assert re.search(r'\| middle +\| +30\.00 \| +0\.00 \| +20\.00 \| +40\.00 \|', text)
    assert re.search(r'\| late +\| +20\.00 \| +3\d\.\d+ \|', text), 'its standard error'


def test_one_held_out_video_gives_no_standard_error():
    points, hit = (Instances.of_video([part], [0], [1]) for part in ([5, 5], [0, 10]))
    names = ('early', 'late')
    text = tool.report({name: {'point/mAP': 1.0} for name in names}, {name: [(points, hit)] for name in names})
    assert re.search(r'\| early +\| +100\.00 \| +- \|', text)
    assert 'unknown with one video' in text
    assert 'the best, of equal ones the last' in text
    assert re.search('chosen by .*: late', text)


def test_checkpoints_that_are_all_equal_are_said_to_be_so():
    points, hit = (Instances.of_video([part], [0], [1]) for part in ([5, 5], [0, 10]))
    found = {name: [(points, hit), (points, hit)] for name in ('early', 'late')}
    assert 'all checkpoints have the same point/mAP' in tool.report({name: {'point/mAP': 1.0} for name in found}, found)
    different = {'early': {'point/mAP': 0.5}, 'late': {'point/mAP': 1.0}}
    assert 'all checkpoints have the same' not in tool.report(different, found)


def test_none_is_chosen_where_none_finds_a_point():
    points, miss = (Instances.of_video([part], [0], [1]) for part in ([5, 5], [20, 30]))
    names = ('early', 'late')
    text = tool.report({name: {'point/mAP': 0.0} for name in names}, {name: [(points, miss)] for name in names})
    assert 'chosen by' not in text
    assert text.splitlines()[-1].startswith('none is chosen')
    assert 'step 5 of docs/guides/own_data.md' in text
    assert (
        'If `point/mAP` stays near 0'
        in re.search(r'\*\*5\..*?\*\*6\.', (ROOT / 'docs/guides/own_data.md').read_text(), re.DOTALL)[0]
    )


def test_a_checkpoint_that_knows_the_held_out_videos(config, tmp_path):
    path = save_untrained(config, tmp_path / 'all.pth')
    content = torch.load(path)
    config.train_dataloader.dataset.fold = None
    torch.save({**content, 'meta': dict(cfg=config.pretty_text)}, path)
    config.train_dataloader.dataset.fold = dict(index=0, count=4, part='train')
    with refused('all.pth', 'fold'):
        tool.rank(config, [path], points_only=True)
    video = min(video_ids(build_held_out(config)))
    torch.save({**content, 'meta': dict(cfg=config.pretty_text, trained_videos=[video])}, path)
    with refused('all.pth', video):
        tool.rank(config, [path], points_only=True)


@pytest.mark.parametrize(
    'measures, expected', [({'point/mAP': 0.5}, '--points-only'), ({'tal/mAP@0.5': 0.5}, 'points in')]
)
def test_missing_labels_are_named(config, checkpoints, monkeypatch, measures, expected):
    # These are the measures that remain if points or segments are missing.
    monkeypatch.setattr(tool, 'run_metrics', lambda *arguments: measures)
    with pytest.raises(InputError, match=expected):
        tool.rank(config, checkpoints, points_only=False)
