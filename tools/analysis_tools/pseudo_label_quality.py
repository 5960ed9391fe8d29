"""Compare the pseudo labels of runs with the ground truth, epoch by epoch: mined labels and best segments.

During training, the hook dict(type='PseudoLabelMiningHook', dump=True) in custom_hooks writes the files that this tool
reads. The ground truth is for this analysis only; training never reads it.

Examples:
    python tools/train.py CONFIG --cfg-options custom_hooks.0.dump=True
    python tools/analysis_tools/pseudo_label_quality.py work_dirs/fsptal-tuned_synthetic
    python tools/analysis_tools/pseudo_label_quality.py work_dirs/a work_dirs/b --plot quality.png --json quality.json
"""

import argparse
import runpy
import sys
from pathlib import Path


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dirs', nargs='+', metavar='WORK_DIR', help='work directories of the runs')
    parser.add_argument('--names', nargs='+', metavar='NAME', help='names of the runs; default: their folders')
    parser.add_argument('--json', type=Path, metavar='OUT', help='write the figures into this JSON file, as fractions')
    parser.add_argument('--plot', type=Path, metavar='OUT', help='draw the figures into this PNG, SVG or PDF file')
    args = parser.parse_args(argv)
    args.names = args.names or args.work_dirs
    if len({*args.names}) < len(args.work_dirs) or len(args.names) != len(args.work_dirs):
        parser.error(f'found the names {", ".join(args.names)}, expected {len(args.work_dirs)} different ones')
    return args


if __name__ == '__main__':  # checks the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__, parse_args, work_dirs='a work directory'
    )

from fsptal_mm.evaluation.functional import summary_table
from fsptal_mm.evaluation.label_quality import MEASURES, quality_over_training
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import write_json
from fsptal_mm.visualization import SUFFIXES, label_quality_figure, save_figure


def main(argv=None):
    args = parse_args(argv)
    try:
        if args.plot and args.plot.suffix.lower() not in SUFFIXES:
            raise InputError(f'a path that ends with one of {", ".join(SUFFIXES)}', field='--plot', found=args.plot)
        runs = {name: quality_over_training(work_dir) for name, work_dir in zip(args.names, args.work_dirs)}
        report(runs, args.json, args.plot)
    except InputError as error:
        sys.exit(f'error: {error}')


def report(runs, json_path, plot_path):
    """Print the table, write its numbers as JSON, and draw them.

    Args:
        runs (dict[str, dict]): Results of :func:`quality_over_training` by the names of the runs.
        json_path, plot_path: Files to write; ``None`` writes none.
    """
    rows = {
        f'{name}, {epoch} epochs done': {measure: values.get(measure, float('nan')) for measure in MEASURES}
        for name, figures in runs.items()
        for epoch, values in figures.items()
    }
    print(summary_table(rows, 'in percent'))
    if json_path:
        write_json(json_path, runs)
    if plot_path:
        print(save_figure(label_quality_figure(runs), plot_path))


if __name__ == '__main__':
    main()
