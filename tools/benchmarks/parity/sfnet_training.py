"""Train SF-Net's public code and ours on the same features and points, and compare mAP over seeds.

Usage: git clone https://github.com/Flowerfan/SF-Net && python tools/benchmarks/parity/sfnet_training.py SF-Net SCRATCH

Both get the features of 50 Salads twice, as two streams, and whole videos; ours is ``sfnet-faithful_acc_50salads.py``
with two streams. The public code needs pandas; it runs on copies of its files in SCRATCH, with PATCHES. Results that
SCRATCH holds already are not made again, so that seeds can be added; other options need another folder.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from mmaction.registry import DATASETS
from mmengine.registry import DefaultScope
from public_code import read_patched
from scipy.stats import ttest_ind
from sfnet import CUDA, NEEDED

from fsptal_mm.apis.model_loading import find_config
from fsptal_mm.engine.timeline_samples import item_with_ground_truth

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / 'configs/sfnet/sfnet-faithful_acc_50salads.py'
DATASET = 'GTEA'  # The public code runs as on GTEA, with the settings of 50 Salads: see PATCHES.
FPS, STRIDE = 5, 3  # A snippet is 3 frames at 5 per second, 0.6 s.
MEASURE, LIMIT = 'mAP@0.1-0.7', 3  # The interval of the difference must lie within -LIMIT to LIMIT points.

# From a file to pairs of a text and its replacement. {dim}, {length} and {classes} are filled in by write_public.
PATCHES = {
    'utils.py': [],
    'center_loss.py': [],
    'options.py': [],
    'video_dataset.py': [],
    'train.py': [(CUDA, '')],
    'model.py': [(CUDA, ''), ('1024', '{dim}')],
    'eval.py': [
        *NEEDED,
        ("torch.device('cuda')", "torch.device('cpu')"),
        ('json.dump(save_dict, fw)', 'json.dump(save_dict, fw)\n    return 0.0'),
    ],
    'main.py': [
        (CUDA, ''),
        ('torch.device("cuda")', 'torch.device("cpu")'),
        ('use_gpu=True', 'use_gpu=False'),
        ('CrossEntropyLoss().cuda()', 'CrossEntropyLoss()'),
        ('fps = 15', f'fps = {FPS}'),
        ('stride = 16', f'stride = {STRIDE}'),
        ('t_max = 100', 't_max = {length}'),
        ('t_max_ctc = 150', 't_max_ctc = {length}'),
        ('num_class = 7', 'num_class = {classes}'),
    ],
}
# Stands in for the module of the TensorBoard logger.
LOGGER = """class Logger:
    def __init__(self, folder):
        pass

    def log_value(self, name, value, step):
        pass


