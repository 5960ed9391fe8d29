"""The command on a work directory that mmengine wrote; tests/test_report/test_report_page.py tests the page itself."""

import importlib
import json
import re

import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from small_sets import ROOT, small_config

from fsptal_mm.apis.model_loading import find_config, model_index
from fsptal_mm.report import published_figures, read_run


def run_of(folder, name, **changes):
    """A run of one of the package's configs, with changes of its test dataset; an empty config for an unknown name."""
    config = find_config(name) if name in model_index() else Config()
    if changes:
        config.test_dataloader.dataset.update(changes)
    config.dump(folder / f'{name}.py')
    return read_run(folder, 'run')


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
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2, 'nothing is missing: the result, and the file'
    assert lines[-1] == f'{out} written'
    [text] = re.findall(r'<script type="application/json" id="content">(.*?)</script>', out.read_text(), re.DOTALL)
    content = json.loads(text)
    curves = {chart['title']: chart['series'][0] for chart in content['charts']}
    assert curves['total loss']['x'] == curves['mAP at tIoU 0.1-0.7']['x'] == [1, 2]
    assert curves['mined segments']['x'] == [0, 1]
    measures = json.loads((tmp_path / 'work/results.json').read_text())['evaluation']['metrics']
    assert curves['mAP at tIoU 0.1-0.7']['y'][-1] == pytest.approx(100 * measures['mAP@0.1-0.7'])
    assert f'data-key="mAP@0.1-0.7">{100 * measures["mAP@0.1-0.7"]:.1f}</td>' in out.read_text()
    assert [video['kind'] for video in content['timelines'][0]['videos']] == ['best'] * 2 + ['worst'] * 2
    tool.main([str(tmp_path / 'work'), '-o', str(out), '--videos', '0'])
    assert capsys.readouterr().out.splitlines()[-1] == f'{out} replaced'


@pytest.mark.parametrize(
    'config, expected',
    [
        # Figures of other authors with the same features, from the table that the benchmarks quote.
        ('lacp_i3d_thumos14', {}),
        (
            'fsptal-refined_i3d_thumos14',
            {'FS-PTAL, its authors': "FS-PTAL (paper's form)", 'LACP, its authors': 'LACP'},
        ),
        ('mine', {}),
    ],
)
def test_published_figures_are_of_the_same_data_and_those_of_the_tables(config, expected, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools/experiments')
    quoted = {row.label: row.published for row in importlib.import_module('tables').TABLES['comparison'].rows}
    found = published_figures([run_of(tmp_path, config)])
    assert {row.tag for row in found} <= {'published'}
    figures = {row.method: row.metrics['mAP@0.1-0.7'] for row in found}
    assert figures == {method: quoted[label]['THUMOS14 I3D'] for method, label in expected.items()}
    assert {row.data for row in found} <= {'THUMOS14'}


def test_measured_figures_of_the_same_data_are_quoted(tmp_path):
    rows = published_figures([run_of(tmp_path, 'fsptal_synthetic')])
    methods = [row.method for row in rows]
    assert len(set(methods)) == len(methods)
    assert all(any(f'({name}_synthetic)' in method for method in methods) for name in ('lacp', 'fsptal-refined'))
    assert {row.tag for row in rows} == {'benchmark'}, 'nobody else has published figures on generated data'


@pytest.mark.parametrize(
    'change, same',
    [
        (dict(data_root='/elsewhere/synthetic', keep_features='memory'), True),
        (dict(data_root='/elsewhere/mine'), False),
        (dict(ann_file='mine.json'), False),
        (dict(subset='train'), False),
        (dict(fold=dict(index=0, count=4, part='held_out')), False),
        (dict(data_prefix=dict(feature='features/other')), False),
        (dict(generator=dict(test_videos=10)), False),
    ],
)
def test_figures_are_of_other_data_if_the_test_data_are_changed(tmp_path, change, same):
    run = run_of(tmp_path, 'fsptal_synthetic', **change)
    assert bool(published_figures([run])) == same
    assert run.known_data == ('Embedded set' if same else '')


def test_names_tell_runs_apart(tool):
    assert tool.run_names(['runs/a/seed_0', 'runs/a/seed_1']) == ['seed_0', 'seed_1']
    assert tool.run_names(['runs/a/seed_0', 'runs/b/seed_0']) == ['a/seed_0', 'b/seed_0']
