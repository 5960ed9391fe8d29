r"""Convert annotations of any supported format into the plain JSON format of fsptal_mm.

Examples:
    python tools/data/convert_annotations.py OUT.json --ann-file gt.json --split-file split_train.txt \
        --point-file point_gaussian/point_labels.csv --fps-file fps_dict.json
    python tools/data/convert_annotations.py OUT.json --point-file marks.csv --columns video=File time=Begin label=Class
"""

import argparse
import runpy
import sys
from pathlib import Path


def _column(text):
    field, equals, name = text.partition('=')
    if not equals:
        raise argparse.ArgumentTypeError(f'expected FIELD=COLUMN, but got {text}')
    return field.strip(), name.strip()


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('out', help='JSON file to write')
    parser.add_argument('--ann-file', help='JSON of LACP, HR-Pro, ActivityNet or mmaction2, or the plain format')
    parser.add_argument(
        '--split-file',
        help='video ids, one per line (default: --subset, else all videos of --ann-file or --point-file)',
    )
    parser.add_argument('--subset', help='subset of the annotation file, if --split-file is not given')
    parser.add_argument(
        '--point-file',
        nargs='+',
        help='points: csv, txt, JSON, or an export of an annotation tool; '
        'if several files have points of a video, the points of one file are taken',
    )
    parser.add_argument(
        '--columns',
        nargs='+',
        type=_column,
        metavar='FIELD=COLUMN',
        help='columns of a point file in any other table format: label=, and time= (seconds or clock times) or frame=; '
        'optional: video=, end=. COLUMN is the title of the column or, in a table without titles, its number, from 1',
    )
    parser.add_argument('--fps-file', help='JSON from video id to native frames per second')
    parser.add_argument(
        '--ambiguous-file', help='ranges where it is not clear whether an action happens: lines of id, start and end'
    )
    parser.add_argument('--classes', help='class names, one per line, in the order of their indices')
    parser.add_argument(
        '--annotator',
        type=int,
        metavar='N',
        help='read point file N alone, counted from 0, and no other (default: read all; of a video that is in several, '
        'one file is drawn at random)',
    )
    parser.add_argument('--seed', type=int, default=0, help='seed for drawing a point file for each video (default: 0)')
    parser.add_argument(
        '--other-labels',
        choices=('error', 'leave out'),
        default='error',
        help='what to do with labels that are not in --classes (default: error)',
    )
    parser.add_argument(
        '--background-label', default='background', help='label of background clicks (default: background)'
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
        ambiguous_file='a readable file',
        classes='a readable file',
    )

from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.datasets.annotations.writers import save_plain
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.wording import counted

_NAMED = 5  # largest number of videos that a line names


def main(argv=None):
    args = vars(parse_args(argv))
    out, columns = args.pop('out'), args.pop('columns')
    annotations = load_annotations(args.pop('ann_file'), columns=columns and dict(columns), **args)
    save_plain(out, annotations)
    videos = annotations.videos.values()
    print(
        f'{out}: {counted(len(videos), "video")} ({sum(not len(video.point_sec) for video in videos)} without points), '
        f'{counted(len(annotations.classes), "class")}, '
        f'{counted(sum(len(video.point_sec) for video in videos), "point")}, '
        f'{counted(sum(len(video.background_sec) for video in videos), "background point")}, '
        f'{counted(sum(len(video.segments_sec) for video in videos), "segment")}'
    )
    files, annotator = args['point_file'] or [], args['annotator']
    if annotator is not None and len(files) > 1:
        others = ', '.join(file for index, file in enumerate(files) if index != annotator)
        files = [files[annotator]]
        print(f'--annotator {annotator}: points of {files[0]} alone; not read: {others}')
    for file in files:
        if (name := Path(file).stem) in annotations.videos:
            print(f'{file}: rows without a video are taken as points of the video {name}, as the file has its name')
    if drawn := annotations.drawn:
        named = ', '.join(drawn[:_NAMED]) + (', ...' if len(drawn) > _NAMED else '')
        print(
            f'{counted(len(drawn), "video")} with points in several files ({named}): for each of them, one file was '
            'drawn; to choose the file yourself, delete the video from the other files'
        )


if __name__ == '__main__':
    try:
        main()
    except InputError as error:
        sys.exit(f'error: {error}')
