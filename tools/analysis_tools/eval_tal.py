"""Evaluate detections of any program in ActivityNet's format: mAP, AR@AN (average recall) and further measures."""

import argparse
import runpy
import sys
from pathlib import Path

from file_arguments import FILES, add_file_arguments


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__)
    add_file_arguments(parser)
    parser.add_argument(
        '--preset',
        choices=('activitynet', 'thumos14'),
        default='thumos14',
        help='dataset whose tIoUs to use; default: %(default)s',
    )
    parser.add_argument('--tiou', nargs='+', type=float, metavar='T', help='tIoUs instead of those of the preset')
    parser.add_argument('--per-class', action='store_true', help='print the average precision of each class, too')
    parser.add_argument('--json', type=Path, metavar='OUT', help='write the figures into this JSON file, as fractions')
    return parser.parse_args(argv)


if __name__ == '__main__':  # checks the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](__file__, parse_args, **FILES)

import numpy as np

from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.evaluation import GroundTruth, describe_result
from fsptal_mm.evaluation.functional import Protocol, class_table, summary_table
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.wording import counted
from fsptal_mm.utils.writing import write_json


def load_ground_truth(args, protocol):
    """Read the ground truth of the videos that the command line names.

    Args:
        args (Namespace): Arguments of ``add_file_arguments``.
        protocol (Protocol): tIoUs and averages.

    Returns:
        GroundTruth: Segments of these videos, with ambiguous ranges if their file is given.

    Raises:
        InputError: A file cannot be read, or there is no ground-truth segment in these videos.
    """
    annotations = load_annotations(
        args.ground_truth, split_file=args.split, subset=args.subset, ambiguous_file=args.ambiguous
    )
    ground_truth = GroundTruth.from_annotations(annotations, protocol, args.ambiguous is not None)
    ground_truth.check_has_segments(args.ground_truth)
    return ground_truth


def main(argv=None):
    args = parse_args(argv)
    try:
        protocol = Protocol.from_config(args.preset, args.tiou)
        ground_truth = load_ground_truth(args, protocol)
        evaluations = {path: ground_truth.evaluate(ground_truth.read_detections(path)) for path in args.results}
        report(args, ground_truth, evaluations)
    except InputError as error:
        sys.exit(f'error: {error}')


def report(args, ground_truth, evaluations):
    """Print the tables, write the figures if a file is named, and print one sentence for each results file."""
    segments, classes = ground_truth.segments, ground_truth.classes
    counts = np.bincount(segments.labels, minlength=len(classes))
    present = np.count_nonzero(counts)
    print(
        f'{args.ground_truth}: {counted(len(ground_truth.ids), "video")}, '
        f'{counted(len(segments), "segment")} of {counted(present, "class")}'
    )
    for path, evaluation in evaluations.items():
        print(f'{path}: {evaluation.describe_filter()}')
        if args.per_class:
            print(class_table(evaluation.ap, counts, classes, ground_truth.protocol))
    print(summary_table({path: evaluation.measures for path, evaluation in evaluations.items()}, 'in percent'))
    if args.json is not None:
        figures = {
            path: {'detections': evaluation.describe_filter(), 'metrics': evaluation.measures}
            for path, evaluation in evaluations.items()
        }
        write_json(args.json, figures)
    for path, evaluation in evaluations.items():
        print(f'{path}: {describe_result(ground_truth, evaluation)}')


if __name__ == '__main__':
    main()
