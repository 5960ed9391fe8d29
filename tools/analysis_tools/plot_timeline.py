"""Draw labels, scores and proposals of single videos on a time axis, for one or several models.

The first rows show frames, ground truth and points. The rows of each model follow: extended labels, mined labels and
best segments (for training videos only), the final scores q-hat of the classes that occur, the background score b, and
proposals at the height of their scores. The ground truth of training videos is shown for analysis only.

Examples:
    python tools/analysis_tools/plot_timeline.py CONFIG CHECKPOINT
    python tools/analysis_tools/plot_timeline.py CONFIG CHECKPOINT --split train --videos v1 v2 --out 'out/{video}.svg'
    python tools/analysis_tools/plot_timeline.py FSPTAL_CONFIG FSPTAL_CHECKPOINT LACP_CONFIG LACP_CHECKPOINT
    python tools/analysis_tools/plot_timeline.py --results a.json b.json --ann-file gt.json --video-dir videos
"""

import argparse
import runpy
import sys
from dataclasses import replace
from pathlib import Path

_DEFAULT_VIDEOS = 3


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        'models',
        nargs='*',
        metavar='CONFIG CHECKPOINT',
        help='one pair for each model; models are drawn below each other',
    )
    parser.add_argument('--results', nargs='+', default=[], metavar='FILE', help="detections in ActivityNet's format")
    parser.add_argument('--ann-file', help='annotations for results without a model, in any format of the dataset')
    parser.add_argument('--names', nargs='+', metavar='NAME', help='names of the models, then of the results files')
    parser.add_argument(
        '--videos', nargs='+', metavar='ID', help=f'videos to draw; default: the first {_DEFAULT_VIDEOS}'
    )
    parser.add_argument(
        '--split',
        choices=('train', 'test'),
        default='test',
        help='training or test videos of the config; default: %(default)s',
    )
    parser.add_argument('--video-dir', metavar='DIR', help='folder of video files ID.*, for a row of frames')
    default = 'work_dirs/timelines/{video}.png'
    parser.add_argument('--out', default=default, metavar='PATH', help=f'PNG, SVG or PDF file; default: {default}')
    parser.add_argument(
        '--max-classes', type=int, default=20, metavar='N', help='at most N classes per video; default: %(default)s'
    )
    parser.add_argument(
        '--max-proposals',
        type=int,
        default=100,
        metavar='N',
        help='at most N proposals per model; default: %(default)s',
    )
    parser.add_argument(
        '--score-threshold',
        type=float,
        help="leave out the models' proposals of a lower score (default: that of choose_threshold.py, if there is one)",
    )
    parser.add_argument('--cfg-options', nargs='+', action='extend', help='changes of all configs, as in test.py')
    args = parser.parse_args(argv)
    if not args.models and not args.results:
        parser.error('found neither CONFIG CHECKPOINT nor --results, expected at least one of them')
    if len(args.models) % 2:
        parser.error(f'found {len(args.models)} paths of models, expected pairs of a config and a checkpoint')
    sources = len(args.models) // 2 + len(args.results)
    if args.names is not None and len(args.names) != sources:
        parser.error(
            f'argument --names: found {len(args.names)} names, expected {sources}, one for each model and results file'
        )
    for name in ('max_classes', 'max_proposals'):
        if getattr(args, name) < 0:
            parser.error(f'argument --{name.replace("_", "-")}: found {getattr(args, name)}, expected at least 0')
    return args


if __name__ == '__main__':  # checks the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__,
        parse_args,
        models=('a config file', 'a local checkpoint'),
        results='a readable file',
        ann_file='a readable file',
        video_dir='a folder of videos',
    )

from fsptal_mm.apis.model_loading import find_config
from fsptal_mm.apis.timelines import (
    add_results,
    join_tracks,
    read_frames,
    timelines_of_model,
    timelines_of_results,
)
from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.datasets.videos.reader import find_video_file, open_video
from fsptal_mm.evaluation import read_results
from fsptal_mm.utils.configs import merge_options, read_options
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.progress import VideoProgress
from fsptal_mm.visualization import SUFFIXES, draw_timeline


def collect(args):
    """Build the timelines of the videos that the command line names, by video id, without frames."""
    pairs = list(zip(args.models[::2], args.models[1::2]))
    names = args.names or [Path(config).stem for config, _ in pairs] + args.results
    if len({*names}) < len(names):
        raise InputError('a different name for each model and results file', field='--names', found=names)
    files = {name: read_results(path) for name, path in zip(names[len(pairs) :], args.results)}
    videos = args.videos or _DEFAULT_VIDEOS
    if not pairs:
        annotations = args.ann_file and load_annotations(args.ann_file)
        return timelines_of_results(files, annotations, videos)
    of_models = []
    for (path, checkpoint), name in zip(pairs, names):
        config = find_config(path)
        merge_options(config, read_options(args.cfg_options))
        of_models.append(timelines_of_model(config, checkpoint, args.split, videos, name, args.score_threshold))
        videos = list(of_models[0])  # all models show the videos of the first
    joined = {video_id: join_tracks(*(timelines[video_id] for timelines in of_models)) for video_id in videos}
    return add_results(joined, files)


def main(argv=None):
    args = parse_args(argv)
    try:
        if Path(args.out).suffix.lower() not in SUFFIXES:
            raise InputError(f'a path that ends with one of {", ".join(SUFFIXES)}', field='--out', found=args.out)
        timelines = collect(args)
        if len(timelines) > 1 and '{video}' not in args.out:
            raise InputError("'{video}' in the path, since there are several videos", field='--out', found=args.out)
        with VideoProgress('Pictures', len(timelines)) as progress:
            for index, (video_id, timeline) in enumerate(timelines.items()):
                file = args.video_dir and find_video_file(args.video_dir, video_id)
                if file:

                    def show(share, index=index):
                        progress.update(index, index + share)

                    frames = read_frames(open_video(file), timeline.duration_sec, show)
                    timeline = replace(timeline, frames=frames)
                elif args.video_dir:
                    print(f'{args.video_dir}: no video file of {video_id}, so there are no frames', file=sys.stderr)
                path = args.out.replace('{video}', video_id)
                limits = dict(max_classes=args.max_classes, max_proposals=args.max_proposals)
                progress.print(draw_timeline(path, timeline, **limits))
                progress.update(index + 1)
    except InputError as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
