"""Extract snippet features of videos with any recognizer of mmaction2.

For every video, the tool writes OUT/VIDEO.npy, (T, D) float32. It also writes OUT/features.json, which states the
snippet grid and the model; datasets read the grid there. Existing features are not extracted again. Videos that cannot
be read are reported at the end, with exit status 1. If a path does not exist, the tool ends at once.

Examples:
    python tools/data/extract_features.py CONFIG CHECKPOINT data/mine/features/rgb data/mine/videos --workers 4
    torchrun --nproc-per-node 8 tools/data/extract_features.py CONFIG CHECKPOINT OUT videos.txt --half
    python tools/data/extract_features.py FLOW_CONFIG CHECKPOINT data/mine/features/flow data/mine/videos --flow tvl1
"""

import argparse
import os
import runpy
import sys
from pathlib import Path


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of a recognizer')
    parser.add_argument('checkpoint', help='checkpoint of the recognizer, a local file')
    parser.add_argument('out', type=Path, help='folder of the features')
    parser.add_argument(
        'videos', nargs='+', type=Path, help='video files, folders of them, or .txt files with one path per line'
    )
    parser.add_argument('--fps', type=float, default=25.0, help='rate at which all videos are sampled (default: 25)')
    parser.add_argument(
        '--stride-frames', type=int, default=16, help='frames at --fps from one snippet to the next (default: 16)'
    )
    parser.add_argument(
        '--snippet-frames',
        type=int,
        help='frames at --fps from the start to the end of a clip (default: from the config; for 2D models the stride)',
    )
    parser.add_argument('--clip-len', type=int, help="frames of a clip that the model gets (default: the config's)")
    parser.add_argument('--batch-size', type=int, default=8, help='clips in one forward pass (default: 8)')
    parser.add_argument('--workers', type=int, default=2, help='processes that decode videos (default: 2)')
    parser.add_argument('--half', action='store_true', help='compute in half precision (float16; bfloat16 on the CPU)')
    parser.add_argument(
        '--device', help='e.g. cpu or cuda:1 (default: a GPU, if there is one; under torchrun one for each process)'
    )
    parser.add_argument('--allow-damaged', action='store_true', help='take what can be read of damaged videos')
    parser.add_argument(
        '--flow',
        help='for models of optical flow: "tvl1", or a folder with a subfolder of flow_x_*, flow_y_* images per video',
    )
    parser.add_argument(
        '--shard',
        help='i/n: extract every n-th video only, from video i on, i from 0 (default: RANK/WORLD_SIZE of torchrun)',
    )
    parser.add_argument('--cfg-options', nargs='+', action='extend', help='changes of the config, as in train.py')
    return parser.parse_args(argv)


if __name__ == '__main__':  # check the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__, parse_args, config='a config file', checkpoint='a local checkpoint', videos='a video file'
    )

import numpy as np
import torch

from fsptal_mm.apis.feature_extractor import FeatureExtractor
from fsptal_mm.datasets.annotations.readers import read_lines
from fsptal_mm.datasets.feature_settings import keep_settings
from fsptal_mm.datasets.videos.decoding import declared_duration_sec
from fsptal_mm.datasets.videos.flow import RGB_SOURCE
from fsptal_mm.datasets.videos.reader import videos_below
from fsptal_mm.utils.configs import merge_options, naming_types, read_config, read_options
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.progress import VideoProgress
from fsptal_mm.utils.reading import path_below, to_name
from fsptal_mm.utils.wording import counted
from fsptal_mm.utils.writing import atomic_write


def find_videos(paths):
    """Find the videos in files, folders and lists (.txt files of paths).

    Returns:
        dict[str, Path]: From the name of a video (its file name without suffix) to its file, sorted by name.

    Raises:
        InputError: A folder or a list holds no video, a list does not exist, or two files have the same name.
    """
    found = {}
    for path in paths:
        if path.suffix == '.txt' and not path.is_dir():
            files = [path.parent / to_name(line, 'a path', file=where) for where, line in read_lines(path)]
        else:
            files = videos_below(path)
        if not files:
            raise InputError('paths of videos, one per line', file=path, found='none')
        for file in files:
            other = found.setdefault(to_name(file.stem, 'a name without suffix', file=file), file)
            if other.resolve() != file.resolve():
                raise InputError(f'another name than that of {other}', file=file, video=file.stem)
    return dict(sorted(found.items()))


