import re
from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tool_modules import load_tool

from fsptal_mm.utils.configs import merge_options
from fsptal_mm.utils.errors import InputError

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def tool():
    return load_tool('analysis_tools/rank_checkpoints')


@pytest.fixture
def config(tmp_path):
    """The experiment on a smaller set, without worker processes."""
    config = Config.fromfile(_ROOT / 'configs/fsptal_tuned/fsptal-tuned_synthetic_fold.py')
    merge_options(config, dict(data_root=str(tmp_path / 'set')))
    for name in ('val_dataloader', 'test_dataloader'):
        config[name].update(num_workers=0, persistent_workers=False)
        config[name].dataset.generator = dict(train_videos=12, test_videos=10)
    init_default_scope('mmaction')
    return config


@pytest.fixture
def checkpoints(config, tmp_path):
    """Untrained models."""
    paths = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        paths.append(str(tmp_path / f'epoch_{seed}.pth'))
        torch.save(dict(state_dict=MODELS.build(config.model).state_dict()), paths[-1])
    return paths


def test_rows_of_checkpoints(tool, config, checkpoints):
    rows = tool.rank(config, checkpoints, points_only=False)
    assert list(rows) == checkpoints
    for row in rows.values():
        assert list(row) == ['point/mAP', 'held-out mAP (analysis)', 'test mAP (analysis)']
        assert all(0 < value < 1 for value in row.values())
    assert rows[checkpoints[0]] != rows[checkpoints[1]]


def test_without_segments_of_any_kind(tool, config, checkpoints):
    config.test_dataloader = config.test_evaluator = None
    rows = tool.rank(config, checkpoints[:1], points_only=True)
    assert [list(row) for row in rows.values()] == [['point/mAP']]
    assert 'analysis' not in tool.report(rows)


def test_what_is_reported(tool):
    def row(*values):
        return dict(zip(['point/mAP', 'held-out mAP (analysis)', 'test mAP (analysis)'], values))

    # Ranks by points 1 3 2, by test videos 1 2 3: correlation 1 - 6 * (0 + 1 + 1) / (3 * 8) = 0.5. By the segments of
    # the held-out videos 3 2 1: -1.
    rows = {'early': row(0.1, 0.3, 0.2), 'middle': row(0.3, 0.2, 0.4), 'late': row(0.2, 0.1, 0.45)}
    text = tool.report(rows)
    assert 'chosen by point/mAP: middle' in text
    assert '0.50 (point/mAP), -1.00 (held-out mAP (analysis))' in text
    assert 'chosen 40.00, best 45.00, last 45.00; regret 5.00' in text
    assert re.search(r'\| middle +\| +30\.00 \| +20\.00 \| +40\.00 \|', text)


def test_a_validation_on_other_videos_is_refused(tool, config, checkpoints):
    config.val_dataloader = config.test_dataloader
    with pytest.raises(InputError, match=r"val_dataloader\.dataset\.fold\.part: found 'none', expected 'held_out'"):
        tool.rank(config, checkpoints, points_only=True)


def test_a_checkpoint_that_is_missing_or_of_another_model_is_refused(tool, config, checkpoints, tmp_path):
    with pytest.raises(InputError, match=r"none\.pth: found 'no such file', expected a local checkpoint"):
        tool.rank(config, [str(tmp_path / 'none.pth')], points_only=True)
    config.model.head.num_classes = 3
    with pytest.raises(InputError, match=r'epoch_0\.pth: .*classifier.*expected the weights of the model'):
        tool.rank(config, checkpoints[:1], points_only=True)


@pytest.mark.parametrize(
    'measures, expected', [({'point/mAP': 0.5}, '--points-only'), ({'tal/mAP@0.5': 0.5}, 'points in')]
)
def test_missing_labels_are_named(tool, config, checkpoints, monkeypatch, measures, expected):
    monkeypatch.setattr(tool, 'judge', lambda *arguments: measures)  # what is left where labels of one kind are missing
    with pytest.raises(InputError, match=expected):
        tool.rank(config, checkpoints, points_only=False)
