r"""Export detections of a trained model on its training videos as annotations for a fully supervised localizer.

For each labelled instance, the tool takes the best detection: the one of highest score among those that cover the point
of the instance and no other point of its class. The options from --change-points to --fill change these segments; the
training of a second stage changes its segments in the same way. Ground-truth segments are not read. Labelled instances
without such a detection are listed in OUT_missed.txt (OUT without its suffix), in lines "video,seconds,label".

--raw-proposals also writes all scored proposals before NMS, of the training or the test videos, in ActivityNet's
format.

Example:
    python tools/data/export_pseudo_segments.py configs/fsptal_tuned/fsptal-tuned_synthetic.py \
        work_dirs/fsptal-tuned_synthetic/epoch_75.pth data/synthetic/pseudo_segments.json
"""

import argparse
import math
import runpy
import sys
from pathlib import Path

FORMATS = ('plain', 'activitynet', 'opentad', 'mmaction2')


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of a model that is trained on points')
    parser.add_argument('checkpoint', help='local checkpoint of this model')
    parser.add_argument('out', help='JSON file to write')
    parser.add_argument('--format', choices=FORMATS, default='plain', help='format to write (default: %(default)s)')
    parser.add_argument(
        '--min-score', type=float, default=-math.inf, metavar='S', help='leave out segments of a lower score'
    )
    share = 'move boundaries by this share (0 to 1) towards change points of the snippet scores'
    parser.add_argument('--change-points', type=float, default=0.0, metavar='SHARE', help=share)
    parser.add_argument(
        '--cut',
        action='store_true',
        help='end segments half-way to the next point of their class, and at background points',
    )
    share = 'move lengths by this share (0 to 1) towards the median length of the class'
    parser.add_argument('--blend', type=float, default=0.0, metavar='SHARE', help=share)
    parser.add_argument('--widen', type=float, default=1.0, metavar='FACTOR', help='multiply lengths by this factor')
    snippets = 'then subtract this number of snippets from the lengths, but at most half of a length'
    parser.add_argument('--narrow-snippets', type=float, default=0.0, metavar='N', help=snippets)
    spread = 'move segments towards their points: the places of points in actions, 0 to 1, have this standard deviation'
    parser.add_argument('--point-spread', type=float, metavar='S', help=spread)
    parser.add_argument(
        '--fill', action='store_true', help='give instances without a segment one of the median length of their class'
    )
    parser.add_argument('--raw-proposals', metavar='FILE', help='JSON file for all scored proposals before NMS')
    parser.add_argument('--split', choices=('train', 'test'), default='train', help='videos of --raw-proposals')
    parser.add_argument(
        '--fps', type=float, help='frame rate of videos that do not state it, for opentad and mmaction2'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action='extend', help='changes of the config, as in train.py, e.g. data_root=DIR'
    )
    args = parser.parse_args(argv)
    if args.format == 'opentad' and args.fps is None:
        parser.error('argument --fps: the format opentad needs the frame rate')
    return args


if __name__ == '__main__':  # check the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__, parse_args, config='a config file', checkpoint='a local checkpoint'
    )

import numpy as np
import torch
from mmaction.apis import init_recognizer
from mmengine.runner import Runner

from fsptal_mm.apis.model_loading import load_local_checkpoint, set_nms
from fsptal_mm.datasets.annotations.records import Annotations, VideoRecord
from fsptal_mm.datasets.annotations.writers import save_activitynet, save_mmaction2, save_plain
from fsptal_mm.engine.pseudo_segment_mining import find_pseudo_segments, propose
from fsptal_mm.engine.pseudo_segments import PseudoSegmentRules
from fsptal_mm.evaluation import name_classes, write_results
from fsptal_mm.evaluation.samples import collect_detections, column
from fsptal_mm.structures import Instances
from fsptal_mm.utils.configs import merge_options, naming_types, read_config, read_options
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import to_positive
from fsptal_mm.utils.wording import counted
from fsptal_mm.utils.writing import atomic_write

_NO_NMS = dict(type='nms', iou_threshold=2.0)  # no tIoU is above 1, so all proposals are kept

_WRITERS = {
    'plain': save_plain,
    'activitynet': save_activitynet,
    'opentad': save_activitynet,
    'mmaction2': save_mmaction2,
}


