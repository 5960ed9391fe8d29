r"""Generate the embedded dataset (synthetic videos), or synthetic features of the same kind for real annotations.

Examples:
    python tools/data/make_synthetic.py data/synthetic
    python tools/data/make_synthetic.py data/thumos14_shaped --part train --ann-file THUMOS14/gt_full.json \
        --split-file THUMOS14/split_train.txt --point-file THUMOS14/point_gaussian/point_labels.csv \
        --fps-file THUMOS14/fps_dict.json --count 60 --max-sec 400 --params dim=256
"""

import argparse
import runpy
import sys
from pathlib import Path


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('out', help='folder to write')
    parser.add_argument(
        '--params', nargs='+', action='extend', default=[], help='fields of SyntheticParams, e.g. dim=256'
    )
    real = parser.add_argument_group('features for real annotations, into OUT/features/PART')
    real.add_argument('--ann-file', help='gt.json of LACP, HR-Pro or ActivityNet, or the plain format; with segments')
    real.add_argument(
        '--part', choices=('train', 'test'), default='train', help='PART, to which the videos belong (default: train)'
    )
    real.add_argument('--split-file', help='video ids, one per line (default: --subset, else all videos)')
    real.add_argument('--subset', help='subset of the annotation file, if --split-file is not given')
    real.add_argument('--point-file', nargs='+', help='points: csv, txt or plain JSON; one file per annotator')
    real.add_argument('--fps-file', help='JSON from video id to native frames per second')
    real.add_argument(
        '--count', type=int, help='number of videos to choose, so that every class occurs (default: all videos)'
    )
    real.add_argument(
        '--max-sec', type=float, default=float('inf'), help='with --count: leave out videos of longer duration'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':  # check the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__,
        parse_args,
        ann_file='a readable file',
        split_file='a readable file',
        point_file='a readable file',
        fps_file='a readable file',
    )

from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.datasets.annotations.writers import save_plain
from fsptal_mm.datasets.synthetic.features import SyntheticParams
from fsptal_mm.datasets.synthetic.generator import ensure_synthetic, save_split, select_videos
from fsptal_mm.utils.configs import read_options
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.wording import counted


def main(argv=None):
    args = parse_args(argv)
    params = read_options(args.params, '--params')
    if args.ann_file is None:
        print(ensure_synthetic(args.out, **params))
        return
    sources = {name: getattr(args, name) for name in ('split_file', 'subset', 'point_file', 'fps_file')}
    annotations = load_annotations(args.ann_file, **sources)
    if args.count is not None:
        annotations = select_videos(annotations, args.count, args.max_sec)
    save_split(args.out, args.part, annotations, SyntheticParams.from_dict(params))
    # The annotations are written last: if this file exists, the features are complete.
    path = Path(args.out, f'annotations_{args.part}.json')
    save_plain(path, annotations)
    print(f'{path}: {counted(len(annotations.videos), "video")}, {counted(len(annotations.classes), "class")}')


if __name__ == '__main__':
    try:
        main()
    except InputError as error:
        sys.exit(f'error: {error}')
