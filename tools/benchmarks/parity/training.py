"""Comparison of whole trainings of a public code and ours: videos, schedule, runs, and mAP over seeds."""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmaction.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import DefaultScope
from scipy.stats import ttest_ind

from fsptal_mm.apis.model_loading import find_config
from fsptal_mm.engine.timeline_samples import item_with_ground_truth

ROOT = Path(__file__).parents[3]
# The comparison succeeds if the confidence interval of the difference between ours and a public code lies within
# +- LIMIT percentage points of MEASURE.
MEASURE, LIMIT = 'mAP@0.1-0.7', 3
CONFIDENCE = 0.9


@dataclass(frozen=True)
class Video:
    """Features and labels of a video, from which the data files of a public code are written.

    Attributes:
        video_id: Id of the video.
        training: Whether this is a training video.
        features: ``(T, D)``, float32.
        snippet_sec: Seconds of a snippet.
        points: ``(N, 2)``, snippet and class of each labelled snippet; none for test videos.
        clicks: ``(K,)`` snippets with a background click; none for test videos.
        segments_sec: ``(M, 2)`` ground-truth segments, in seconds.
        segment_names: Names of the classes of the M segments.
    """

    video_id: str
    training: bool
    features: np.ndarray
    snippet_sec: float
    points: np.ndarray
    clicks: np.ndarray
    segments_sec: np.ndarray
    segment_names: tuple[str, ...]


def argument_parser(doc: str, **defaults: Any) -> argparse.ArgumentParser:
    """Make the parser of the options that all comparisons have; ``defaults``: ``steps``, ``batch_size`` and ``lr``."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument('clone', type=lambda name: Path(name).resolve(), help='folder of the public code')
    parser.add_argument(
        'scratch',
        type=lambda name: Path(name).resolve(),
        help='folder for copies of the public code, work directories and results',
    )
    parser.add_argument('--seeds', type=int, default=5, help='number of seeds of each code; default: %(default)s')
    parser.add_argument('--steps', type=int, help='training steps; default: %(default)s')
    parser.add_argument('--batch-size', type=int, help='videos in a training step; default: %(default)s')
    parser.add_argument('--lr', type=float, help='learning rate; default: %(default)s')
    parser.set_defaults(**defaults)
    return parser


def load_config(file: Path) -> Config:
    """Read a config of ours, and let its data loaders start no processes."""
    config = find_config(file)
    for loader in (config.train_dataloader, config.test_dataloader):
        loader.num_workers, loader.persistent_workers = 0, False
    return config


def read_videos(config: Config) -> list[Video]:
    """Read the training and the test videos of a config, with the labels of its ``supervision``."""
    videos = []
    for loader, training in ((config.train_dataloader, True), (config.test_dataloader, False)):
        with DefaultScope.overwrite_default_scope('mmaction'):
            dataset = DATASETS.build(loader.dataset)
        for number in range(len(dataset)):
            item = item_with_ground_truth(dataset, number)
            sample = item['data_samples']
            videos.append(
                Video(
                    sample.video_id,
                    training,
                    item['inputs'].numpy(),
                    sample.grid.snippet_sec,
                    np.argwhere(training & (sample.snippet_instances.numpy() >= 0)),
                    np.flatnonzero(training & sample.background_labels.numpy()),
                    np.asarray(sample.gt_segments_sec),
                    tuple(dataset.metainfo['classes'][label] for label in sample.gt_segment_labels),
                )
            )
    return videos


def epochs_of(steps: int, batch_size: int, videos: Sequence[Video]) -> int:
    """Convert training steps to passes over the training videos; unless these are whole passes, the program ends."""
    count = sum(video.training for video in videos)
    if count % batch_size or steps * batch_size % count:
        raise SystemExit(f'{steps} steps of {batch_size} must be whole passes over {count} videos, in whole batches')
    return steps * batch_size // count


def set_schedule(config: Config, args: argparse.Namespace, videos: Sequence[Video]) -> None:
    """Set the number of steps, the videos in a step and the learning rate in our config."""
    epochs = epochs_of(args.steps, args.batch_size, videos)
    config.train_dataloader.batch_size = args.batch_size
    config.optim_wrapper.optimizer.lr = args.lr
    config.train_cfg.update(max_epochs=epochs, val_interval=epochs)
    config.default_hooks.checkpoint.interval = epochs


def write_arrays(
    folder: Path, name: str, classes: Sequence[str], videos: Sequence[Video], subsets: tuple[bytes, bytes]
) -> Path:
    """Write features and labels in the files of W-TALC, which several public codes read; return the labels' folder.

    Args:
        folder: Folder for the file of features and for the folder of labels.
        name: Name of the dataset, with which the names of the file and of the folder begin.
        classes: Names of the classes.
        videos: Training and test videos.
        subsets: Names of the subsets of training and of test videos.
    """

    def save(file, rows):
        array = np.empty(len(rows), object)
        array[:] = rows
        np.save(file, array, allow_pickle=True)

    labels = folder / f'{name}-Annotations'
    labels.mkdir(parents=True, exist_ok=True)
    names = [list(video.segment_names) for video in videos]
    save(folder / f'{name}-I3D-JOINTFeatures.npy', [video.features for video in videos])
    save(labels / 'segments.npy', [video.segments_sec.tolist() for video in videos])
    save(labels / 'labels.npy', names)
    save(labels / 'labels_all.npy', [sorted(set(own)) for own in names])
    save(labels / 'classlist.npy', [name.encode() for name in classes])
    save(labels / 'subset.npy', [subsets[not video.training] for video in videos])
    save(labels / 'videoname.npy', [video.video_id.encode() for video in videos])
    save(labels / 'duration.npy', [len(video.features) * video.snippet_sec for video in videos])
    return labels


def run(log: Path, folder: Path, *command: Any) -> float:
    """Run a Python script in a folder, with its output in a log file; returns the seconds that it took."""
    started = time.time()
    with open(log, 'w') as file:
        status = subprocess.run([sys.executable, *map(str, command)], cwd=folder, stdout=file, stderr=file).returncode
    if status:
        raise SystemExit(f'{log}: status {status}')
    return time.time() - started


def train_ours(config: Config, seed: int, result: Path) -> float:
    """Train ours and keep the detections of the last checkpoint; returns the seconds that it took."""
    work = result.with_suffix('')
    work.mkdir(exist_ok=True)
    config.val_dataloader = config.test_dataloader
    config.val_evaluator.result_file = str(work / result.name)
    config.dump(work / 'config.py')
    words = [work / 'config.py', '--work-dir', work, '--seed', seed]
    seconds = run(result.with_suffix('.log'), ROOT, 'tools/train.py', *words)
    (work / result.name).rename(result)
    return seconds


def measure(result: Path, config: Config) -> float:
    """Compute the mAP (percent) of a results file on a config's test videos, with ``eval_tal.py``, which stores it."""
    test, figures = config.test_dataloader.dataset, result.with_suffix('.figures')
    files = [Path(test.data_root) / test.ann_file]
    if test.get('split_file'):
        files += ['--split', Path(test.data_root) / test.split_file]
    if not figures.exists() or figures.stat().st_mtime < result.stat().st_mtime:
        log = result.with_suffix('.eval.log')
        run(log, ROOT, 'tools/analysis_tools/eval_tal.py', result, *files, '--json', figures)
    return 100 * json.loads(figures.read_text())[str(result)]['metrics'][MEASURE]


