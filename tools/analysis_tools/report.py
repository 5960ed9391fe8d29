"""Write one HTML file about one or several runs: figures, classes, curves, diagnosis, best and worst videos, config.

Examples:
    python tools/analysis_tools/report.py work_dirs/fsptal-tuned_synthetic
    python tools/analysis_tools/report.py work_dirs/fsptal-tuned_synthetic work_dirs/lacp_synthetic -o compared.html

A work directory is the folder that tools/train.py and tools/test.py wrote into. Unfinished runs are allowed: the report
lists missing parts and how to get them. The HTML file opens in any browser from disk and needs no network.
"""

import argparse
import runpy
import sys
from pathlib import Path


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dirs', nargs='+', metavar='WORK_DIR', help='work directories of the runs')
    parser.add_argument(
        '-o', '--out', default='report.html', metavar='FILE', help='HTML file to write; default: %(default)s'
    )
    parser.add_argument(
        '--videos',
        type=int,
        default=3,
        metavar='N',
        help='draw timelines of the N best and N worst videos (default: %(default)s)',
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action='extend',
        metavar='KEY=VALUE',
        help='changes of the configs, such as test_dataloader.dataset.data_root=DIR if the data have moved',
    )
    args = parser.parse_args(argv)
    if args.videos < 0:
        parser.error(f'argument --videos: found {args.videos}, expected at least 0')
    return args


if __name__ == '__main__':  # checks the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__, parse_args, work_dirs='a work directory, as tools/train.py makes it'
    )

from fsptal_mm.report import published_figures, read_run, write_report
from fsptal_mm.utils.configs import read_options
from fsptal_mm.utils.errors import InputError


def run_names(work_dirs):
    """Name each run by the end of its path, as long as needed to tell the runs apart.

    Raises:
        InputError: A work directory is given twice.
    """
    paths = [Path(folder).absolute() for folder in work_dirs]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ['/'.join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise InputError('different work directories', field='WORK_DIR', found=work_dirs)


def main(argv=None):
    args = parse_args(argv)
    try:
        names, options = run_names(args.work_dirs), read_options(args.cfg_options)
        runs = [read_run(folder, name, options) for folder, name in zip(args.work_dirs, names)]
        replaces = Path(args.out).exists()
        write_report(args.out, runs, published_figures(runs), args.videos)
    except InputError as error:
        sys.exit(f'error: {error}')
    for run in runs:
        for sentence in run.missing:
            print(f'{run.name}: {sentence}')
    for run in runs:
        print(f'{run.name}: {run.headline}')
    print(args.out, 'replaced' if replaces else 'written')


if __name__ == '__main__':
    main()
