"""Train stage 1 of HR-Pro's public code and ours on the same features and points, and compare mAP over seeds.

Usage: git clone https://github.com/pipixin321/HR-Pro && python tools/benchmarks/parity/hrpro_training.py HR-Pro SCRATCH

Our config is ``hrpro-faithful_acc_50salads.py``. The last weights of the public code are tested twice: with its own
proposals, and with the proposals that REPAIRS of ``hrpro.py`` make equal to ours.

The public code needs pandas, tqdm and termcolor. It runs on copies of its files in SCRATCH, changed by PATCHES. A
result that SCRATCH holds is not made again, so seeds can be added later. Other options need another folder.
"""

import json
from functools import partial
from itertools import chain

import numpy as np
from hrpro import REPAIRS
from proposals import patches_of
from public_code import write_patched
from training import (
    ROOT,
    argument_parser,
    compare_trainings,
    load_config,
    read_videos,
    run,
    set_schedule,
    train_ours,
)

CONFIG = ROOT / 'configs/hrpro/hrpro-faithful_acc_50salads.py'
SNIPPET_FRAMES = 16
SETTINGS = 'cfgs/thumos_hyp.yaml'

PATCHES = {
    'utils.py': [],
    'train.py': [],
    'dataset.py': [],
    'model_S.py': [('num_workers=4', 'num_workers=0')],
    'options.py': [
        ('_CLASS_NAME[args.dataset]', 'open(os.path.join(args.data_path, "classes.txt")).read().splitlines()')
    ],
    'log.py': [('from eval.eval_detection import ANETdetection', '')],
    # The public code writes its detections, but does not evaluate them: it returns 0 as mAP.
    'test.py': [('from log import log_evaluate', 'def log_evaluate(*_): return 0.0')],
    'main.py': [
        ('from tensorboard_logger import Logger', 'from unittest.mock import MagicMock'),
        ('Logger(args.log_path_s1)', 'MagicMock()'),
        ('from model_I import I_Model', ''),  # stage 2
        ('from ranking import reliability_ranking', ''),
        ('save_best_record(test_info, log_filepath)', 'pass'),
        ("S_test(model, args, train_loader, None, 0, test_info, subset='train')", ''),
        ('reliability_ranking(args, train_loader, test_loader)', ''),
    ],
    SETTINGS: [
        ('dataset: "THUMOS14"', 'dataset: "data"'),
        ('"./dataset/THUMOS14"', '"{data}"'),
        ('frames_per_sec: 25', 'frames_per_sec: {frames_per_sec}'),
        ('feature_dim: 2048', 'feature_dim: {width}'),
        ("'num_heads': 8", "'num_heads': {heads}"),
        ('num_workers: 4', 'num_workers: 0'),
        ('num_iters: 1000', 'num_iters: {steps}'),
        ('test_iter: 50', 'test_iter: {steps}'),
        ('batch_size: 16', 'batch_size: {batch_size}'),
        ('lr: 0.0001', 'lr: {lr}'),
        ('class_thresh: 0.5', 'class_thresh: {class_threshold}'),
    ],
}


def write_data(folder, classes, videos):
    """Write videos in the form of the public code."""
    database, points = {}, ['video_id,class,point\n']
    for part, training in (('train', True), ('test', False)):
        (folder / 'features' / part).mkdir(parents=True, exist_ok=True)
        own = [video for video in videos if video.training == training]
        (folder / f'split_{part}.txt').write_text(''.join(f'{video.video_id}\n' for video in own))
        for video in own:
            np.save(folder / 'features' / part / f'{video.video_id}.npy', video.features)
            database[video.video_id] = dict(
                duration=len(video.features) * video.snippet_sec,
                fps=SNIPPET_FRAMES / video.snippet_sec,
                annotations=[dict(label=name) for name in video.segment_names],
            )
            for snippet, label in video.points:
                points.append(f'{video.video_id},{classes[label]},{(snippet + 0.5) * SNIPPET_FRAMES}\n')
    (folder / 'gt_full.json').write_text(json.dumps(dict(database=database)))
    (folder / 'classes.txt').write_text('\n'.join(classes))
    (folder / 'point_labels').mkdir(exist_ok=True)
    (folder / 'point_labels/point_gaussian.csv').write_text(''.join(points))


def run_public(folder, checkpoints, mode, seed, result):
    """Train the public code, or test its last weights, and keep the detections; returns the seconds that it took."""
    words = [f'--mode={mode}', f'--seed={seed}', f'--ckpt_path={checkpoints / str(seed)}']
    seconds = run(result.with_suffix('.log'), folder, 'main.py', *words)
    (detections,) = (checkpoints / str(seed)).rglob('snippet_result_test.json')
    detections.rename(result)
    return seconds


def main():
    parser = argument_parser(__doc__, steps=150, batch_size=8, lr=3e-4)
    parser.add_argument(
        '--class-threshold',
        type=float,
        default=0.5,
        help='video-level score from which both codes detect a class; default: %(default)s',
    )
    args = parser.parse_args()
    config = load_config(CONFIG)
    config.model.head.proposals.video_threshold = args.class_threshold
    videos = read_videos(config)
    set_schedule(config, args, videos)
    data, public, mended, checkpoints = (args.scratch / name for name in ('data', 'public', 'mended', 'checkpoints'))
    write_data(data, config.train_dataloader.dataset.metainfo['classes'], videos)
    values = dict(
        data=data,
        frames_per_sec=SNIPPET_FRAMES / videos[0].snippet_sec,
        width=videos[0].features.shape[1],
        heads=config.model.head.encoder.num_heads,
        steps=args.steps,
        batch_size=args.batch_size,
        lr=args.lr,
        class_threshold=args.class_threshold,
    )
    write_patched(args.clone, public, PATCHES, **values)
    repairs = list(chain(*REPAIRS.values()))
    patches = {name: [*own, *patches_of(name, repairs)] for name, own in PATCHES.items()}
    write_patched(args.clone, mended, patches, **values)
    codes = {
        'public code': partial(run_public, public, checkpoints, 'train'),
        'mended proposals of the public code': partial(run_public, mended, checkpoints, 'infer'),
        'ours': partial(train_ours, config),
    }
    compare_trainings(codes, args.seeds, args.scratch, config)


if __name__ == '__main__':
    main()
