"""Train and test several localizers and compare accuracy and cost; finished runs are not repeated.

Examples:
    python tools/experiments/compare.py
    python tools/experiments/compare.py --configs my_config.py configs/lacp/lacp_synthetic.py --seeds 0 1 2

Without --configs, it compares FS-PTAL tuned, LACP, MIL, mmaction2's BMN, and fully supervised localizers on pseudo
segments, see ALONGSIDE in tables/methods.py. Runs lie in the same folders as those of ablation.py, and are shared.

Training time is the sum over the steps, reading of data included, validation excluded. Inference time is the time from
features in memory to detections, one video or window at a time, for a minute of video. Both times depend on what else
the machine does, so run one job at a time.
"""

import argparse
import contextlib
import json
import runpy
import sys
import time
from datetime import date
from pathlib import Path

from run_arguments import check_numbers_of_runs


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--configs', nargs='+', metavar='CONFIG', help='configs, one for each row; all are compared with the first'
    )
    parser.add_argument(
        '--data', default='synthetic', metavar='NAME', help='dataset of the rows (default: %(default)s)'
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0], metavar='S', help='seeds of each row (default: 0)')
    parser.add_argument(
        '--jobs',
        type=int,
        default=1,
        metavar='N',
        help='runs at the same time (default: 1; more make the times longer)',
    )
    parser.add_argument(
        '--work-dir', default='work_dirs/tables', metavar='DIR', help='folder of runs and tables (default: %(default)s)'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', default=[], metavar='KEY=VALUE', help='changes of the configs of all rows'
    )
    parser.add_argument('--print-only', action='store_true', help='print what is finished, run nothing')
    args = parser.parse_args(argv)
    check_numbers_of_runs(parser, args)
    return args


if __name__ == '__main__':  # check the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__, parse_args, configs='a config file'
    )

import torch
from ablation import plan, run_missing
from mmaction.apis import init_recognizer
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader
from rich import box
from rich.table import Table as RichTable
from table_report import summarize
from tables import ALONGSIDE, Row, Table

from fsptal_mm.evaluation.functional import render_markdown
from fsptal_mm.utils.configs import naming_types
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import atomic_write, write_json

_MEASURES = ('mAP@0.5', 'AR@10', 'AR@50', 'AR@100')


@naming_types()
def costs(experiment, seed):
    """Measure the costs of a finished run once, and store them in its folder.

    Returns:
        dict: ``parameters``, the number of trained ones; ``training_sec``; and ``inference_sec_per_minute``, seconds
        for a minute of video.
    """
    path = experiment.run_folder(seed) / 'costs.json'
    if path.is_file():
        return json.loads(path.read_text())
    checkpoint = CheckpointLoader.load_checkpoint(experiment.checkpoint(seed), 'cpu', 'silent')
    step_sec, _ = checkpoint['message_hub']['log_scalars']['train/time'].data
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    model = init_recognizer(experiment.config, experiment.checkpoint(seed), device)
    batches = list(Runner.build_dataloader(experiment.config.test_dataloader))
    videos = {sample.video_id: sample.duration_sec for batch in batches for sample in batch['data_samples']}
    with torch.no_grad():
        model.test_step(batches[0])  # the first call is slower, and not timed
        started = time.perf_counter()
        for batch in batches:
            model.test_step(batch)  # returns results on the host, so the device has finished
    found = {
        'parameters': sum(part.numel() for part in model.parameters() if part.requires_grad),
        'training_sec': float(step_sec.sum()),
        'inference_sec_per_minute': (time.perf_counter() - started) / sum(videos.values()) * 60,
    }
    write_json(path, found)
    return found


def to_markdown(rows, reference):
    """Format the table as Markdown; its figures are means over the finished seeds.

    Args:
        rows (list[dict]): Rows of :func:`summarize`, with ``costs``.
        reference: Label of the row that the others are compared with.
    """
    table = RichTable('method', 'supervision', box=box.MARKDOWN)
    headings = [rows[0]['main'], *_MEASURES, f'minus {reference}', 'parameters', 'training', 'inference per minute']
    for heading in headings:
        table.add_column(heading, justify='right', no_wrap=True)
    for row in rows:
        figures = [row['metrics'].get(key) for key in (row['main'], *_MEASURES)]
        cells = [f'{figure["mean"]:.1f}' if figure else '-' for figure in figures]
        minus = row['difference']
        cells.append('{:+.1f} [{:+.1f}, {:+.1f}]'.format(minus['mean'], *minus['interval']) if minus else '')
        if row['costs']:
            mean = {key: sum(cost[key] for cost in row['costs']) / len(row['costs']) for key in row['costs'][0]}
            cells += [f'{mean["parameters"] / 1e6:.2f} M', f'{mean["training_sec"]:.0f} s']
            cells.append(f'{1000 * mean["inference_sec_per_minute"]:.1f} ms')
        table.add_row(row['label'], row['supervision'], *cells)
    return render_markdown(table)


def main(argv=None):
    args = parse_args(argv)
    table = ALONGSIDE
    if args.configs:
        rows = tuple(Row(Path(path).stem, str(Path(path).absolute())) for path in args.configs)
        table = Table('Configs', rows, rows[0].label)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            entries = plan(table, [args.data], args.seeds, args.cfg_options, args.work_dir)
            failed = {} if args.print_only else run_missing(entries, args.jobs)
            rows = summarize(table, entries)
            for entry, row in zip(entries, rows):
                row['costs'] = [costs(entry.experiment, seed) for seed in row['finished']]
        text = to_markdown(rows, table.reference)
        print(text)
        stem = Path(args.work_dir, f'compare-{args.data}')
        content = {'date': date.today().isoformat(), 'seeds': args.seeds, 'rows': rows, 'failed': failed}
        write_json(f'{stem}.json', content)
        with atomic_write(f'{stem}.md') as file:
            file.write(f'{text}\n')
    except InputError as error:
        sys.exit(f'error: {error}')
    except KeyboardInterrupt:
        sys.exit('interrupted: run the same command again, and it goes on with the missing runs')
    raise SystemExit(int(bool(failed)))


if __name__ == '__main__':
    main()