def compare_trainings(
    codes: Mapping[str, Callable[[int, Path], float]], seeds: int, scratch: Path, config: Config
) -> None:
    """Train each code with each seed, print mAP and intervals, and end the program.

    The status is 1 if an interval of ``ours`` minus another code is not within the limit. A results file that is there
    already is not made again, so that seeds can be added.

    Args:
        codes: By the name of a code, whose first word names its files: a function of a seed and of the results file to
            write, which returns the seconds of the training. One of them is ``'ours'``.
        seeds: Number of seeds.
        scratch: Folder of the results files.
        config: Config of ours, for its test videos.
    """
    print(f'{MEASURE} in percent, and seconds of the training\n\n| seed | ' + ' | '.join(codes) + ' |')
    print('|---:' * (1 + len(codes)) + '|', flush=True)
    figures = {name: [] for name in codes}
    for seed in range(seeds):
        cells = []
        for name, train in codes.items():
            result = scratch / f'{name.split()[0]}_{seed}.json'
            seconds = 0 if result.exists() else train(seed, result)
            figures[name].append(measure(result, config))
            cells.append(f'{figures[name][-1]:.2f} ({seconds:.0f} s)')
        print(f'| {seed} | ' + ' | '.join(cells) + ' |', flush=True)
    if seeds > 1:
        sys.exit(print_intervals({name: np.array(own) for name, own in figures.items()}))


def print_intervals(figures: Mapping[str, np.ndarray]) -> bool:
    """Print the mean of each code, and Welch's interval of the difference of ours from each other code.

    Returns whether an interval is not within the limit.

    Args:
        figures: By the name of a code, one of which is ``'ours'``: mAP in percent of each seed.
    """
    print('| mean | ' + ' | '.join(f'{own.mean():.2f} +- {own.std(ddof=1):.2f}' for own in figures.values()) + ' |\n')
    failed = False
    for name, theirs in figures.items():
        if name == 'ours':
            continue
        difference = figures['ours'].mean() - theirs.mean()
        low, high = ttest_ind(figures['ours'], theirs, equal_var=False).confidence_interval(CONFIDENCE)
        inside = -LIMIT <= low <= high <= LIMIT
        failed |= not inside
        print(
            f'Ours - {name}: {difference:+.2f}, {100 * CONFIDENCE:.0f} % Welch interval {low:+.2f} to {high:+.2f}, '
            f'{"" if inside else "not "}within +-{LIMIT}'
        )
    return failed
