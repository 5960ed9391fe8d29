"""The tool that runs tables of experiments, with real runs of one epoch, or with scripts that only pretend to train."""

import importlib
import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from small_sets import ROOT, small_config

from fsptal_mm.report.results import load_test_set

TOOLS = ROOT / 'tools/experiments'

# Scripts that pretend to train and test. Their figures are .5 + seed / 10, and .2 more with an option; their detections
# are always the same. They do not import our package, so that a run takes no time.
SCRIPT = """
import argparse, json, pathlib, time
parser = argparse.ArgumentParser()
parser.add_argument('config')
parser.add_argument('checkpoint', nargs='?', type=float)
parser.add_argument('--seed')
parser.add_argument('--work-dir', type=pathlib.Path)
parser.add_argument('--cfg-options', nargs='+')
args = parser.parse_args()
"""
TRAIN = (
    SCRIPT
    + """
print('pretending to train')
if f'fail={args.seed}' in args.cfg_options:
    raise SystemExit('out of luck')
if 'slow=True' in args.cfg_options:
    (args.work_dir / 'started').touch()
    time.sleep(600)
bonus = .2 if 'better=True' in args.cfg_options else 0
(args.work_dir / 'last_checkpoint').write_text(str(.5 + int(args.seed) / 10 + bonus))
"""
)
TEST = (
    SCRIPT
    + """
metrics = {'mAP@0.1-0.7': args.checkpoint, 'mAP@0.5': args.checkpoint / 2}
results = {'test_000': [{'label': 'dive', 'score': 0.5, 'segment': [1, 2]}]}
(args.work_dir / 'results.json').write_text(json.dumps({'results': results, 'evaluation': {'metrics': metrics}}))
"""
)


@pytest.fixture(scope='module')
def tool():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(TOOLS)
        yield importlib.import_module('ablation')


@pytest.fixture(scope='module')
def config_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp('ablation')
    small_config(folder, 'base/base_synthetic').dump(folder / 'base_small.py')
    return folder / 'base_small.py'


@pytest.fixture
def run(tool, config_file, tmp_path, monkeypatch, capsys):
    """Run the tool on a table of the given rows; return exit status, what it printed, and the JSON.

    A row is a Row; or its label, options and published figures; or, for an absent config, its label and a text.
    """
    tables = importlib.import_module('tables')

    def run(rows, *arguments, reference='plain', **settings):
        rows = tuple(
            row
            if isinstance(row, tables.Row)
            else tables.Row(row[0], 'nowhere_{data}.py', absent=row[1])
            if isinstance(row[1], str)
            else tables.Row(row[0], str(config_file), *row[1:])
            for row in rows
        )
        table = tables.Table('Trial', rows, reference, data=('small',), **settings)
        monkeypatch.setitem(tool.TABLES, 'trial', table)
        with pytest.raises(SystemExit) as end:
            tool.main(['trial', '--work-dir', str(tmp_path / 'tables'), *arguments])
        path = tmp_path / 'tables/trial.json'
        return end.value.code, capsys.readouterr().out, json.loads(path.read_text()) if path.is_file() else None

    return run


@pytest.fixture
def pretend(tool, tmp_path, monkeypatch):
    """Replace train.py and test.py by scripts that only pretend to train and test."""
    (tmp_path / 'train.py').write_text(TRAIN)
    (tmp_path / 'test.py').write_text(TEST)
    monkeypatch.setattr('table_runs.SCRIPTS', tmp_path)
    return tmp_path


def ages(folder):
    """Time at which each finished run was written, in ns, by its folder."""
    return {path.parent: path.stat().st_mtime_ns for path in folder.rglob('metrics.json')}


PLAIN = ('plain', {}, {'THUMOS14 I3D': 56.7})
BETTER = ('better', {'better': True}, {})


@pytest.mark.processes
def test_one_epoch_over_two_seeds(run, tool, config_file, tmp_path):
    options = ['--seeds', '0', '1', '--cfg-options', 'train_cfg.max_epochs=1']
    status, printed, content = run([PLAIN, ('the same', {}, {})], *options)
    assert status == 0, content['failed']
    plain, same = content['rows']
    assert plain['finished'] == [0, 1]
    values = plain['metrics']['mAP@0.1-0.7']['by_seed']
    assert 0 < min(values) < max(values) < 100  # different, since the seeds give different models
    assert f'{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}' in printed
    # Two rows with the same configuration share their runs, so their difference is 0 on every resample.
    assert len(ages(tmp_path)) == 2
    assert (same['difference']['mean'], same['difference']['interval']) == (0, [0, 0])

    # On a resample that has every video once, the mAP is that of TALMetric in the test run.
    (entry,) = tool.plan(tool.TABLES['trial'], ['small'], [0], ['train_cfg.max_epochs=1'], tmp_path / 'tables')[:1]
    test_set = load_test_set(entry.experiment.config)
    resampled = importlib.import_module('table_report').resampled_main_average(
        test_set, np.ones((1, len(test_set.ids)), dtype=int), entry.experiment.results_file(0)
    )
    assert 100 * resampled == pytest.approx(values[0], abs=1e-9)

    # Only the last checkpoint stays, and nothing is run again.
    assert [path.name for path in entry.experiment.folder.glob('seed_0/*.pth')] == ['epoch_1.pth']
    before = ages(tmp_path)
    assert run([PLAIN], *options)[0] == 0
    assert ages(tmp_path) == before


