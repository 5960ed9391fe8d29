"""Pictures of the modules, from untrained models: which files there are, and what a wrong config or video is told."""

from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tool_modules import load_tool

from fsptal_mm.utils.configs import merge_options

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def tool():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'tools/docs')  # where module_figures lies, as for a script
        return load_tool('docs/plot_modules')


@pytest.fixture(scope='module')
def arguments(tmp_path_factory):
    """FS-PTAL on a small set, and two checkpoints of it."""
    folder = tmp_path_factory.mktemp('modules')
    config = Config.fromfile(ROOT / 'configs/fsptal_tuned/fsptal-tuned_synthetic.py')
    merge_options(config, {'data_root': str(folder / 'set')})
    config.train_dataloader.dataset.generator = dict(train_videos=10, test_videos=10)
    config.dump(folder / 'fsptal.py')
    init_default_scope('mmaction')
    for seed, name in enumerate(('early', 'late')):
        torch.manual_seed(seed)
        torch.save(dict(state_dict=MODELS.build(config.model).state_dict()), folder / f'{name}.pth')
    return [str(folder / name) for name in ('fsptal.py', 'early.pth', 'late.pth')]


def test_four_pictures_of_a_video(tool, arguments, tmp_path, capsys):
    tool.main([*arguments, '--video', 'train_003', '--out-dir', str(tmp_path)])
    names = ('label_extension', 'mining', 'score_contrast', 'feature_separation')
    assert {path.name for path in tmp_path.iterdir()} == {f'{name}.png' for name in names}
    assert capsys.readouterr().out.split() == [f'{tmp_path / name}.png' for name in names]


@pytest.mark.parametrize(
    'config, video, expected',
    [
        ('none.py', 'train_003', "none.py: found 'no such file', expected a config file"),
        ('base_synthetic', 'train_003', 'base_synthetic: expected modules A to D of FS-PTAL'),
        ('bmn_synthetic', 'train_003', 'bmn_synthetic: expected modules A to D of FS-PTAL'),
        (None, 'test_000', r"--video: found \['test_000'\], expected ids of the 10 videos"),
    ],
)
def test_mistakes_are_one_line(tool, arguments, config, video, expected):
    with pytest.raises(SystemExit, match=f'error: {expected}'):
        tool.main([config or arguments[0], *arguments[1:], '--video', video])
