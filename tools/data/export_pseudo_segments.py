"""Write what a trained model found on its training videos as annotations for a fully supervised localizer.

A segment is exported if it covers exactly one labelled action of its class and is the best of those that do. True
segments are not read. Labelled actions without a segment go into NAME_missed.txt, as "video,seconds,label".

Example:
    python tools/data/export_pseudo_segments.py configs/fsptal_tuned/fsptal-tuned_synthetic.py \
        work_dirs/fsptal-tuned_synthetic/epoch_75.pth data/synthetic/pseudo_segments.json
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from mmaction.apis import init_recognizer
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from fsptal_mm.apis.model_loading import load_local_checkpoint
from fsptal_mm.config_errors import config_errors
from fsptal_mm.datasets.annotation_writers import save_activitynet, save_mmaction2
from fsptal_mm.datasets.annotations import Annotations, VideoRecord
from fsptal_mm.datasets.json_readers import save_plain
from fsptal_mm.errors import InputError
from fsptal_mm.evaluation.functional import Instances, point_extents
from fsptal_mm.evaluation.pseudo_segments import add_default_segments, select_pseudo_segments
from fsptal_mm.evaluation.samples import collect_detections, column
from fsptal_mm.fileio import atomic_write
from fsptal_mm.reading import to_positive

FORMATS = {
    'plain': save_plain,
    'activitynet': save_activitynet,
    'opentad': save_activitynet,
    'mmaction2': save_mmaction2,
}


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of a model that is trained on points')
    parser.add_argument('checkpoint')
    parser.add_argument('out', help='JSON file to write')
    parser.add_argument('--format', choices=FORMATS, default='plain', help='default: %(default)s, our own')
    parser.add_argument('--min-score', type=float, default=-np.inf, metavar='S', help='leave out less certain segments')
    parser.add_argument('--fill', action='store_true', help='give missed actions a segment as long as is usual')
    parser.add_argument('--fps', type=float, help='of videos that do not state it; opentad and mmaction2 count frames')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='as in train.py, e.g. data_root=DIR')
    args = parser.parse_args(argv)
    if args.format == 'opentad' and args.fps is None:
        parser.error('argument --fps: the format opentad needs it')
    return args


def predict(config, checkpoint):
    """Run a model over its training videos as in a test.

    Args:
        config (Config): Of the experiment.
        checkpoint: File.

    Returns:
        tuple: Training data set, and one data sample per video, in its order.

    Raises:
        InputError: The experiment is trained on segments, or the checkpoint is missing or of another model.
    """
    dataset = config.train_dataloader.dataset
    if dataset.get('supervision', 'points') != 'points':
        raise InputError("'points'", field='train_dataloader.dataset.supervision', found=dataset.supervision)
    loader = config.test_dataloader.copy()
    loader.dataset = dataset | dict(pipeline=config.test_dataloader.dataset.pipeline)
    model = init_recognizer(config, device='cuda' if torch.cuda.is_available() else 'cpu')
    load_local_checkpoint(model, checkpoint)
    loader = Runner.build_dataloader(loader)
    with torch.no_grad():
        return loader.dataset, [sample for batch in loader for sample in model.test_step(batch)]


def export(dataset, samples, min_score=-np.inf, fill=False):
    """Annotations of the training videos with segments from predictions and points alone.

    Args:
        dataset (PointTALDataset): Of the videos.
        samples (list[ActionDataSample]): Predictions, in its order.
        min_score, fill: As in the command line.

    Returns:
        tuple[Annotations, Instances, PseudoSegments]: The annotations, the labelled instances, and their segments.
    """
    found = [collect_detections(sample.to_dict()) for sample in samples]
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    extents = [point_extents(info['point_sec'], info['point_labels'], info['point_instances']) for info in infos]
    points = Instances.from_videos(*map(list, zip(*extents)))
    det = Instances.from_videos(column(found, 'segments'), column(found, 'labels'), column(found, 'scores'))
    pseudo = select_pseudo_segments(points, det, min_score)
    if fill:
        pseudo = add_default_segments(pseudo, points, [sample.duration_sec for sample in samples])
    videos = {}
    for index, (info, sample) in enumerate(zip(infos, samples)):
        own = pseudo.segments[pseudo.segments.videos == index]
        videos[sample.video_id] = VideoRecord(
            **{key: info[key] for key in ('video_id', 'subset', 'fps', 'point_sec', 'point_labels', 'point_instances')},
            background_sec=info['background_sec'],
            duration_sec=sample.duration_sec,
            segments_sec=own.segments,
            segment_labels=own.labels,
            ambiguous_sec=np.zeros((0, 2)),
        )
    return Annotations(tuple(dataset.metainfo['classes']), videos), points, pseudo


@config_errors()
def main(argv=None):
    args = parse_args(argv)
    to_positive(args.fps, field='--fps')
    config = Config.fromfile(args.config)
    config.merge_from_dict(args.cfg_options or {})
    dataset, samples = predict(config, args.checkpoint)
    annotations, points, pseudo = export(dataset, samples, args.min_score, args.fill)
    if args.format == 'plain':
        save_plain(args.out, annotations)
    else:
        covered_sec = {sample.video_id: sample.num_snippets * sample.snippet_sec for sample in samples}
        FORMATS[args.format](args.out, annotations, args.fps, covered_sec)
    ids = list(annotations.videos)
    missed = points[pseudo.missed]
    with atomic_write(Path(args.out).with_name(f'{Path(args.out).stem}_missed.txt')) as file:
        for video, label, extent in zip(missed.videos, missed.labels, missed.segments):
            file.write(f'{ids[video]},{extent[0]},{annotations.classes[label]}\n')
    print(
        f'{args.out}: {len(pseudo.segments)} segments for {len(points)} labelled actions in {len(ids)} videos; '
        f'nothing was found for {len(missed)}' + (', which got segments of usual length' if args.fill else '')
    )


if __name__ == '__main__':
    try:
        main()
    except InputError as error:
        sys.exit(f'error: {error}')
