"""The command on a run of mmengine's own making; what the page holds is tested in test_report/test_report_page.py."""

import importlib
import json
import re

import pytest
from mmengine.runner import Runner
from small_sets import ROOT, small_config


@pytest.fixture(scope='module')
def tool():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'tools/analysis_tools')
        yield importlib.import_module('report')


def test_a_real_run(tool, tmp_path, capsys):
    """Two epochs of FS-PTAL, then a test."""
    options = {
        'log_level': 'ERROR',
        'train_cfg.max_epochs': 2,
        'train_cfg.val_interval': 1,
        'custom_hooks.0.interval': 1,
    }
    runner = Runner.from_cfg(small_config(tmp_path, 'fsptal_tuned/fsptal-tuned_synthetic', **options))
    runner.train()
    runner.test()
    capsys.readouterr()
    out = tmp_path / 'new/report.html'
    tool.main([str(tmp_path / 'work'), '-o', str(out), '--videos', '2'])
    assert capsys.readouterr().out == f'{out} written\n', 'nothing is missing'
    [text] = re.findall(r'<script type="application/json" id="content">(.*?)</script>', out.read_text(), re.DOTALL)
    content = json.loads(text)
    curves = {chart['title']: chart['series'][0] for chart in content['charts']}
    assert curves['loss']['x'] == curves['mAP@0.1-0.7']['x'] == [1, 2]
    assert curves['mining/segments']['x'] == [0, 1]
    measures = json.loads((tmp_path / 'work/results.json').read_text())['evaluation']['metrics']
    assert curves['mAP@0.1-0.7']['y'][-1] == pytest.approx(100 * measures['mAP@0.1-0.7'])
    assert f'data-key="mAP@0.1-0.7">{100 * measures["mAP@0.1-0.7"]:.1f}</td>' in out.read_text()
    assert [video['kind'] for video in content['timelines'][0]['videos']] == ['best'] * 2 + ['worst'] * 2


def test_published_figures_are_those_of_the_tables(tool):
    figures = {(row.method, row.data): row.percent for row in tool.published_figures()}
    published = tool.TABLES['comparison'].rows[0].published
    assert figures[("FS-PTAL (paper's form)", 'THUMOS14 I3D')] == published['THUMOS14 I3D']


def test_names_tell_runs_apart(tool):
    assert tool.run_names(['runs/a/seed_0', 'runs/a/seed_1']) == ['seed_0', 'seed_1']
    assert tool.run_names(['runs/a/seed_0', 'runs/b/seed_0']) == ['a/seed_0', 'b/seed_0']
