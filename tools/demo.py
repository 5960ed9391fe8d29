"""Localize actions in videos, or in files of snippet features.

The tool prints the best detections of every video, and writes results.json (ActivityNet's format) and results.csv into
--out-dir. Inputs that cannot be used are reported at the end, with exit status 1; the results of the other inputs are
written nevertheless. If a path does not exist, the tool ends at once.

Examples:
    python tools/demo.py fsptal-refined_synthetic work_dirs/demo/epoch_180.pth data/synthetic/features/test --timeline
    python tools/demo.py my_config.py my.pth videos/ --extractor tsn_r50.py tsn_r50.pth --out-dir found
    python tools/demo.py --from-results found/results.json videos/ --annotate --out-dir found

The features of videos are kept below OUT_DIR/features. The next run with this folder does not extract them again, if
the video file, the recognizer and its settings are the same.
"""

import argparse
import runpy
import sys
from pathlib import Path

_OF_MODELS = ('batch_size', 'nms_iou', 'extractor', 'grid', 'device', 'cfg_options')  # no use with --from-results


def parse_args(argv):
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument(
        '--from-results',
        metavar='RESULTS',
        help='draw the detections of this results.json again, without a model: leave out MODEL and CHECKPOINT',
    )
    from_results = first.parse_known_args(argv)[0].from_results is not None
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, parents=[first]
    )
    if not from_results:
        parser.add_argument('model', help='config file, or name of a config in model-index.yml')
        parser.add_argument('checkpoint', help='local checkpoint of this model')
    parser.add_argument('inputs', nargs='+', help='video files, feature files (.npy, .npz, .csv, .h5), folders of them')
    parser.add_argument('--out-dir', default='work_dirs/found', help='output folder (default: %(default)s)')
    parser.add_argument('--timeline', action='store_true', help='draw OUT_DIR/timelines/VIDEO.png')
    parser.add_argument(
        '--annotate',
        action='store_true',
        help='copy each video file, with its detections drawn, to OUT_DIR/videos/VIDEO.mp4',
    )
    parser.add_argument('--batch-size', type=int, default=1, help='videos in one forward pass (default: %(default)s)')
    parser.add_argument(
        '--score-threshold',
        type=float,
        help='leave out detections of a lower score (default: the thresholds stored by choose_threshold.py, if any)',
    )
    parser.add_argument('--top-k', type=int, help='largest number of detections per video')
    parser.add_argument('--nms-iou', type=float, help="replace the config's NMS by NMS per class with this tIoU")
    parser.add_argument(
        '--extractor',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='recognizer that makes the features of video files, for models that take features',
    )
    parser.add_argument(
        '--grid', nargs='+', action='extend', help="feature grid instead of the config's, e.g. snippet_sec=0.64"
    )
    parser.add_argument('--classes', help='class names, one per line, if the checkpoint does not hold them')
    parser.add_argument('--allow-damaged', action='store_true', help='take what can be read of damaged videos')
    parser.add_argument('--device', help='e.g. cpu or cuda:1 (default: a GPU, if there is one)')
    parser.add_argument('--show', type=int, default=5, help='detections to print per video (default: %(default)s)')
    parser.add_argument(
        '--cfg-options', nargs='+', action='extend', help='changes of the config, as in test.py, e.g. data_root=DIR'
    )
    args = parser.parse_args(argv)
    if args.show < 0:
        parser.error(f'argument --show: found {args.show}, expected at least 0')
    if from_results:
        changed = [name for name in _OF_MODELS if getattr(args, name) != parser.get_default(name)]
        useless = [f'--{name.replace("_", "-")}' for name in changed]
        if useless:
            parser.error(f'argument --from-results: found {", ".join(useless)}, expected no option of a model')
        if not (args.timeline or args.annotate):
            parser.error('argument --from-results: expected --timeline, --annotate or both')
    return args


if __name__ == '__main__':  # check the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parent / 'starting.py'))['start'](
        __file__,
        parse_args,
        model='a config file',
        checkpoint='a local checkpoint',
        inputs='a video file, a feature file, or a folder of such files',
        extractor=('a config file', 'a local checkpoint'),
        classes='a readable file',
        from_results='a readable file',
    )