def parse_shard(text):
    """Read which videos this process extracts, as ``(index, count)``: every ``count``-th video, from ``index`` on.

    Args:
        text: ``'index/count'``. Empty or ``None``: from the environment variables of torchrun.

    Raises:
        InputError: The text has another form, or the index is not below the count.
    """
    text = text or f'{os.environ.get("RANK", 0)}/{os.environ.get("WORLD_SIZE", 1)}'
    index, _, count = text.partition('/')
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise InputError('i/n with 0 <= i < n', field='shard', found=text)
    return int(index), int(count)


def choose_device(name):
    """Choose the device: ``name``, else the GPU of this process under torchrun, else ``None`` (the default device)."""
    if name is None and torch.cuda.is_available() and 'LOCAL_RANK' in os.environ:
        return f'cuda:{os.environ["LOCAL_RANK"]}'
    return name


def estimate_durations_sec(paths):
    """Estimate the durations of videos: as their headers state them, else the mean of the stated durations."""
    declared = {path: declared_duration_sec(path) for path in paths}
    mean = np.mean([duration for duration in declared.values() if duration] or [1.0])
    return {path: duration or mean for path, duration in declared.items()}


def run(extractor, videos, out, num_workers):
    """Extract and write the features; return the errors of the videos that could not be read."""
    names, targets, errors = {str(path): name for name, path in videos.items()}, {}, []
    for path, name in names.items():
        try:
            targets[path] = path_below(out, name, '.npy')
        except InputError as error:  # such as a name that is too long for a file: known before the video is decoded
            errors.append(InputError(error.expected, file=path, field='name', found=error.found))
    durations_sec = estimate_durations_sec(targets)
    shares, done_sec, done = dict.fromkeys(targets, 0.0), 0.0, 0
    with VideoProgress('Extraction', len(targets), sum(durations_sec.values())) as progress:

        def show(path, share):
            nonlocal done_sec
            done_sec += (share - shares[path]) * durations_sec[path]
            shares[path] = share
            progress.update(done, done_sec)

        for done, result in enumerate(extractor.extract_all(targets, num_workers, show), 1):
            show(result.path, 1.0)
            if result.error is not None:
                errors.append(result.error)
                continue
            with atomic_write(targets[result.path], 'wb') as file:
                np.save(file, result.features)
            if result.note:
                progress.print(f'{names[result.path]}: {result.note}')
            if not progress.is_bar:
                snippets = counted(len(result.features), 'snippet')
                progress.print(f'{done}/{len(targets)} {names[result.path]}: {snippets}')
    return errors


@naming_types()
def extract(args):
    """Extract features as the command line says; return the exit status."""
    index, count = parse_shard(args.shard)
    videos = dict(list(find_videos(args.videos).items())[index::count])
    config = read_config(args.config)
    merge_options(config, read_options(args.cfg_options))
    extractor = FeatureExtractor(
        config,
        args.checkpoint,
        fps=args.fps,
        stride_frames=args.stride_frames,
        snippet_frames=args.snippet_frames,
        clip_len=args.clip_len,
        device=choose_device(args.device),
        half=args.half,
        batch_size=args.batch_size,
        source=args.flow or RGB_SOURCE,
        allow_damaged=args.allow_damaged,
    )
    keep_settings(args.out, extractor.settings)
    todo = {name: path for name, path in videos.items() if not os.path.isfile(args.out / f'{name}.npy')}
    print(
        f'{counted(len(todo), "video")} to extract, {len(videos) - len(todo)} done before; '
        f'one snippet every {extractor.grid.snippet_sec:.4g} s, with {extractor.feature_dim} numbers from a clip of '
        f'{counted(extractor.clip_grid.clip_len, "frame")}'
    )
    errors = run(extractor, todo, args.out, args.workers)
    print(f'{counted(len(todo) - len(errors), "video")} extracted into {args.out}, {len(errors)} could not be read')
    for error in errors:
        print(f'error: {error}')
    return int(bool(errors))


def main(argv=None):
    try:
        sys.exit(extract(parse_args(argv)))
    except InputError as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
