"""Run all experiments of a table with several seeds, and print the table; finished runs are not repeated.

Examples:
    python tools/experiments/ablation.py comparison
    python tools/experiments/ablation.py modules --data acc_50salads --seeds 0 1 2
    python tools/experiments/ablation.py modules --data i3d_thumos14 --form paper
    python tools/experiments/ablation.py modules --print-only

The tables are defined in tables/. Each run is tools/train.py, then tools/test.py with the last checkpoint; its folder
below WORK_DIR/runs holds log.txt with the commands, results.json and metrics.json. Experiments with the same
configuration, in one table or in several, are run once. The tool does not notice that the code has changed: after a
change, choose another WORK_DIR, or delete the runs. The table is printed and written to WORK_DIR as Markdown and JSON.
The exit status is 1 if a run failed.
"""

import argparse
import contextlib
import runpy
import shlex
import signal
import sys
from datetime import datetime
from pathlib import Path

from run_arguments import check_numbers_of_runs
from tables import FORMS, TABLES


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('table', choices=TABLES, help='; '.join(f'{name}: {t.title}' for name, t in TABLES.items()))
    parser.add_argument(
        '--data', nargs='+', metavar='NAME', help="datasets, as in the names of the configs (default: the table's own)"
    )
    parser.add_argument(
        '--form',
        choices=FORMS,
        default='tuned',
        help="configs of FS-PTAL in tables that do not compare both: ours, or the paper's (default: %(default)s)",
    )
    parser.add_argument('--seeds', nargs='+', type=int, metavar='S', help="default: the table's own, see tables/")
    parser.add_argument('--jobs', type=int, default=2, metavar='N', help='runs at the same time (default: %(default)s)')
    parser.add_argument(
        '--work-dir', default='work_dirs/tables', metavar='DIR', help='folder of runs and tables (default: %(default)s)'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help="changes of the configs of all rows, as in train.py; a row's own options take precedence",
    )
    parser.add_argument('--print-only', action='store_true', help='print what is finished, run nothing')
    args = parser.parse_args(argv)
    check_numbers_of_runs(parser, args)
    return args


if __name__ == '__main__':  # checks the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](__file__, parse_args)

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from table_report import Entry, summarize, to_markdown
from table_runs import ROOT, Experiment, RunPool

import fsptal_mm
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import atomic_write, write_json


def plan(table, datasets, seeds, cfg_options, work_dir, form='tuned'):
    """Resolve all configs of a table, so that a mistake in one of them is found before the first run.

    Args:
        table (Table): The table.
        datasets (Sequence[str]): Names of datasets.
        seeds (Sequence[int], optional): Default: the table's own.
        cfg_options (Sequence[str]): Options of all rows.
        work_dir: Folder of all runs.
        form: Key of ``FORMS``, for the rows that leave it open.

    Returns:
        list[Entry]: Dataset by dataset, the rows in their order.

    Raises:
        InputError: A config is missing, or an option does not fit.
    """
    entries = []
    for data in datasets:
        experiments = {}
        for row in table.rows:
            path = ROOT / row.config.format(data=data, fsptal=FORMS[form])
            experiment = None
            if path.is_file():
                options = [*cfg_options, *(f'{key}={value}' for key, value in row.options.items())]
                source = row.source and experiments[row.source]
                experiment = Experiment.resolve(path, options, work_dir, source, row.pseudo_segments, row.trains)
            elif row.absent is None:
                expected = f'a config for the row {row.label!r} (other datasets: --data)'
                raise InputError(expected, file=path, found='no file')
            experiments[row.label] = experiment
            entries.append(Entry(data, row, tuple(dict.fromkeys(seeds or table.default_seeds(data, row))), experiment))
    return entries


def run_missing(entries, jobs):
    """Run unfinished experiments, each once, and print a line for each that ends.

    Returns:
        dict[str, str]: Last lines of the log of each failed run, by the name of the run.
    """
    runs = {}
    for entry in entries:
        for seed in entry.seeds:
            if entry.experiment is not None and entry.experiment.metrics(seed) is None:
                name = f'{entry.data}, {entry.row.label}, seed {seed}'
                runs.setdefault((entry.experiment.fingerprint, seed), (name, entry.experiment, seed))
    # Runs that train come first, since runs that only test need their checkpoints.
    runs = dict(sorted(runs.items(), key=lambda item: not item[1][1].trains))
    failed = {}
    columns = TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True, soft_wrap=True, highlight=False)) as progress:
        task = progress.add_task('runs', total=len(runs))
        names = {key: name for key, (name, *_) in runs.items()}
        for experiment, seed, error in RunPool(jobs).run([run for _, *run in runs.values()]):
            name = names[experiment.fingerprint, seed]
            progress.advance(task)
            if error is None:
                seconds = experiment.metrics(seed)['seconds']
                progress.print(f'{name}: done in {seconds:.0f} s, {experiment.folder}', markup=False)
            else:
                failed[name] = str(error)
                progress.print(f'{name}: failed\n{error}', markup=False)
    return failed


def main(argv=None):
    args = parse_args(argv)
    table = TABLES[args.table]
    datasets = list(dict.fromkeys(args.data or table.data))
    try:
        # mmengine logs to stdout, where only the table is to go.
        with contextlib.redirect_stdout(sys.stderr):
            entries = plan(table, datasets, args.seeds, args.cfg_options, args.work_dir, args.form)
            failed = {} if args.print_only else run_missing(entries, args.jobs)
            rows = []
            for data in datasets:
                rows += summarize(table, [entry for entry in entries if entry.data == data])
        content = {
            'name': args.table,
            'title': table.title,
            'reference': table.reference,
            'source': table.source,
            'unit': 'percent',
            'date': datetime.now().isoformat(timespec='seconds'),
            'command': shlex.join(
                ['python', 'tools/experiments/ablation.py', *(sys.argv[1:] if argv is None else argv)]
            ),
            'version': fsptal_mm.__version__,
            'rows': rows,
            'failed': failed,
        }
        text = to_markdown(content)
        print(text)
        form = [] if args.form == 'tuned' else [args.form]
        stem = Path(args.work_dir, '-'.join([args.table, *(args.data or []), *form]))
        with atomic_write(f'{stem}.md') as file:
            file.write(text)
        write_json(f'{stem}.json', content)
    except InputError as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        sys.exit('interrupted: run the same command again, and it goes on with the missing runs')
    raise SystemExit(int(bool(failed)))


if __name__ == '__main__':
    # On SIGTERM, raise KeyboardInterrupt, so that the processes of the runs are ended, too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main()