from rich.console import Console
from rich.table import Table

from fsptal_mm.apis import TALInferencer, draw_results
from fsptal_mm.apis.training_videos import training_videos_among
from fsptal_mm.utils.configs import read_options
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.wording import counted

_OF_RUNS = ('epoch_*.pth', 'iter_*.pth', 'last_checkpoint', '*/vis_data')  # files of a training or test by mmengine


def print_best(predictions, count):
    """Print the best ``count`` detections of every video as a table, and the number of its other detections."""
    table = Table('video', 'start (s)', 'end (s)', 'label', 'score')
    for video_id, detections in predictions.items():
        for start_sec, end_sec, label, score in detections[:count]:
            table.add_row(video_id, f'{start_sec:.2f}', f'{end_sec:.2f}', label, f'{score:.3f}')
        if not detections:
            table.add_row(video_id, 'nothing found')
        elif len(detections) > count:
            table.add_row(video_id, f'{len(detections) - count} more')
    Console().print(table)


def check_is_no_run(folder):
    """Refuse the folder of a training or a test, since its results.json would be replaced.

    Raises:
        InputError: The folder holds files of a training or a test.
    """
    found = next((path.name for name in _OF_RUNS for path in Path(folder).glob(name)), None)
    if found is not None:
        raise InputError('a folder that no training or test uses', file=folder, field='--out-dir', found=found)


def localize(args):
    """Localize actions as the command line says; return the result and the lines to print below its table.

    Raises:
        InputError: See :class:`TALInferencer`.
    """
    nms = None if args.nms_iou is None else dict(type='nms', iou_threshold=args.nms_iou)
    extractor = args.extractor and dict(zip(('config', 'checkpoint'), args.extractor))
    check_is_no_run(args.out_dir)
    inferencer = TALInferencer(
        args.model,
        args.checkpoint,
        args.device,
        classes=args.classes,
        grid=read_options(args.grid, '--grid'),
        nms=nms,
        extractor=extractor,
        cfg_options=read_options(args.cfg_options),
        show_progress=True,
        allow_damaged=args.allow_damaged,
        log_failures=False,  # they are printed at the end of main
    )
    result = inferencer(
        args.inputs,
        batch_size=args.batch_size,
        score_threshold=args.score_threshold,
        top_k=args.top_k,
        out_dir=args.out_dir,
        timeline=args.timeline,
        annotate=args.annotate,
    )
    lines, kept = [], inferencer.pipeline.kept
    if args.score_threshold is None and inferencer.operating_point is not None:
        chosen = inferencer.operating_point
        lines.append(f'operating point, measured by {chosen.measured_by}: {chosen.overall}')
    if kept is not None and kept.reused + kept.extracted:
        extracted = counted(kept.extracted, 'video')
        lines.append(f'features in {kept.folder}: {extracted} extracted now, {kept.reused} before')
    if seen := training_videos_among(result['predictions'], inferencer.trained_videos, args.checkpoint):
        lines.append(f'warning: {seen}')
    if result['predictions']:
        lines.append(f'written to {Path(args.out_dir)}: results.json, results.csv')
    return result, lines


def redraw(args):
    """Draw the detections of a results file as the command line says; return the same as :func:`localize`."""
    names = ('out_dir', 'classes', 'score_threshold', 'top_k', 'timeline', 'annotate', 'allow_damaged')
    options = {name: getattr(args, name) for name in names}
    result = draw_results(args.from_results, args.inputs, **options, show_progress=True)
    return result, [f'drawn from {args.from_results}:'] if result['visualization'] else []


def main(argv=None):
    args = parse_args(argv)
    try:
        result, lines = localize(args) if args.from_results is None else redraw(args)
    except InputError as error:
        sys.exit(f'error: {error}')
    if result['predictions']:
        print_best(result['predictions'], args.show)
    for line in lines:
        print(line)
    for path in result['visualization']:
        print(f'  {path}')
    for failure in result['failures']:
        print(f'error: {failure}')
    sys.exit(int(bool(result['failures'])))


if __name__ == '__main__':
    main()
