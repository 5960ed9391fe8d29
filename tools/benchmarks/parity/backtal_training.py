"""Train BackTAL's public code and ours on the same features and clicks, and compare mAP over seeds.

Usage: git clone https://github.com/VividLe/BackTAL
python tools/benchmarks/parity/backtal_training.py BackTAL SCRATCH

Our config is ``backtal-faithful_thumos14shaped.py`` with videos of one length, as the public code needs them, with
fewer channels, and with clicks drawn between actions. Both codes detect the classes with at least a quarter of the best
score of a video, since hardly any class has a score of 0.25, the threshold of the public code. The last weights of the
public code are tested twice: with its own proposals, and with the proposals that REPAIRS of ``backtal.py`` make equal
to ours.

The public code needs easydict. It runs on copies of its files in SCRATCH, changed by PATCHES. A result that SCRATCH
holds is not made again, so seeds can be added later. Other options need another folder.
"""

import json
import shutil
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
from backtal import REPAIRS
from proposals import patches_of
from public_code import write_patched
from training import (
    ROOT,
    argument_parser,
    compare_trainings,
    epochs_of,
    load_config,
    read_videos,
    run,
    set_schedule,
    train_ours,
)

CONFIG = ROOT / 'configs/backtal/backtal-faithful_thumos14shaped.py'
SNIPPETS, HIDDEN = 300, 256
FRAMES = 24  # frames of a snippet, as many as our proposals have interpolated points in a snippet
IGNORED = -100

POST_PROCESS = ('lib/post_process/functions.py', 'lib/post_process/nms.py')
PATCHES = {
    'tools/_init_paths.py': [],
    'tools/train.py': [
        ('from torch.utils.tensorboard import SummaryWriter', 'from unittest.mock import MagicMock as SummaryWriter'),
        ('model.cuda()', ''),
        # Skip the rest of an epoch, which prints mAP: there is none before the last epoch, the only one that is tested.
        ('print("average_mAP: {:.4f}".format(average_mAP))', 'continue'),
    ],
    'tools/eval.py': [('model.cuda()', '')],
    'lib/config/default.py': [],
    'lib/core/train_eval.py': [],
    'lib/core/functions.py': [
        ('from Evaluation.ActivityNet.eval_detection import ANETdetection', ''),
        (  # The detections are evaluated here, so the public code computes no mAP; a 0 makes it keep its last weights.
            'def evaluate_mAP(cfg, json_path, gt_path):',
            'def evaluate_mAP(cfg, json_path, gt_path):\n    return [0] * 9, 0',
        ),
    ],
    'lib/criterion/loss.py': [('.cuda()', '')],
    'lib/dataset/dataset.py': [],
    'lib/models/network.py': [('512', '{quarter}'), ('2048', '{hidden}')],
    'lib/post_process/functions.py': [
        ('>= cfg.TEST.CLS_SCORE_TH)[0]', '>= cfg.TEST.CLS_SCORE_TH * cls_score_video.max())[0]')
    ],
    'lib/post_process/nms.py': [],
    'lib/utils/utils.py': [],
    'experiments/THUMOS14.yaml': [
        ('SEED: 38', 'SEED: {seed}'),
        ('WORKERS: 1', 'WORKERS: 0'),
        ('BACKUP_CODES: True', 'BACKUP_CODES: False'),
        ("DATA_DIR: 'data/THUMOS14'", "DATA_DIR: '{data}'"),
        ("GT_FILE: 'lib/dataset/materials_THUMOS14/gt_thumos14.json'", "GT_FILE: '{data}/classes.json'"),
        ('NUM_SEGMENTS: 750', 'NUM_SEGMENTS: {snippets}'),
        ('FEAT_DIM: 2048', 'FEAT_DIM: {width}'),
        ('LR: 0.0001', 'LR: {lr}'),
        ('BATCH_SIZE: 16', 'BATCH_SIZE: {batch_size}'),
        ('EPOCH_NUM: 40', 'EPOCH_NUM: {epochs}'),
        ('EVAL_INTERVAL: 1', 'EVAL_INTERVAL: {epochs}'),
    ],
}


def our_config():
    """Read our config, for videos of one length, and make the class threshold a share of the best score."""
    config = load_config(CONFIG)
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.dataset.pipeline.insert(1, dict(type='ResizeSnippets', num_snippets=SNIPPETS))
    config.model.head.hidden_channels = HIDDEN
    config.model.head.proposals.relative_threshold = True
    return config


def write_data(folder, classes, videos):
    """Write videos in the form of the public code."""
    for video in videos:
        part = folder / ('val' if video.training else 'test')
        part.mkdir(parents=True, exist_ok=True)
        spatial, temporal = np.split(video.features.T, 2)
        clicks = np.full(len(video.features), IGNORED)
        clicks[video.clicks] = len(classes)
        np.savez(
            part / f'{video.video_id}.npz',
            feat_spa=spatial,
            feat_tem=temporal,
            cls_label=np.isin(classes, video.segment_names).astype(np.float32),
            point_label=clicks,
            vid_name=video.video_id,
            frame_num=FRAMES * len(video.features),
            fps=FRAMES / video.snippet_sec,
            duration=len(video.features) * video.snippet_sec,
        )
    (folder / 'classes.json').write_text(json.dumps(dict(activity_list=list(classes))))


def run_public(clone, folder, patches, values, script, seed, result):
    """Run a script of the public code with a seed, and keep detections and weights; returns the seconds that it took.

    ``train.py`` writes the weights, and ``eval.py`` reads them.
    """
    write_patched(clone, folder, patches, seed=seed, **values)
    words = [f'-weight_file={folder.parent / "public" / f"{seed}.pth"}'] if script == 'eval.py' else []
    seconds = run(result.with_suffix('.log'), folder / 'tools', script, *words)
    outputs = folder / 'ckpt'
    (detections,) = outputs.rglob('*.json')
    detections.rename(result)
    for weights in outputs.rglob('*.pth'):
        weights.rename(folder / f'{seed}.pth')
    shutil.rmtree(outputs)
    return seconds


def main():
    args = argument_parser(__doc__, steps=80, batch_size=15, lr=1e-3).parse_args()
    config = our_config()
    videos = read_videos(config)
    set_schedule(config, args, videos)
    write_data(args.scratch / 'data', config.train_dataloader.dataset.metainfo['classes'], videos)
    values = dict(
        data=args.scratch / 'data',
        snippets=SNIPPETS,
        width=videos[0].features.shape[1],
        hidden=HIDDEN,
        quarter=HIDDEN // 4,
        lr=args.lr,
        batch_size=args.batch_size,
        epochs=epochs_of(args.steps, args.batch_size, videos),
    )
    repairs = list(chain(*REPAIRS.values()))
    mended = PATCHES | {name: [*PATCHES[name], *patches_of(Path(name).name, repairs)] for name in POST_PROCESS}
    codes = {
        'public code': partial(run_public, args.clone, args.scratch / 'public', PATCHES, values, 'train.py'),
        'mended proposals of the public code': partial(
            run_public, args.clone, args.scratch / 'mended', mended, values, 'eval.py'
        ),
        'ours': partial(train_ours, config),
    }
    compare_trainings(codes, args.seeds, args.scratch, config)


if __name__ == '__main__':
    main()
