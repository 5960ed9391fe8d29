"""Convert features in files of torch (.pt, .pth) and pickle (.pkl, .npy of objects) to .npy, one file per video.

No code in a file is run. A file may hold numbers, texts, lists and dicts; anything else in it is an error. A file with
several videos becomes one .npy file per video. Files that cannot be converted are reported at the end, with exit
status 1.

Example:
    python tools/data/convert_features.py data/mine/features old/*.pkl --key rgb
"""

import argparse
import runpy
import sys
from pathlib import Path


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('out_dir', help='folder for the files VIDEO.npy')
    parser.add_argument('files', nargs='+', help='files to convert: .pt, .pth, .pkl, .pickle or .npy')
    parser.add_argument('--key', help='if a file holds a dict: key of the array (default: the only array)')
    parser.add_argument(
        '--names', help='if a file holds a list of arrays: text file with their video ids, one per line, in their order'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':  # check the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__, parse_args, files='a file of features', names='a readable file'
    )

import numpy as np

from fsptal_mm.datasets.annotations.readers import read_split
from fsptal_mm.datasets.pickled_features import read_pickled
from fsptal_mm.utils.errors import InputError, WriteError
from fsptal_mm.utils.reading import path_below
from fsptal_mm.utils.wording import counted
from fsptal_mm.utils.writing import atomic_write


def main(argv=None):
    args = parse_args(argv)
    names = args.names and read_split(args.names)
    written, errors = {}, []
    for file in args.files:
        try:
            convert(file, args, names, written)
        except WriteError:  # such as a full disk, which stops the other files, too
            raise
        except InputError as error:
            errors.append(error)
    print(f'{args.out_dir}: {counted(len(written), "video")}')
    for error in errors:
        print(f'error: {error}')
    if errors:
        sys.exit(1)


def convert(file, args, names, written):
    """Convert the videos of a file; ``written`` is a dict from video id to file, of those that were written.

    Raises:
        InputError: The file cannot be read, or has a video that cannot be written; no video of it is written then.
    """
    features = read_pickled(file, args.key, names)
    targets = {}
    for video_id in features:
        if video_id in written:
            raise InputError('every video once', file=file, video=video_id, found=f'also in {written[video_id]}')
        try:
            targets[video_id] = target = path_below(args.out_dir, video_id, '.npy')
        except InputError as error:
            raise InputError(error.expected, file=file, field=error.field, found=error.found) from None
        if target.exists() and any(target.samefile(source) for source in args.files if Path(source).exists()):
            raise InputError('another folder than that of FILES', file=file, field='OUT_DIR', found=args.out_dir)
    for video_id, array in features.items():
        with atomic_write(targets[video_id], 'wb') as out:
            np.save(out, np.asarray(array, dtype=np.float32), allow_pickle=False)
        written[video_id] = file


if __name__ == '__main__':
    try:
        main()
    except InputError as error:
        sys.exit(f'error: {error}')