log_value = None
"""


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('clone', type=Path, help='folder of the public code')
    parser.add_argument('scratch', type=Path, help='folder for its copies, work directories and results')
    parser.add_argument('--seeds', type=int, default=5, help='number of seeds of each; default: %(default)s')
    parser.add_argument('--steps', type=int, default=400, help='steps of a training; default: %(default)s')
    parser.add_argument('--growth', type=int, default=100, help='steps before labels grow; default: %(default)s')
    parser.add_argument('--batch-size', type=int, default=8, help='videos of a step; default: %(default)s')
    parser.add_argument('--lr', default='1e-3', help='learning rate; default: %(default)s')
    return parser.parse_args()


def our_config():
    """Read our config, and give it two streams of the same features."""
    config = find_config(CONFIG)
    for loader, part in ((config.train_dataloader, 'train'), (config.test_dataloader, 'test')):
        loader.dataset.data_prefix = dict(rgb=f'features/{part}', flow=f'features/{part}')
        loader.num_workers, loader.persistent_workers = 0, False
    config.val_dataloader = config.test_dataloader
    config.model.head.update(num_streams=2, in_channels=2 * config.model.head.in_channels)
    return config


def read_videos(config):
    """Read the videos of our datasets.

    Returns:
        list[tuple]: Id, subset, features ``(T, D)``, labels ``(N, 2)`` (snippet, class), ground-truth segments in
        seconds, and the names of their classes.
    """
    videos = []
    for loader, subset in ((config.train_dataloader, 'training'), (config.test_dataloader, 'validation')):
        with DefaultScope.overwrite_default_scope('mmaction'):
            dataset = DATASETS.build(loader.dataset)
        for number in range(len(dataset)):
            item = item_with_ground_truth(dataset, number)
            sample, features = item['data_samples'], np.asarray(item['inputs'], np.float32)
            labels = np.argwhere(sample.snippet_instances.numpy() >= 0) if subset == 'training' else []
            names = [dataset.metainfo['classes'][label] for label in sample.gt_segment_labels]
            videos.append((sample.video_id, subset, features, labels, sample.gt_segments_sec, names))
    return videos


def write_public(clone, scratch, classes, videos):
    """Write the patched files of the public code, and the data in its form; returns their folder."""
    folder = scratch / 'public'
    data = folder / 'data' / f'{DATASET}-Annotations'
    (data / 'single_frames').mkdir(parents=True, exist_ok=True)
    values = dict(
        dim=videos[0][2].shape[1] // 2, length=max(len(features) for _, _, features, *_ in videos), classes=len(classes)
    )
    for name, patches in PATCHES.items():
        text = read_patched(clone / name, [(found, new.format(**values)) for found, new in patches])
        (folder / name).write_text(text)
    (folder / 'tensorboard_logger.py').write_text(LOGGER)

    def save(file, rows):
        array = np.empty(len(rows), object)
        array[:] = rows
        np.save(file, array, allow_pickle=True)

    ids, subsets, features, labels, segments, names = zip(*videos)
    save(folder / 'data' / f'{DATASET}-I3D-JOINTFeatures.npy', features)
    save(data / 'segments.npy', [np.asarray(own).tolist() for own in segments])
    save(data / 'labels.npy', names)
    save(data / 'labels_all.npy', [sorted(set(own)) for own in names])
    save(data / 'classlist.npy', [name.encode() for name in classes])
    save(data / 'subset.npy', [subset.encode() for subset in subsets])
    save(data / 'videoname.npy', [video_id.encode() for video_id in ids])
    save(data / 'duration.npy', [len(own) * STRIDE / FPS for own in features])
    points = [
        f'{video_id},{(snippet + 0.5) * STRIDE / FPS},{classes[label]}\n'
        for video_id, own in zip(ids, labels)
        for snippet, label in own
    ]
    (data / 'single_frames/points.txt').write_text(''.join(points))
    database = {video_id: {} for video_id in ids}
    (folder / 'data' / f'{DATASET.lower()}_groundtruth.json').write_text(json.dumps(dict(database=database)))
    return folder


def run(log, folder, *command):
    """Run a Python script in a folder, with its output in a log file; returns seconds."""
    started = time.time()
    with open(log, 'w') as file:
        status = subprocess.run([sys.executable, *map(str, command)], cwd=folder, stdout=file, stderr=file).returncode
    if status:
        raise SystemExit(f'{log}: status {status}')
    return time.time() - started


def train_public(args, folder, videos, seed, result):
    """Train the public code and keep the detections of its last evaluation; returns seconds."""
    last = args.steps - 1  # steps count from 0
    options = dict(dataset_name=DATASET, feature_size=videos[0][2].shape[1], fps=FPS, stride=STRIDE, lr=args.lr,
                   batch_size=args.batch_size, max_iter=last, eval_steps=last, expand_step=args.growth - 1,
                   seed=seed)  # fmt: skip
    words = [f'--{name.replace("_", "-")}={value}' for name, value in options.items()]
    seconds = run(result.with_suffix('.log'), folder, 'main.py', *words)
    (folder / 'data/prediction.json').rename(result)
    return seconds


def train_ours(args, config, videos, seed, result):
    """Train ours and keep the detections of the last checkpoint; returns seconds."""
    count = sum(subset == 'training' for _, subset, *_ in videos)
    epochs, growth = args.steps * args.batch_size / count, args.growth * args.batch_size / count
    if count % args.batch_size or epochs % 1 or growth % 1:
        raise SystemExit(f'--steps and --growth must be whole passes over {count} videos, and these whole batches')
    epochs, growth = int(epochs), int(growth)
    config.train_dataloader.batch_size = args.batch_size
    config.optim_wrapper.optimizer.lr = float(args.lr)
    config.custom_hooks[0].epochs = [growth]
    config.train_cfg.update(max_epochs=epochs, val_interval=epochs)
    config.default_hooks.checkpoint.interval = epochs
    work = result.with_suffix('')
    work.mkdir(exist_ok=True)
    config.val_evaluator.result_file = str(work / result.name)
    config.dump(work / 'config.py')
    words = [work / 'config.py', '--work-dir', work, '--seed', seed]
    seconds = run(result.with_suffix('.log'), ROOT, 'tools/train.py', *words)
    (work / result.name).rename(result)
    return seconds


def measure(results, config, scratch):
    """mAP in percent of results files, by ``eval_tal.py``."""
    root, test = Path(config.test_dataloader.dataset.data_root), config.test_dataloader.dataset
    files = [root / test.ann_file, '--split', root / test.split_file, '--json', scratch / 'figures.json']
    run(scratch / 'eval_tal.log', ROOT, 'tools/analysis_tools/eval_tal.py', *results, *files)
    figures = json.loads((scratch / 'figures.json').read_text())
    return [100 * figures[str(result)]['metrics'][MEASURE] for result in results]


def main():
    args = parse_args()
    args.clone, scratch = args.clone.resolve(), args.scratch.resolve()
    config = our_config()
    videos = read_videos(config)
    folder = write_public(args.clone, scratch, config.train_dataloader.dataset.metainfo['classes'], videos)
    results = {'public code': [], 'ours': []}
    print(f'| seed | public code | ours |  ({MEASURE}; seconds of the training)\n|---:|---:|---:|')
    for seed in range(args.seeds):
        seconds = []
        for name, own in results.items():
            own.append(scratch / f'{name.split()[0]}_{seed}.json')
            if own[-1].exists():
                seconds.append(0)
            elif name == 'ours':
                seconds.append(train_ours(args, config, videos, seed, own[-1]))
            else:
                seconds.append(train_public(args, folder, videos, seed, own[-1]))
        values = measure([own[-1] for own in results.values()], config, scratch)
        print(
            f'| {seed} | ' + ' | '.join(f'{value:.2f} ({taken:.0f} s)' for value, taken in zip(values, seconds)) + ' |',
            flush=True,
        )
    if args.seeds > 1:
        theirs, ours = (np.array(measure(own, config, scratch)) for own in results.values())
        print(
            f'| mean | {theirs.mean():.2f} +- {theirs.std(ddof=1):.2f} | {ours.mean():.2f} +- {ours.std(ddof=1):.2f} |'
        )
        low, high = ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.9)
        failed = not -LIMIT <= low <= high <= LIMIT
        print(
            f'\nOurs - public code: {ours.mean() - theirs.mean():+.2f}, 90 % Welch interval {low:+.2f} to {high:+.2f}, '
            f'{"not " * failed}within +-{LIMIT}'
        )
        sys.exit(int(failed))


if __name__ == '__main__':
    main()
