"""Judge files of detections in ActivityNet's format, whoever wrote them."""

import argparse
import sys
from pathlib import Path

import numpy as np

from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.evaluation import read_results, to_instances
from fsptal_mm.evaluation.functional import PRESETS, Protocol, class_table, evaluate_detections, summary_table
from fsptal_mm.structures import Instances
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import known_id
from fsptal_mm.utils.writing import write_json


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    add_file_arguments(parser)
    parser.add_argument('--preset', choices=sorted(PRESETS), default='thumos14', help='tIoUs; default: %(default)s')
    parser.add_argument('--tiou', nargs='+', type=float, metavar='T', help='tIoUs instead of those of the preset')
    parser.add_argument('--per-class', action='store_true', help='print the average precision of each class, too')
    parser.add_argument('--json', type=Path, metavar='OUT', help='write the figures (fractions) here')
    return parser.parse_args(argv)


def add_file_arguments(parser):
    """Let a parser take results files and what they are judged by, for :func:`load_truth`."""
    parser.add_argument('results', nargs='+', metavar='RESULT', help='results files, one of each model')
    parser.add_argument('ground_truth', metavar='GT', help='annotations, as the data set takes them (ann_file)')
    videos = parser.add_mutually_exclusive_group()
    videos.add_argument('--split', metavar='FILE', help='ids of the videos to judge, one per line')
    videos.add_argument('--subset', metavar='NAME', help='subset of GT to judge; default: all its videos')
    parser.add_argument('--ambiguous', metavar='FILE', help='ranges; detections that overlap one are left out')


def load_truth(args):
    """The videos that the command line names.

    Returns:
        tuple[Annotations, Instances]: The videos, and their true segments, in the same order.

    Raises:
        InputError: A file cannot be read, or there is no true segment in these videos.
    """
    annotations = load_annotations(
        args.ground_truth, split_file=args.split, subset=args.subset, ambiguous_file=args.ambiguous
    )
    records = annotations.videos.values()
    gt = Instances.from_videos(
        [record.segments_sec for record in records], [record.segment_labels for record in records]
    )
    if not len(gt):
        raise InputError('at least one segment in the videos to judge', file=args.ground_truth, found='none')
    return annotations, gt


def read_detections(path, annotations):
    """Detections of a results file in the videos to judge: none where nothing was found in those that it lists.

    Raises:
        InputError: The file cannot be read, lists none of the videos, or detects other classes only in them.
    """
    results = read_results(path)
    det = to_instances(results, list(annotations.videos), annotations.classes, file=path)
    judged = [found for video, found in results.items() if known_id(video, annotations.videos) is not None]
    if not len(det) and (not judged or any(found['labels'] for found in judged)):
        raise InputError('detections of the classes of the videos to judge', file=path, found='none')
    return det


def judge(paths, annotations, gt, protocol, drop_ambiguous):
    """Evaluate results files against annotations.

    Args:
        paths (list[str]): Results files.
        annotations (Annotations): The videos to judge.
        gt (Instances): Their true segments.
        protocol (Protocol): tIoUs and averages.
        drop_ambiguous: Whether to leave out detections that overlap an ambiguous range.

    Returns:
        dict[str, Evaluation]: One for each file.
    """
    records = annotations.videos.values()
    ranges = Instances.from_videos([record.ambiguous_sec for record in records]) if drop_ambiguous else None
    evaluations = {}
    for path in paths:
        det = read_detections(path, annotations)
        evaluations[path] = evaluate_detections(gt, det, len(annotations.classes), protocol, ranges)
    return evaluations


def main(argv=None):
    args = parse_args(argv)
    try:
        protocol = Protocol.from_config(args.preset, args.tiou)
        annotations, gt = load_truth(args)
        evaluations = judge(args.results, annotations, gt, protocol, args.ambiguous is not None)
        report(args, annotations, gt, protocol, evaluations)
    except InputError as error:
        sys.exit(f'error: {error}')


def report(args, annotations, gt, protocol, evaluations):
    """Print the tables and write the figures."""
    counts = np.bincount(gt.labels, minlength=len(annotations.classes))
    present = np.count_nonzero(counts)
    print(f'{args.ground_truth}: {len(annotations.videos)} videos, {len(gt)} segments of {present} classes')
    for path, evaluation in evaluations.items():
        print(f'{path}: {evaluation.describe_filter()}')
        if args.per_class:
            print(class_table(evaluation.ap, counts, annotations.classes, protocol))
    print(summary_table({path: evaluation.measures for path, evaluation in evaluations.items()}, 'in percent'))
    if args.json is not None:
        figures = {
            path: {'detections': evaluation.describe_filter(), 'metrics': evaluation.measures}
            for path, evaluation in evaluations.items()
        }
        write_json(args.json, figures)


if __name__ == '__main__':
    main()
