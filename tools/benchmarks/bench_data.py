"""Time and memory of reading features: one batch, and generated datasets up to the size of ActivityNet.

The time to read a batch is compared with the time of a training step on it. The feature files are sparse: they hold
zeros and take no space on the disk, but a read costs as much as from other files. Every measurement of memory has a
process of its own. RSS (resident set size) is the memory of a process, shared pages included. PSS (proportional set
size) divides a shared page among its processes. USS (unique set size) counts only what a process does not share.

Further columns of the table: ``index s`` and ``grows MB`` are the time to build the dataset and the growth of USS
meanwhile; ``stored MB`` is the size of its annotations in memory; ``pickle MB`` is what a spawned worker would get;
``first s`` is the time to the first batch; ``files`` and ``files later`` are the open files after 16 and 31 batches.
"""

import argparse
import json
import multiprocessing
import os
import pickle
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from mmaction.registry import MODELS
from mmengine.runner import Runner
from reference.timing import take_turns

import fsptal_mm.compat
from fsptal_mm.datasets import PointTALDataset

NUM_CLASSES, SNIPPET_SEC, WORKERS = 20, 0.64, 2
MEDIAN_SNIPPETS, SPREAD = 235, 0.81  # of log-normal lengths, like those of THUMOS14's training videos (mean 326)
PIPELINE = [dict(type='LoadSnippetFeatures'), dict(type='PointsToSnippets'), dict(type='PackPointTALInputs')]


def write_set(folder, count, dim, median_snippets, spread, rng):
    """Write ``count`` videos with points, and features of zeros; return the arguments of their dataset."""
    folder = Path(folder)
    (folder / 'features').mkdir(parents=True)
    videos = {}
    for index in range(count):
        video_id = f'v_{index:06d}'
        num_snippets = int(np.clip(rng.lognormal(np.log(median_snippets), spread), 2, 2200))
        duration_sec = num_snippets * SNIPPET_SEC
        segments, points = [], []
        for start, end in np.sort(rng.random((1 + rng.poisson(0.5), 2)) * duration_sec):
            label = f'class {rng.integers(NUM_CLASSES)}'
            segments.append(dict(start_sec=start, end_sec=end, label=label))
            points.append(dict(time_sec=(start + end) / 2, label=label))
        videos[video_id] = dict(subset='train', duration_sec=duration_sec, points=points, segments=segments)
        path = folder / 'features' / f'{video_id}.npy'
        np.lib.format.open_memmap(path, 'w+', np.float32, (num_snippets, dim))
    classes = [f'class {label}' for label in range(NUM_CLASSES)]
    content = dict(format='fsptal_mm', version=1, classes=classes, videos=videos)
    (folder / 'annotations.json').write_text(json.dumps(content))
    return dict(
        ann_file='annotations.json',
        data_prefix=dict(feature='features'),
        data_root=str(folder),
        grid=dict(snippet_sec=SNIPPET_SEC),
        pipeline=PIPELINE,
    )


def compare_with_step(dim, batch_size, repeats):
    """Print the time to read a batch of videos of THUMOS14's lengths in one process, as a share of a training step."""
    with tempfile.TemporaryDirectory() as folder:
        settings = write_set(Path(folder, 'set'), batch_size, dim, MEDIAN_SNIPPETS, SPREAD, np.random.default_rng(0))
        dataset = PointTALDataset(**settings)
        batch = Runner.build_dataloader(
            dict(batch_size=batch_size, num_workers=0, sampler=dict(type='DefaultSampler'), dataset=dataset)
        )
        model = MODELS.build(
            dict(
                type='PointTAL',
                embedding=dict(type='SnippetEmbedding', in_channels=dim, out_channels=dim),
                head=dict(type='PointTALHead', num_classes=NUM_CLASSES, in_channels=dim),
            )
        )
        data = next(iter(batch))

        def step():
            losses = model(**model.data_preprocessor(data, True), mode='loss')
            model.parse_losses(losses)[0].backward()

        paths = sorted(Path(folder, 'set/features').iterdir())
        read = lambda: next(iter(batch))  # noqa: E731
        plain = lambda: [np.load(path) for path in paths]  # noqa: E731
        read_sec, plain_sec, step_sec = take_turns(read, plain, step, repeats=repeats)
    read_ms, share = 1e3 * np.median(read_sec), 100 * np.median(read_sec / step_sec)
    print(f'D = {dim}: a batch of {batch_size} is read in {read_ms:.0f} ms by one process,', end=' ')
    print(f'{np.median(read_sec / plain_sec):.1f} times numpy.load of the same files,', end=' ')
    print(f"{share:.1f} % of the base model's training step of {np.median(step_sec):.2f} s")


