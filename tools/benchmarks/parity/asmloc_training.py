"""Train ASM-Loc's public code and ours on the same features and video labels, and compare mAP over seeds.

Usage: git clone https://github.com/boheumd/ASM-Loc && python tools/benchmarks/parity/asmloc_training.py ASM-Loc SCRATCH

Both train the base model, ``asmloc-faithful_thumos14shaped.py``; with ``--refinements``, the chain of models of
``asmloc-full-faithful_thumos14shaped.py``. Both codes have as many channels as the features of the THUMOS-shaped
dataset. They get the training videos resized to LENGTH snippets, and the test videos as they are.

The public code runs on copies of its files in SCRATCH, changed by PATCHES. A result that SCRATCH holds is not made
again, so seeds can be added later. Other options need another folder.
"""

import json
from functools import partial

import numpy as np
from asmloc import NEEDED
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

BASE, CHAIN = (ROOT / f'configs/asmloc/asmloc{full}-faithful_thumos14shaped.py' for full in ('', '-full'))
LENGTH = 600  # No video is longer, so the public code, which samples the snippets of longer ones, takes all.

PATCHES = {
    'model.py': [],
    'loss.py': [],
    'net_evaluation.py': patches_of('net_evaluation.py', NEEDED),
    'dataset.py': [('np.int)', 'int)')],
    'config.py': [
        ('parser.add_argument("--lr"', 'parser.add_argument("--seed", type=int)\n    parser.add_argument("--lr"'),
        ('args.seed = _DATASET_HYPER_PARAMS[args.dataset]["seed"]', ''),
        ('"num_steps": 3', '"num_steps": {refinements}'),
        ('"epochs_per_step": 100', '"epochs_per_step": {stage}'),
        ('"epochs": 800', '"epochs": {epochs}'),
        ('"feature_dim":2048', '"feature_dim":{width}'),
        ('"sample_segments_num":750', f'"sample_segments_num":{LENGTH}'),
    ],
    'main_THUMOS.py': [
        ('from tqdm import tqdm', 'tqdm = iter'),
        ('args.epochs - 10', 'args.epochs'),
        ('anet_detection = ANETDetection', 'anet_detection = dict'),
        ('anet_detection.evaluate()', '0.0'),
    ],
}


def our_config(refinements):
    """Read our config, for resized training videos, and give F as many channels as the features have."""
    config = load_config(CHAIN if refinements else BASE)
    config.train_dataloader.dataset.pipeline.insert(1, dict(type='ResizeSnippets', num_snippets=LENGTH))
    width = config.model.embedding.in_channels
    config.model.embedding.out_channels = config.model.head.in_channels = width
    if refinements:
        config.model.num_refinements, config.model.refined_head.in_channels = refinements, width
    return config


def stage_epochs(args, videos):
    """Epochs of each model of the chain."""
    return epochs_of(args.steps // (args.refinements + 1), args.batch_size, videos)


def write_public(args, config, videos):
    """Write the patched files of the public code, and the data in its form; returns their folder."""
    folder = args.scratch / 'public'
    data = folder / 'data/THUMOS14'
    write_patched(
        args.clone,
        folder,
        PATCHES,
        epochs=epochs_of(args.steps, args.batch_size, videos),
        stage=stage_epochs(args, videos),
        refinements=args.refinements,
        width=config.model.embedding.in_channels,
    )
    for part in ('train', 'test'):
        (data / part).mkdir(parents=True, exist_ok=True)
        ids = [video.video_id for video in videos if video.training == (part == 'train')]
        (data / f'split_{part}.txt').write_text('\n'.join(ids))
    database = {}
    for video in videos:
        np.save(data / ('train' if video.training else 'test') / f'{video.video_id}.npy', video.features)
        segments = zip(video.segments_sec.tolist(), video.segment_names)
        database[video.video_id] = dict(annotations=[dict(segment=own, label=label) for own, label in segments])
    (data / 'gt.json').write_text(json.dumps(dict(database=database)))
    return folder


def train_public(args, folder, videos, seed, result):
    """Train the public code and keep the detections of its last evaluation; returns the seconds that it took."""
    options = dict(num_workers=0, lr=args.lr, batch_size=args.batch_size, seed=seed, suffix=f'seed_{seed}',
                   eval_freq=epochs_of(args.steps, args.batch_size, videos))  # fmt: skip
    words = [f'--{name}={value}' for name, value in options.items()]
    seconds = run(result.with_suffix('.log'), folder, 'main_THUMOS.py', '--no_resume', *words)
    (found,) = folder.glob(f'checkpoints/THUMOS/*_seed_{seed}/THUMOS_lateset_result_step{args.refinements}.json')
    found.rename(result)
    return seconds


def main():
    parser = argument_parser(__doc__, steps=400, batch_size=15, lr=1e-4)
    parser.add_argument(
        '--refinements', type=int, default=0, help='further models after the base model; all share --steps; default: 0'
    )
    args = parser.parse_args()
    config = our_config(args.refinements)
    videos = read_videos(config)
    set_schedule(config, args, videos)
    if args.refinements:
        stage = stage_epochs(args, videos)
        config.custom_hooks[0].epochs = [stage * (number + 1) for number in range(args.refinements)]
    folder = write_public(args, config, videos)
    codes = {'public code': partial(train_public, args, folder, videos), 'ours': partial(train_ours, config)}
    compare_trainings(codes, args.seeds, args.scratch, config)


if __name__ == '__main__':
    main()
