"""Draw point labels in the ground-truth segments of a dataset.

Example:
    python tools/data/make_points.py gt_full.json point_labels.csv --split-file split_train.txt --style gaussian
"""

import argparse
import csv
import runpy
import sys
from dataclasses import replace
from pathlib import Path


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('ann_file', help='gt.json of LACP, HR-Pro or ActivityNet, or the plain format')
    parser.add_argument('out', help='file to write: .json (plain format, with the segments) or .csv (format of LACP)')
    parser.add_argument(
        '--style',
        choices=('centre', 'gaussian', 'uniform'),
        default='gaussian',
        help='position of a point in its segment: the middle, normally distributed about the middle, or anywhere',
    )
    parser.add_argument(
        '--background',
        action='store_true',
        help='also draw one background click in each stretch without an action (.json only)',
    )
    parser.add_argument('--per-instance', type=int, default=1, help='points per segment (default: 1)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the random draw (default: 0)')
    parser.add_argument('--split-file', help='video ids, one per line (default: --subset, else all videos)')
    parser.add_argument('--subset', help='subset of the annotation file, if --split-file is not given')
    parser.add_argument('--fps-file', help='JSON from video id to native frames per second; needed for .csv')
    parser.add_argument('--classes', help='class names, one per line, in the order of their indices')
    return parser.parse_args(argv)


if __name__ == '__main__':  # check the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__,
        parse_args,
        ann_file='a readable file',
        split_file='a readable file',
        fps_file='a readable file',
        classes='a readable file',
    )

import numpy as np

from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.datasets.annotations.writers import save_plain
from fsptal_mm.datasets.point_sampling import draw_background, draw_points, video_rng
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.wording import counted
from fsptal_mm.utils.writing import atomic_write


def with_drawn_points(record, style, per_instance, seed, background=False):
    """Copy a record, with points drawn in its segments and, with ``background``, background clicks between them.

    Args:
        record (VideoRecord): Video with segments.
        style: Position of a point in its segment, see :func:`.draw_points`.
        per_instance: Number of points in each segment.
        seed: Seed of the draw. The points of a video do not depend on the other videos.
        background: Whether to draw a click in each stretch without an action.

    Raises:
        InputError: The video has no duration, which ``background`` needs.
    """
    start, end = record.segments_sec.T
    visible = (start < end) & (start < (record.duration_sec or np.inf))
    instances = np.repeat(np.flatnonzero(visible), per_instance)
    point_sec = draw_points(record.segments_sec[instances], style, video_rng(seed, record.video_id))
    order = np.argsort(point_sec, kind='stable')
    clicks = np.zeros(0)
    if background:
        if record.duration_sec is None:
            raise InputError('a duration, for --background', video=record.video_id, field='duration_sec')
        clicks = draw_background(record.segments_sec, record.duration_sec, video_rng(seed, record.video_id))
    return replace(
        record,
        point_sec=point_sec[order],
        point_labels=record.segment_labels[instances][order],
        point_instances=instances[order],
        background_sec=clicks,
    )


def save_csv(path, annotations):
    """Write the points in LACP's csv format.

    Raises:
        InputError: A video has no ``fps``, which is needed since a csv states points as frame numbers.
    """
    with atomic_write(path, newline='') as file:
        writer = csv.writer(file)
        writer.writerow(['class', 'class_index', 'start_frame', 'stop_frame', 'video_id', 'point'])
        for record in annotations.videos.values():
            if record.fps is None:
                expected = 'its native frames per second (--fps-file), since points in a csv are frame numbers'
                raise InputError(expected, file=path, video=record.video_id, field='fps')
            bounds = record.segments_sec[record.point_instances] * record.fps
            # A frame number stands for the time at which the frame starts. Among the frames that start in the segment,
            # the frame whose start is nearest to the point is taken. If no frame starts in the segment, the frame that
            # is shown at its end is taken.
            frames = np.clip(np.rint(record.point_sec * record.fps), np.ceil(bounds[:, 0]), np.floor(bounds[:, 1]))
            for label, (start, stop), frame in zip(record.point_labels, bounds.tolist(), frames.astype(int)):
                writer.writerow([annotations.classes[label], label, start, stop, record.video_id, frame])


def main(argv=None):
    args = parse_args(argv)
    suffix = Path(args.out).suffix.lower()
    if suffix not in ('.csv', '.json'):
        raise InputError('a file that ends in .csv or .json', field='out', found=args.out)
    if args.background and suffix == '.csv':
        raise InputError('a file that ends in .json, since csv has no background clicks', field='out', found=args.out)
    if args.per_instance < 1:
        raise InputError('at least 1', field='--per-instance', found=args.per_instance)
    sources = {name: getattr(args, name) for name in ('split_file', 'subset', 'fps_file', 'classes')}
    annotations = load_annotations(args.ann_file, **sources)
    annotations.videos = {
        video_id: with_drawn_points(record, args.style, args.per_instance, args.seed, args.background)
        for video_id, record in annotations.videos.items()
    }
    (save_csv if suffix == '.csv' else save_plain)(args.out, annotations)
    num_points = sum(len(record.point_sec) for record in annotations.videos.values())
    num_clicks = sum(len(record.background_sec) for record in annotations.videos.values())
    clicks = f' and {counted(num_clicks, "background click")}'
    print(
        f'{args.out}: {counted(num_points, "point")}{clicks * args.background} in '
        f'{counted(len(annotations.videos), "video")}, style {args.style}, seed {args.seed}'
    )


if __name__ == '__main__':
    try:
        main()
    except InputError as error:
        sys.exit(f'error: {error}')
