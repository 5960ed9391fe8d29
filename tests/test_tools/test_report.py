"""The command on a run of mmengine's own making; what the page holds is tested in test_report/test_report_page.py."""

import importlib
import json
import re
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from fsptal_mm.utils.configs import merge_options

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def tool():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(_ROOT / 'tools/analysis_tools')
        yield importlib.import_module('report')


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    """Two epochs of FS-PTAL on a small set, then a test."""
    folder = tmp_path_factory.mktemp('runs')
    config = Config.fromfile(_ROOT / 'configs/fsptal_tuned/fsptal-tuned_synthetic.py')
    merge_options(
        config,
        {'data_root': str(folder / 'set'), 'work_dir': str(folder / 'work'), 'log_level': 'ERROR'}
        | {'train_cfg.max_epochs': 2, 'train_cfg.val_interval': 1, 'custom_hooks.0.interval': 1},
    )
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        config[name].update(num_workers=0, persistent_workers=False)
        config[name].dataset.update(generator=dict(train_videos=12, test_videos=10), data_root=str(folder / 'set'))
    runner = Runner.from_cfg(config)
    runner.train()
    runner.test()
    return folder / 'work'


def content_of(path):
    """What the scripts of the page read."""
    [text] = re.findall(r'<script type="application/json" id="content">(.*?)</script>', path.read_text(), re.DOTALL)
    return json.loads(text)


def test_a_real_run(tool, work_dir, tmp_path, capsys):
    out = tmp_path / 'new/report.html'
    tool.main([str(work_dir), '-o', str(out), '--videos', '2'])
    assert capsys.readouterr().out == f'{out} written\n', 'nothing is missing'
    content = content_of(out)
    curves = {chart['title']: chart['series'][0] for chart in content['charts']}
    assert curves['loss']['x'] == [1, 2]
    assert curves['mAP@0.1-0.7']['x'] == [1, 2]
    assert curves['mining/segments']['x'] == [0, 1]
    measures = json.loads((work_dir / 'results.json').read_text())['evaluation']['metrics']
    assert curves['mAP@0.1-0.7']['y'][-1] == pytest.approx(100 * measures['mAP@0.1-0.7'])
    assert f'data-key="mAP@0.1-0.7">{100 * measures["mAP@0.1-0.7"]:.1f}</td>' in out.read_text()
    assert [video['kind'] for video in content['timelines'][0]['videos']] == ['best'] * 2 + ['worst'] * 2


def test_published_figures_are_those_of_the_tables(tool):
    figures = {(row.method, row.data): row.percent for row in tool.published_figures()}
    published = tool.TABLES['comparison'].rows[0].published
    assert figures[("FS-PTAL (paper's form)", 'THUMOS14 I3D')] == published['THUMOS14 I3D']
    assert len(figures) == 4


def test_names_tell_runs_apart(tool):
    assert tool.run_names(['runs/a/seed_0', 'runs/a/seed_1']) == ['seed_0', 'seed_1']
    assert tool.run_names(['runs/a/seed_0', 'runs/b/seed_0']) == ['a/seed_0', 'b/seed_0']


@pytest.mark.parametrize('arguments, message', [(['nowhere'], 'nowhere'), (['.', '.'], 'different work directories')])
def test_wrong_folders_end_with_an_error(arguments, message, tool, tmp_path):
    with pytest.raises(SystemExit, match=message):
        tool.main([*arguments, '-o', str(tmp_path / 'report.html')])
    assert not (tmp_path / 'report.html').exists()
