"""Analyse the errors of localizers as DETAD does (Alwassel et al., ECCV 2018).

The detections may come from any program, as files in ActivityNet's format.

Examples:
    python tools/analysis_tools/diagnose.py work_dirs/fsptal-tuned_synthetic/results.json \\
        data/synthetic/annotations.json --subset test -o work_dirs/diagnosis
    python tools/analysis_tools/diagnose.py ours.json theirs.json gt.json --split test.txt --names ours theirs -o out

Writes diagnosis.json, tables (diagnosis.md, diagnosis.csv) and pictures: error_profile, best_detections,
sensitivity, false_negatives.
"""

import argparse
import csv
import runpy
import sys
from pathlib import Path

from file_arguments import FILES, add_file_arguments


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_file_arguments(parser)
    parser.add_argument('--names', nargs='+', metavar='NAME', help='names of the models; default: parts of the paths')
    parser.add_argument(
        '--preset',
        choices=('activitynet', 'thumos14'),
        default='thumos14',
        help='dataset whose tIoUs and buckets to use; default: %(default)s',
    )
    parser.add_argument(
        '--tiou', nargs='+', type=float, metavar='T', help='tIoUs to average over, instead of those of the preset'
    )
    parser.add_argument(
        '--alpha',
        type=float,
        default=0.5,
        metavar='T',
        help='tIoU of error profile and false negatives; default: %(default)s',
    )
    parser.add_argument('-o', '--out', type=Path, required=True, metavar='DIR', help='output folder')
    parser.add_argument(
        '--format', choices=('png', 'svg', 'pdf'), default='png', help='format of the pictures; default: %(default)s'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':  # check the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](__file__, parse_args, **FILES)

from eval_tal import load_ground_truth

from fsptal_mm.evaluation import describe_result
from fsptal_mm.evaluation.diagnosis import (
    bucket_table,
    error_table,
    figure_rows,
    overview_table,
)
from fsptal_mm.evaluation.functional import Protocol
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import atomic_write, write_json
from fsptal_mm.visualization import (
    draw_best_detections,
    draw_error_profile,
    draw_false_negatives,
    draw_sensitivity,
    save_figure,
)


def main(argv=None):
    args = parse_args(argv)
    try:
        files = dict(zip(model_names(args.results, args.names), args.results))
        protocol = Protocol.from_config(args.preset, args.tiou)
        (alpha,) = Protocol.from_config(tiou_thresholds=args.alpha).tiou_thresholds
        ground_truth = load_ground_truth(args, protocol)
        diagnoses, sentences = {}, []
        for name, path in files.items():
            det = ground_truth.read_detections(path)
            diagnosis = ground_truth.diagnose(det, alpha, args.preset)
            diagnoses[name] = diagnosis.to_dict()
            evaluation = ground_truth.evaluate(det, proposals=False)
            sentences.append(f'{name}: {describe_result(ground_truth, evaluation, diagnosis)}')
        table = to_markdown(args.ground_truth, len(ground_truth.ids), diagnoses)
        print(table)
        write(args.out, args.format, table, diagnoses)
        print('\n' + '\n'.join(sentences))
    except InputError as error:
        sys.exit(f'error: {error}')


def model_names(paths, names=None):
    """Choose a name for each results file.

    Args:
        paths (Sequence[str]): The files.
        names (Sequence[str], optional): Default: the names of the files, else of their folders, else the paths.

    Returns:
        list[str]: One name for each file.

    Raises:
        InputError: The number of names is not that of the files, or a name occurs twice.
    """
    if names is None:
        files = [Path(path) for path in paths]
        choices = [[file.stem for file in files], [file.resolve().parent.name for file in files], [*map(str, paths)]]
        names = next((choice for choice in choices if len(set(choice)) == len(paths)), choices[-1])
    if len(names) != len(paths) or len(set(names)) < len(names):
        raise InputError(f'{len(paths)} different names, one for each results file', field='--names', found=names)
    return names


def to_markdown(ground_truth, num_videos, diagnoses):
    """Format all tables as Markdown, below a line with the ground-truth file and the number of videos."""
    tables = [f'{ground_truth}: {num_videos} videos', overview_table(diagnoses), error_table(diagnoses)]
    tables += [bucket_table(diagnoses, name) for name in next(iter(diagnoses.values()))['characteristics']]
    return '\n\n'.join(tables)


def write(folder, suffix, table, diagnoses):
    """Write diagnosis.json, diagnosis.md, diagnosis.csv and the four pictures into a folder."""
    write_json(folder / 'diagnosis.json', diagnoses)
    with atomic_write(folder / 'diagnosis.md') as file:
        file.write(table + '\n')
    with atomic_write(folder / 'diagnosis.csv', newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['model', 'measure', 'group', 'of', 'value'])
        writer.writerows(figure_rows(diagnoses))
    for draw in (draw_error_profile, draw_best_detections, draw_sensitivity, draw_false_negatives):
        save_figure(draw(diagnoses), folder / f'{draw.__name__.removeprefix("draw_")}.{suffix}')


if __name__ == '__main__':
    main()