def test_figures_in_the_table(run, pretend):
    status, printed, content = run([PLAIN, BETTER], '--seeds', '0', '1', '2')
    assert status == 0
    cells = {line.split('|')[2].strip(): line for line in printed.splitlines() if line.startswith('| small')}
    # The seeds have the figures .5, .6 and .7, with the mean .6 and the sample standard deviation .1; @0.5 is half of
    # it.
    assert [cell.strip() for cell in cells['plain'].strip('|').split('|')] == [
        'small', 'plain', '30.0', '60.0 ± 10.0', '50.0 / 60.0 / 70.0', '', '56.7',
    ]  # fmt: skip
    # The figure is .2 higher for each seed, but the detections are the same, so the differences on all resamples are 0.
    assert cells['better'].split('|')[6].strip() == '+20.0 [+0.0, +0.0] ± 0.0'
    assert content['rows'][1]['difference']['by_seed'] == pytest.approx([20, 20, 20])
    assert (pretend / 'tables/trial.md').read_text().strip() == printed.strip()


def test_rows_with_other_labels_or_seeds_of_their_own(run, pretend, config_file):
    tables = importlib.import_module('tables')
    rows = [
        tables.Row('plain', str(config_file)),
        tables.Row('clicked', str(config_file), supervision='clicks', seeds=1),
        tables.Row('nowhere', 'nowhere_{data}.py', absent='no such data', supervision='video labels'),
    ]
    status, printed, content = run(rows, seeds=2)
    assert status == 0
    head, *lines = [
        [cell.strip() for cell in line.strip('|').split('|')] for line in printed.splitlines() if line.startswith('|')
    ]
    assert head[:3] == ['data', 'row', 'supervision']
    cells = {line[1]: dict(zip(head, line)) for line in lines}
    assert [cells[row.label]['supervision'] for row in rows] == ['points', 'clicks', 'video labels']
    assert cells['plain']['each seed'] == '50.0 / 60.0'
    assert cells['clicked']['each seed'] == '50.0'  # its only seed, and compared with that of the reference
    assert cells['clicked']['minus plain'] == '+0.0 [+0.0, +0.0]'
    assert 'small: 0, 1' in printed
    assert content['rows'][1]['difference']['seeds'] == [0]


def test_finished_runs_are_found_and_others_are_run(run, pretend):
    run([PLAIN], '--seeds', '0')
    first = ages(pretend)
    run([PLAIN, BETTER], '--seeds', '0', '1')
    second = ages(pretend)
    assert len(second) == 4
    assert first.items() <= second.items()
    run([PLAIN], '--seeds', '0', '--cfg-options', 'train_cfg.max_epochs=3')  # the same row with another config
    assert len(ages(pretend)) == 5
    path = next(iter(first)) / 'metrics.json'  # figures of a run with another config do not count
    good = json.loads(path.read_text())
    path.write_text(json.dumps(good | {'fingerprint': 'other', 'metrics': {}}))
    run([PLAIN], '--seeds', '0')
    assert json.loads(path.read_text())['metrics'] == good['metrics']


def test_a_failed_run_is_told_and_the_table_goes_on(run, pretend):
    rows = [PLAIN, ('unlucky', {'fail': 1}, {})]
    status, printed, content = run(rows, '--seeds', '0', '1')
    assert status == 1
    assert content['rows'][1]['finished'] == [0]
    assert content['rows'][1]['difference']['seeds'] == [0]  # compared only for seeds that both rows have
    assert '50.0 / missing' in printed
    ((name, message),) = content['failed'].items()
    assert name == 'small, unlucky, seed 1'
    assert 'pretending to train' in message  # the message has the last lines of the log
    assert 'out of luck' in message
    assert 'out of luck' in printed
    before = ages(pretend)  # only the failed run is run again, and fails again
    assert run(rows, '--seeds', '0', '1')[0] == 1
    assert ages(pretend) == before


def test_print_only_runs_nothing_and_a_row_without_a_config_says_why(run, pretend):
    rows = [PLAIN, BETTER, ('manual', 'no such points here')]
    status, printed, _ = run(rows, '--seeds', '0', '1', '--print-only')
    assert (status, ages(pretend)) == (0, {})
    assert '56.7' in printed
    (pretend / 'file').touch()
    status, printed, _ = run(rows, '--print-only', '--work-dir', str(pretend / 'file'))
    assert status.startswith(f'error: {pretend}/file/trial.md: ')
    assert '56.7' in printed  # a table is not lost because it cannot be written
    run([PLAIN], '--seeds', '0')
    _, printed, content = run(rows, '--seeds', '0', '1', '--print-only')
    assert '50.0 / missing' in printed
    assert content['rows'][1]['difference'] is None
    assert content['rows'][2]['config'] is None
    assert 'no such points here' in next(line for line in printed.splitlines() if '| manual' in line)


@pytest.mark.processes
def test_an_interrupted_run_ends_its_processes_and_leaves_no_metrics(tool, pretend, config_file):
    script = pretend / 'script.py'
    script.write_text(
        f'import sys, signal; sys.path.insert(0, {str(TOOLS)!r})\n'
        'import ablation, pathlib, table_runs, tables\n'
        'table_runs.SCRIPTS = pathlib.Path(sys.argv[1])\n'
        "row = tables.Row('slow', sys.argv[2], {'slow': True})\n"
        "ablation.TABLES['trial'] = tables.Table('Trial', (row,), 'slow', data=('small',))\n"
        'signal.signal(signal.SIGTERM, signal.default_int_handler)\n'
        "ablation.main(['trial', '--work-dir', sys.argv[1], '--seeds', '0', '1', '--jobs', '1'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script), str(pretend), str(config_file)], stderr=subprocess.PIPE, text=True
    )
    while not list(pretend.glob('runs/*/seed_0/started')) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, messages = process.communicate(timeout=300)  # the run would take ten minutes if it were not ended
    assert process.returncode == 1
    assert 'interrupted' in messages
    assert not ages(pretend)
    assert not list(pretend.glob('runs/*/seed_1'))  # the second run was not started
