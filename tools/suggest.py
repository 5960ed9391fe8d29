"""Put unlabelled videos in the order in which to label them.

The videos that a model is least sure of, and that differ most from other videos, come first. Each video gets the
product of two numbers, and the largest product comes first. One number is the mean uncertainty of the video's likely
detections; the uncertainty of a detection is 1 if its score equals the threshold, and 0 if its score is 0. The other
number is the distance from the mean feature of the video to the nearest mean feature of a video that is labelled or
already in the order.

The tool prints the first videos of this order. It writes all unlabelled videos with their likely detections into a
file, for annotate.py --suggest. Every video of ANNOTATIONS counts as labelled.

Examples:
    python tools/suggest.py found/results.json data/mine/annotations.json data/mine/features
    python tools/annotate.py data/mine/videos --classes data/mine/classes.txt --suggest found/suggestions.json
"""

import argparse
import runpy
import sys
from pathlib import Path


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('results', type=Path, help='results.json that demo.py --score-threshold=-inf wrote')
    parser.add_argument('annotations', help='the labels so far, in any format that the dataset reads')
    parser.add_argument(
        'features', nargs='+', help='folder with the features of all these videos; for several streams, one folder each'
    )
    parser.add_argument(
        '--checkpoint',
        help='use the score thresholds that choose_threshold.py stored beside this file (default: the score at which '
        'unlabelled videos have on average as many detections as labelled videos have points)',
    )
    parser.add_argument('--out', type=Path, help='file to write (default: suggestions.json beside RESULTS)')
    parser.add_argument('--show', type=int, default=3, help='number of videos to print (default: %(default)s)')
    return parser.parse_args(argv)


if __name__ == '__main__':  # check the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parent / 'starting.py'))['start'](
        __file__,
        parse_args,
        results='a readable file',
        annotations='a readable file',
        features='a folder of features',
        checkpoint='a local checkpoint',
    )

from rich.console import Console
from rich.table import Table

from fsptal_mm.apis import mean_features, suggest_videos, unlabelled_videos
from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.evaluation import read_operating_point, read_results, write_results
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.wording import counted


def stored_thresholds(checkpoint):
    """Read the score threshold of each class from the operating point of a checkpoint.

    Raises:
        InputError: The checkpoint has no operating point.
    """
    chosen = read_operating_point(checkpoint)
    if chosen is None:
        expected = 'an operating point of this checkpoint, which choose_threshold.py makes'
        raise InputError(expected, file=checkpoint, field='--checkpoint', found='none')
    return {name: threshold.score for name, threshold in chosen.by_class.items()}


def main(argv=None):
    args = parse_args(argv)
    out = args.out or args.results.with_name('suggestions.json')
    try:
        if out.resolve() == args.results.resolve():
            raise InputError('another file than RESULTS', field='--out', found=out)
        labelled = load_annotations(args.annotations).videos
        thresholds = args.checkpoint and stored_thresholds(args.checkpoint)
        videos, thresholds = unlabelled_videos(read_results(args.results), labelled, thresholds)
        ranked = suggest_videos(videos, labelled, mean_features(args.features))
        write_results(out, {video.video_id: video.detections for video in ranked}, thresholds=thresholds)
    except InputError as error:
        sys.exit(f'error: {error}')
    table = Table('label next', 'likely detections', 'mean uncertainty, 0 to 1', 'x distance', '= product')
    for video in ranked[: args.show]:
        factors = video.uncertainty, video.distance, video.uncertainty * video.distance
        table.add_row(video.video_id, str(len(video.detections['labels'])), *(f'{factor:.3g}' for factor in factors))
    Console().print(table)
    print(f'{counted(len(ranked), "unlabelled video")}, in the order to label them: {out}')


if __name__ == '__main__':
    main()
