"""Measure how good the score thresholds are that choose_threshold.py chooses, on test videos with segments.

For each dataset and seed, FS-PTAL refined is trained with one fold of its training videos held out. The thresholds are
chosen by the points of the fold. The table has F1 on the test videos with these thresholds, and F1 with the one
threshold that is best for the test videos. A detection is a true positive "by segments" if its tIoU with a test segment
is 0.5 or more, "by points" if it covers the point in the middle of a test segment and no other such point.

Example:
    python tools/experiments/operating_points.py --data spatialcnn_gtea --seeds 0 1 2
"""

import argparse
import contextlib
import runpy
import sys
from pathlib import Path

from run_arguments import check_numbers_of_runs


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--data', nargs='+', default=['synthetic'], metavar='NAME', help='datasets (default: %(default)s)'
    )
    parser.add_argument('--seeds', nargs='+', type=int, default=[0, 1, 2], metavar='S', help='default: 0 1 2')
    parser.add_argument('--folds', type=int, default=4, metavar='N', help='one of N folds is held out (default: 4)')
    group = 'videos whose ids agree in this pattern are held out together (fold.group), e.g. those of a person'
    parser.add_argument('--group', metavar='REGEX', help=group)
    parser.add_argument('--jobs', type=int, default=1, metavar='N', help='runs at the same time (default: 1)')
    parser.add_argument(
        '--work-dir', default='work_dirs/tables', metavar='DIR', help='folder of the runs (default: %(default)s)'
    )
    args = parser.parse_args(argv)
    check_numbers_of_runs(parser, args)
    return args


if __name__ == '__main__':  # checks the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](__file__, parse_args)

import numpy as np
from ablation import run_missing
from rich import box
from rich.table import Table as RichTable
from table_report import Entry
from table_runs import ROOT, Experiment
from tables import Row
from tables.table import REFINED

from fsptal_mm.apis.operating_points import choose_for_checkpoint
from fsptal_mm.evaluation.functional import match_detections, match_points, render_markdown, sample_deviation
from fsptal_mm.evaluation.operating_point import best_score
from fsptal_mm.report.results import VIDEO_TIOU, load_test_set
from fsptal_mm.structures import Instances
from fsptal_mm.utils.errors import InputError


def f1_of(hits, num_truth):
    """F1 of detections, from their true positives ``(N,)`` bool."""
    return 2 * hits.sum() / max(len(hits) + num_truth, 1)


def f1_figures(truth, det, chosen):
    """F1 by segments with the chosen thresholds and with the best one, then both by points.

    Args:
        truth (Instances): Segments of the test videos.
        det (Instances): Detections, with all scores.
        chosen (OperatingPoint): The chosen thresholds.
    """
    det = det[np.argsort(-det.scores, kind='stable')]
    middle = Instances(truth.videos, truth.labels, truth.segments.mean(1, keepdims=True).repeat(2, 1))
    figures = []
    for hits in (match_detections(truth, det, [VIDEO_TIOU])[0], match_points(middle, det) >= 0):
        best = best_score(det.scores, hits, len(truth))
        figures += [f1_of(hits[chosen.keeps(det)], len(truth)), f1_of(hits[det.scores >= best], len(truth))]
    return figures


def measure(experiment, seed):
    """Choose thresholds for a finished run; return the number of held-out points, and :func:`f1_figures`."""
    chosen = choose_for_checkpoint(experiment.config, experiment.checkpoint(seed))
    test_set = load_test_set(experiment.config)
    det = test_set.read_detections(experiment.results_file(seed))
    return chosen.overall.num_points, f1_figures(test_set.segments, det, chosen)


def main(argv=None):
    args = parse_args(argv)
    fold = ['index=0', f'count={args.folds}', 'part=train', *([f'group={args.group}'] if args.group else [])]
    options = [f'train_dataloader.dataset.fold.{field}' for field in fold]
    options += ['val_dataloader=None', 'val_evaluator=None', 'val_cfg=None']
    table = RichTable('dataset', 'held-out points', 'seeds', box=box.MARKDOWN)
    for heading in ('by segments', 'best threshold, by segments', 'by points', 'best threshold, by points', 'lost'):
        table.add_column(heading, justify='right')
    try:
        with contextlib.redirect_stdout(sys.stderr):
            entries = []
            for data in args.data:
                path = ROOT / REFINED.format(data=data)
                experiment = Experiment.resolve(path, options, args.work_dir)
                entries.append(Entry(data, Row('FS-PTAL refined'), tuple(args.seeds), experiment))
            failed = run_missing(entries, args.jobs)
            for entry in entries:
                done = [seed for seed in entry.seeds if entry.experiment.metrics(seed) is not None]
                if not done:
                    continue
                counts, figures = zip(*(measure(entry.experiment, seed) for seed in done))
                figures = 100 * np.array(figures)
                cells = [f'{column.mean():.1f} ± {sample_deviation(column):.1f}' for column in figures.T]
                lost = figures[:, 1] - figures[:, 0]
                cells.append(' / '.join(f'{value:.1f}' for value in lost))
                table.add_row(entry.data, str(counts[0]), ', '.join(map(str, done)), *cells)
    except InputError as error:
        sys.exit(f'error: {error}')
    print(render_markdown(table))
    raise SystemExit(int(bool(failed)))


if __name__ == '__main__':
    main()
