r"""Write detections for other programs: subtitles for video players, and files of the annotation tools VIA and ELAN.

In VIA and ELAN, a person can correct the detections.

Example:
    python tools/data/export_detections.py found/results.json found --format vtt via elan \
        --videos data/mine/videos/new --score-threshold 0.3
"""

import argparse
import runpy
import sys
from pathlib import Path

FORMATS = {'srt': 'srt', 'vtt': 'vtt', 'via': 'json', 'elan': 'eaf'}


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('results', help="results file in ActivityNet's format")
    parser.add_argument('out_dir', type=Path, help='folder for VIDEO.srt, VIDEO.vtt, VIDEO.eaf, via_project.json')
    parser.add_argument('--format', nargs='+', choices=FORMATS, default=['srt'], help='formats to write (default: srt)')
    parser.add_argument('--videos', metavar='FOLDER', help='folder of the videos, so that VIA and ELAN can open them')
    parser.add_argument('--classes', help='class list for VIA, one name per line (default: the detected classes)')
    parser.add_argument('--score-threshold', type=float, help='leave out detections of a lower score')
    parser.add_argument('--top-k', type=int, help='largest number of detections per video')
    args = parser.parse_args(argv)
    if args.top_k is not None and args.top_k < 1:
        parser.error(f'argument --top-k: found {args.top_k}, expected at least 1')
    return args


if __name__ == '__main__':  # check the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__, parse_args, results='a readable file', videos='a folder of videos', classes='a readable file'
    )

from fsptal_mm.datasets.annotations.readers import read_classes
from fsptal_mm.datasets.videos.reader import find_video_file
from fsptal_mm.evaluation import read_results
from fsptal_mm.evaluation.exports import strongest, write_elan, write_subtitles, write_via
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import path_below
from fsptal_mm.utils.wording import counted


def main(argv=None):
    args = parse_args(argv)
    results = read_results(args.results)
    chosen = {video: strongest(found, args.score_threshold, args.top_k) for video, found in results.items()}
    files = {video: args.videos and find_video_file(args.videos, video) for video in chosen}
    files = {video: file for video, file in files.items() if file}
    written = 0
    for video, found in chosen.items():
        for name in args.format:
            path = path_below(args.out_dir, video, f'.{FORMATS[name]}')
            if name == 'elan':
                write_elan(path, found, files.get(video))
            elif name != 'via':
                write_subtitles(path, found)
            written += name != 'via'
    if 'via' in args.format:
        detected = sorted({label for found in results.values() for label in found['labels']})
        listed = read_classes(args.classes) if args.classes else detected
        missing = sorted(set(detected) - set(listed))
        if missing:
            raise InputError(
                'all detected classes', file=args.classes, field='--classes', found=f'a list without {missing}'
            )
        write_via(args.out_dir / 'via_project.json', chosen, files, listed)
        written += 1
    count = sum(len(found['labels']) for found in chosen.values())
    print(
        f'{args.out_dir}: {counted(written, "file")}, {counted(count, "detection")} in {counted(len(chosen), "video")}'
    )
    if not args.videos and {'via', 'elan'} & set(args.format):
        print('The files of VIA and ELAN name no video file, since --videos was not given.')


if __name__ == '__main__':
    try:
        main()
    except InputError as error:
        sys.exit(f'error: {error}')