def memory_mb(pid):
    """RSS, PSS and USS of a process in MB."""
    fields = {}
    for line in Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines()[1:]:
        name, kilobytes, _ = line.split()
        fields[name[:-1]] = int(kilobytes) / 1024
    return fields['Rss'], fields['Pss'], fields['Private_Clean'] + fields['Private_Dirty']


def open_files(pid):
    """Number of files that a process holds open."""
    return len(os.listdir(f'/proc/{pid}/fd'))


def measure_set(settings, batch_size, queue):
    """Index a dataset and read batches with workers; put the figures of a row into the queue."""
    # Workers are forked, as in our configs. Otherwise this process, which was spawned, would spawn them.
    multiprocessing.set_start_method('fork', force=True)
    torch.set_num_threads(1)
    fsptal_mm.compat.apply()
    before = memory_mb('self')
    start = time.perf_counter()
    dataset = PointTALDataset(**settings)
    index_sec = time.perf_counter() - start
    index_mb = memory_mb('self')[2] - before[2]
    sampler = dict(type='DefaultSampler', shuffle=True)
    loader = Runner.build_dataloader(
        dict(batch_size=batch_size, num_workers=WORKERS, persistent_workers=True, sampler=sampler, dataset=dataset)
    )
    start = time.perf_counter()
    batches = iter(loader)
    next(batches)
    first_sec = time.perf_counter() - start
    files = []
    for _ in range(2):
        for _ in range(15):
            next(batches)
        processes = [os.getpid(), *(child.pid for child in multiprocessing.active_children())]
        files.append(sum(open_files(pid) for pid in processes))
    workers = np.array([memory_mb(pid) for pid in processes[1:]]).mean(0)
    stored_mb, sent_mb = dataset.data_bytes.nbytes / 1e6, len(pickle.dumps(dataset)) / 1e6
    queue.put((index_sec, index_mb, stored_mb, sent_mb, first_sec, *workers, *files))


def compare_sets(counts, dim, batch_size):
    """Print a row of figures for a generated dataset of each of these numbers of videos."""
    context = multiprocessing.get_context('spawn')
    print(
        f'D = {dim}, {WORKERS} workers, after 31 batches of {batch_size}; MB of one worker, open files of all processes'
    )
    names = ('index s', 'grows MB', 'stored MB', 'pickle MB', 'first s', 'RSS', 'PSS', 'USS', 'files', 'files later')
    print(f'{"videos":>7}{"GB":>7}' + ''.join(f'{name:>{max(10, len(name) + 2)}}' for name in names))
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            settings = write_set(Path(folder, 'set'), count, dim, 110, 0.6, np.random.default_rng(0))
            gigabytes = sum(path.stat().st_size for path in Path(folder, 'set/features').iterdir()) / 1e9
            queue = context.Queue()
            process = context.Process(target=measure_set, args=(settings, batch_size, queue))
            process.start()
            figures = queue.get()
            process.join()
        row = ''.join(
            f'{value:>{max(10, len(name) + 2)}.{2 if " s" in name else 0}f}' for name, value in zip(names, figures)
        )
        print(f'{count:>7}{gigabytes:>7.1f}{row}')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--videos', type=int, nargs='+', default=[1000, 10000], help='sizes of the generated datasets')
    parser.add_argument('--repeats', type=int, default=3, help='runs of each measurement; the median is printed')
    args = parser.parse_args()
    fsptal_mm.compat.apply()
    torch.set_num_threads(1)
    for dim in (256, 2048):
        compare_with_step(dim, 16, args.repeats)
    compare_sets(args.videos, 2048, 16)


if __name__ == '__main__':
    main()