def predict(config, checkpoint, split='train', nms=None):
    """Run a model on its training or test videos, with the test pipeline.

    Args:
        config (Config): Config of the experiment.
        checkpoint: File of the checkpoint.
        split: ``'train'`` or ``'test'``: the videos to run on.
        nms (dict, optional): NMS of all stages, instead of the config's NMS; the number of proposals is then not
            limited. Default: NMS and limit of the config.

    Returns:
        tuple[PointTALDataset, dict[str, dict]]: The dataset, and the results of ``propose`` by video id. In a model
        with a second stage, the detections are those of the second stage.

    Raises:
        InputError: The experiment is trained on other labels than points; or the checkpoint is missing or belongs to
            another model.
    """
    dataset = config.train_dataloader.dataset
    if dataset.get('supervision', 'points') != 'points':
        raise InputError("'points'", field='train_dataloader.dataset.supervision', found=dataset.supervision)
    loader = config.test_dataloader.copy()
    if split == 'train':
        loader.dataset = dataset | dict(pipeline=config.test_dataloader.dataset.pipeline)
    model = init_recognizer(config, device='cuda' if torch.cuda.is_available() else 'cpu')
    loader, videos = Runner.build_dataloader(loader), {}
    load_local_checkpoint(model, checkpoint, loader.dataset)
    if nms is not None:
        set_nms(model, nms)
        model.head.proposals.max_proposals = None
    with torch.no_grad():
        for batch in loader:
            inputs, samples = model.data_preprocessor(batch)['inputs'], batch['data_samples']
            videos |= propose(model, inputs, samples)
            if model.refines:
                for sample in model(inputs, samples, mode='predict'):
                    videos[sample.video_id]['detections'] = collect_detections(sample)
    return loader.dataset, videos


def export(dataset, found, rules):
    """Make annotations of the training videos, with segments derived from predictions and points only.

    Args:
        dataset (PointTALDataset): Dataset of the training videos.
        found (dict[str, dict]): Predictions of :func:`predict`.
        rules (PseudoSegmentRules): Rules by which detections become segments.

    Returns:
        tuple[Annotations, Instances, PseudoSegments]: The annotations, the labelled instances, and their segments.
    """
    infos = {info['video_id']: info for info in map(dataset.get_data_info, range(len(dataset)))}
    pseudo = find_pseudo_segments(list(found.values()), rules)
    points = Instances.join(column(found.values(), 'points'))
    videos = {}
    for index, (video_id, video) in enumerate(found.items()):
        own = pseudo.segments[pseudo.segments.videos == index]
        fields = ('video_id', 'subset', 'fps', 'point_sec', 'point_labels', 'point_instances', 'background_sec')
        videos[video_id] = VideoRecord(
            **{key: infos[video_id][key] for key in fields},
            duration_sec=video['duration_sec'],
            segments_sec=own.segments,
            segment_labels=own.labels,
            ambiguous_sec=np.zeros((0, 2)),
        )
    return Annotations(tuple(dataset.metainfo['classes']), videos), points, pseudo


def write_raw_proposals(path, dataset, found):
    """Write all proposals of all videos with their scores, in ActivityNet's format, and print how many there are."""
    classes = dataset.metainfo['classes']
    write_results(path, {video_id: name_classes(video['detections'], classes) for video_id, video in found.items()})
    print(f'{path}: {counted(sum(len(video["detections"]) for video in found.values()), "proposal")} before NMS')


@naming_types()
def main(argv=None):
    args = parse_args(argv)
    to_positive(args.fps, field='--fps')
    config = read_config(args.config)
    merge_options(config, read_options(args.cfg_options))
    rules = ('min_score', 'change_points', 'cut', 'blend', 'widen', 'narrow_snippets', 'point_spread', 'fill')
    rules = PseudoSegmentRules.from_config({name: getattr(args, name) for name in rules})
    dataset, found = predict(config, args.checkpoint)
    annotations, points, pseudo = export(dataset, found, rules)
    if args.format == 'plain':
        save_plain(args.out, annotations)
    else:
        covered_sec = {name: len(video['snippet_scores']) * video['grid'].snippet_sec for name, video in found.items()}
        _WRITERS[args.format](args.out, annotations, args.fps, covered_sec)
    if args.raw_proposals:
        write_raw_proposals(args.raw_proposals, *predict(config, args.checkpoint, args.split, _NO_NMS))
    ids = list(annotations.videos)
    missed = points[pseudo.missed]
    with atomic_write(Path(args.out).with_name(f'{Path(args.out).stem}_missed.txt')) as file:
        for video, label, extent in zip(missed.videos, missed.labels, missed.segments):
            file.write(f'{ids[video]},{extent[0]},{annotations.classes[label]}\n')
    print(
        f'{args.out}: {counted(len(pseudo.segments), "segment")} for {counted(len(points), "labelled instance")} in '
        f'{counted(len(ids), "video")}; no detection fits {counted(len(missed), "instance")}'
        + (', which got segments of median length' if args.fill else '')
    )


if __name__ == '__main__':
    try:
        main()
    except InputError as error:
        sys.exit(f'error: {error}')
