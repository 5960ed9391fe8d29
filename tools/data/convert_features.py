"""Convert features in files of torch (.pt, .pth) and pickle (.pkl, .npy of objects) to .npy, one file per video.

No code in a file is run: a file may hold numbers, texts, lists and dicts; anything else in it is an error. A file with
several videos gives one .npy file for each of them.

Example:
    python tools/data/convert_features.py data/mine/features old/*.pkl --key rgb
"""

import argparse
import runpy
import sys
from pathlib import Path


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out_dir', help='folder for the files ID.npy')
    parser.add_argument('files', nargs='+', help='files to convert: .pt, .pth, .pkl, .pickle or .npy')
    parser.add_argument('--key', help='key of the array in a dict (default: the only array)')
    parser.add_argument(
        '--names', help='for a list of arrays: text file with their video ids, one per line, in the same order'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':  # before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__, parse_args, files='a file of features', names='a readable file'
    )

import numpy as np

from fsptal_mm.datasets.annotations.readers import read_split
from fsptal_mm.datasets.pickled_features import read_pickled
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import path_below
from fsptal_mm.utils.wording import counted
from fsptal_mm.utils.writing import atomic_write


def main(argv=None):
    args = parse_args(argv)
    names = args.names and read_split(args.names)
    written = {}
    for file in args.files:
        for video_id, array in read_pickled(file, args.key, names).items():
            if video_id in written:
                raise InputError('every video once', file=file, video=video_id, found=f'also in {written[video_id]}')
            written[video_id] = file
            target = path_below(args.out_dir, video_id, '.npy')
            if target.exists() and any(target.samefile(source) for source in args.files):
                raise InputError('another folder than that of FILES', field='OUT_DIR', found=args.out_dir)
            with atomic_write(target, 'wb') as out:
                np.save(out, np.asarray(array, dtype=np.float32), allow_pickle=False)
    print(f'{args.out_dir}: {counted(len(written), "video")}')


if __name__ == '__main__':
    try:
        main()
    except InputError as error:
        sys.exit(f'error: {error}')
