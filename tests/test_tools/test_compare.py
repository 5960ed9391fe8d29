"""compare.py: the runs that its rows build on, and the costs that it measures."""

import importlib

import pytest
from small_sets import ROOT, small_config

WINDOWS = dict(num_snippets=16, stride_snippets=16)


@pytest.fixture(scope='module')
def tool():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / 'tools/experiments')
        yield importlib.import_module('compare')


def test_rows_build_on_the_run_of_the_same_seed(tool, tmp_path):
    entries = {entry.row.label: entry for entry in tool.plan(tool.ALONGSIDE, ['synthetic'], [3], [], tmp_path)}
    source, row = entries['FS-PTAL tuned'].experiment, entries['BMN on pseudo segments'].experiment
    options = row.run_options(3)
    assert f'test_evaluator.class_scores={source.run_folder(3)}/results.json' in options
    assert f'train_dataloader.dataset.ann_file={row.run_folder(3)}/pseudo_segments.json' in options
    assert len({entry.experiment.fingerprint for entry in entries.values()}) == len(entries)
    # A row's fingerprint depends on the configuration of its source, too.
    other = tool.plan(tool.ALONGSIDE, ['synthetic'], [3], ['model.init_cfg=None'], tmp_path)
    assert other[0].experiment.fingerprint != source.fingerprint
    supervision = importlib.import_module('table_report').supervision
    told = {label: supervision(entry.experiment.config) for label, entry in entries.items()}
    assert (told['LACP'], told['MIL']) == ('points', 'video labels')
    assert told['snippet classifier'] == told['BMN'] == 'segments'
    # A method that is in the tables of both tools shares its runs.
    tables = importlib.import_module('tables')
    compared = tool.plan(tables.TABLES['comparison'], ['synthetic'], [3], [], tmp_path)
    assert source.folder in [entry.experiment.folder for entry in compared]


def test_kinds_of_supervision_are_told_apart(tool, tmp_path):
    tables = importlib.import_module('tables')
    entries = tool.plan(tables.TABLES['literature'], ['synthetic'], [0], [], tmp_path)
    supervision = importlib.import_module('table_report').supervision
    told = {entry.row.label: supervision(entry.experiment.config) for entry in entries}
    assert told['SF-Net'] == 'points'
    assert told['BackTAL'] == 'video labels, background clicks'
    assert told['DELU'] == told['ASM-Loc, base model'] == told['ASM-Loc'] == 'video labels'


@pytest.mark.processes
def test_a_localizer_on_pseudo_segments_from_one_command(tool, tmp_path, monkeypatch, capsys):
    """One epoch each of a model on points, BMN with classes from this model, and BMN on segments that it found."""
    tables = importlib.import_module('tables')
    windows = {f'{part}_dataloader.dataset.windows': WINDOWS for part in ('train', 'val', 'test')}
    for name, options in (
        ('base', {'train_cfg.max_epochs': 15}),
        ('bmn', {'train_cfg.max_epochs': 1, 'model.temporal_dim': 16, **windows}),
    ):
        small_config(tmp_path, f'{name}/{name}_synthetic', **options).dump(tmp_path / f'{name}.py')
    bmn, base = str(tmp_path / 'bmn.py'), str(tmp_path / 'base.py')
    pseudo = tables.methods.CLASS_SCORES | tables.methods.PSEUDO_FILE
    rows = (
        tables.Row('pseudo', bmn, pseudo, source='points', pseudo_segments=True, supervision='points'),
        tables.Row('true', bmn, tables.methods.CLASS_SCORES, source='points'),
    )
    table = tables.Table('Trial', (tables.Row('points', base), *rows), 'points')
    monkeypatch.setattr(tool, 'ALONGSIDE', table)
    with pytest.raises(SystemExit) as end:
        tool.main(['--work-dir', str(tmp_path / 'tables')])
    printed = capsys.readouterr().out
    assert end.value.code == 0, (tmp_path / 'tables/compare-synthetic.json').read_text()
    cells = {line.split('|')[1].strip(): line.split('|') for line in printed.splitlines()}
    assert cells['pseudo'][2].strip() == 'points'
    assert cells['true'][2].strip() == 'segments'
    assert all(' s ' in cells[label][-4] + cells[label][-3] for label in ('points', 'pseudo', 'true'))
    assert len(list(tmp_path.rglob('pseudo_segments.json'))) == 1
    before = sorted(path.stat().st_mtime_ns for path in tmp_path.rglob('metrics.json'))
    with pytest.raises(SystemExit):
        tool.main(['--work-dir', str(tmp_path / 'tables')])
    assert sorted(path.stat().st_mtime_ns for path in tmp_path.rglob('metrics.json')) == before
    assert capsys.readouterr().out == printed  # times, too, are measured only once
