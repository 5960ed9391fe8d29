"""Check the data of a config before training: annotations, features, and whether they fit together and fit the model.

The tool prints counts, one line per error or warning, and a verdict. The exit status is 1 if there is an error.
"""

import argparse
import math
import runpy
from collections import Counter
from pathlib import Path


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of an experiment')
    parser.add_argument(
        '--loaders',
        nargs='+',
        default=['train_dataloader', 'test_dataloader'],
        help='data loaders of the config to check (default: those of training and test)',
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action='extend', help='changes of the config, as in train.py, e.g. data_root=DIR'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':  # check the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__, parse_args, config='a config file'
    )

import numpy as np
from mmaction.registry import DATASETS

from fsptal_mm.datasets import PointsToSnippets, SnippetLoader
from fsptal_mm.utils.configs import merge_options, naming_types, read_config, read_options
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.progress import VideoProgress
from fsptal_mm.utils.wording import counted

# A smaller variation() of the features gives a warning. It is 0.20 to 0.99 for features of GTEA, 50 Salads and the
# embedded dataset. For features of a recognizer with random weights, it was 0.07 to 0.09, and most trainings on these
# features failed.
MIN_VARIATION = 0.1
_NAMED = 5  # largest number of videos that a line names


class Findings:
    """Collector that prints errors and warnings and counts them.

    Attributes:
        counts (Counter): Number of findings by kind, ``'error'`` or ``'warning'``.
    """

    def __init__(self) -> None:
        self.counts = Counter()

    def add(self, kind: str, finding: object) -> None:
        """Print a finding; its kind is ``'error'`` or ``'warning'``."""
        self.counts[kind] += 1
        print(f'{kind}: {finding}')


def read(dataset):
    """Read every video of a dataset.

    Returns:
        tuple[dict, list[tuple[str, object]]]: Counts, and findings as pairs of kind and text. The counts are
        ``lengths`` (snippets of each video), ``dimensions`` (number of videos by D), ``points`` and ``segments``
        (numbers by class index), and ``flat`` (ids of videos whose features hardly differ from snippet to snippet).
    """
    steps = [step for step in dataset.pipeline.transforms if isinstance(step, (SnippetLoader, PointsToSnippets))]
    seen = dict(lengths=[], dimensions=Counter(), points=Counter(), segments=Counter(), flat=[])
    findings = []
    with VideoProgress('Check', len(dataset)) as progress:
        for index in range(len(dataset)):
            progress.update(index)
            results = dataset.get_data_info(index)
            video_id, known_duration = results['video_id'], results['duration_sec']
            seen['points'].update(np.asarray(results['point_labels']).tolist())
            seen['segments'].update(np.asarray(results.get('gt_segment_labels', [])).tolist())
            try:
                for step in steps:
                    results = step(results)
            except InputError as error:
                findings.append(('error', error))
                continue
            features = results['features']
            seen['lengths'].append(len(features))
            seen['dimensions'][' x '.join(map(str, features.shape[1:]))] += 1
            expected = known_duration and results['grid'].num_snippets(known_duration)
            if expected and abs(len(features) - expected) > 1:
                findings.append(
                    (
                        'warning',
                        f'video {video_id}: {counted(len(features), "snippet")}, but its duration gives {expected:.1f}',
                    )
                )
            if features.ndim == 2 and len(features) > 1 and variation(features) < MIN_VARIATION:
                seen['flat'].append(video_id)
    return seen, findings


def variation(features):
    """Variation of features ``(T, D)``: RMS distance of the snippets from their mean, divided by their RMS norm."""
    features = np.asarray(features, dtype=np.float64)
    size = np.square(features).sum(axis=1).mean()
    return math.sqrt(np.square(features - features.mean(axis=0)).sum(axis=1).mean() / size) if size else 0.0


def check(dataset, config, findings):
    """Print the counts of a dataset, and add its errors and warnings to ``findings``."""
    seen, found = read(dataset)
    classes = dataset.metainfo['classes']
    lengths, points, segments = seen['lengths'], seen['points'], seen['segments']
    unlabelled = [name for label, name in enumerate(classes) if not points[label]]
    counts = {
        'videos': len(dataset),
        'classes': len(classes),
        'points': sum(points.values()),
        **({'points per class': per_class(points, classes)} if points else {}),
        'classes without a point': ', '.join(unlabelled) or 'none',
        'segments': sum(segments.values()),
        **({'segments per class': per_class(segments, classes)} if segments else {}),
        'feature dimension': ', '.join(seen['dimensions']),
        'snippets per video (min, median, max)': np.percentile(lengths, [0, 50, 100]).tolist() if lengths else 'none',
    }
    for key, value in counts.items():
        print(f'  {key}: {value}')
    for kind, finding in found:
        findings.add(kind, finding)
    if len(seen['dimensions']) > 1:
        findings.add(
            'error', f'features of different dimensions: {dict(seen["dimensions"])} (dimension: number of videos)'
        )
    if seen['flat']:
        named = ', '.join(seen['flat'][:_NAMED]) + (', ...' if len(seen['flat']) > _NAMED else '')
        findings.add(
            'warning',
            f'features hardly differ from snippet to snippet in {len(seen["flat"])} of '
            f'{counted(len(dataset), "video")} ({named}): maybe the recognizer was not trained, or its checkpoint not '
            'loaded',
        )
    if points and unlabelled and not dataset.test_mode:
        findings.add('warning', f'classes that cannot be learned, since they have no point: {", ".join(unlabelled)}')
    if not points and not segments:
        findings.add('error', 'no video has a point or a segment')
    check_model(config.get('model') or {}, classes, seen['dimensions'], set(lengths), findings)


def check_length(config, findings):
    """Print the number of planned training steps; if the config has ``num_videos``, compare this number with the data.

    The config for own videos has this variable, and computes the length of the training from it.
    """
    loader, loop = config.train_dataloader, config.get('train_cfg') or {}
    num_epochs, batch_size = loop.get('max_epochs'), loader.get('batch_size')
    if num_epochs and batch_size:
        videos = len(DATASETS.build(loader.dataset))
        steps = videos // batch_size if loader.get('drop_last') else -(-videos // batch_size)
        planned = f'{counted(num_epochs, "epoch")} of {counted(steps, "step")}: {counted(num_epochs * steps, "step")}'
        hooks = config.get('custom_hooks') or ()
        begin = next((hook.get('begin') for hook in hooks if hook.type == 'RefinementHook'), None)
        print(f'\ntraining: {planned}' + (f', {begin * steps} of them in stage 1' if begin else ''))
    stated = config.get('num_videos')
    if isinstance(stated, int):
        whole = {**loader.dataset, 'fold': None} if loader.dataset.get('fold') else loader.dataset
        videos = len(DATASETS.build(whole))
        if stated != videos:
            found = f'{stated}, but {counted(videos, "labelled video")}; num_videos decides the length of the training'
            findings.add('warning', f'num_videos: {found}')


def per_class(counts, classes):
    """Describe the counts of all classes as text."""
    return ', '.join(f'{name} {counts[label]}' for label, name in enumerate(classes))


def check_model(model, classes, dimensions, lengths, findings):
    """Compare the number of classes and the feature dimension in the config of the model with the data."""
    for field, number in find_numbers(model, 'num_classes'):
        if number != len(classes):
            findings.add('error', f'model.{field}: {number}, but the annotations have {counted(len(classes), "class")}')
    channels = (model.get('embedding') or {}).get('in_channels')
    if lengths == {channels} and set(dimensions) != {str(channels)}:
        expected = f'(T, D) with D = {channels}; transpose (D, T) by np.save(path, array.T)'
        findings.add(
            'error', f'shape of the features: found {counted(channels, "snippet")} in every video, expected {expected}'
        )
    if len(dimensions) == 1 and 'backbone' not in model and isinstance(channels, int):
        [dimension] = dimensions
        if dimension.isdigit() and int(dimension) != channels:
            findings.add('error', f'model.embedding.in_channels: {channels}, but the features have D = {dimension}')


def find_numbers(node, key, prefix=''):
    """Find the whole numbers under a key at any depth of a config, as pairs (dotted path, number)."""
    if isinstance(node, dict):
        items = node.items()
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    else:
        return []
    own = [(f'{prefix}{name}', value) for name, value in items if name == key and isinstance(value, int)]
    return own + [pair for name, value in items for pair in find_numbers(value, key, f'{prefix}{name}.')]


def verdict(counts):
    """Say in one sentence whether to train, by the numbers of errors and warnings."""
    errors, warnings = (counted(counts[kind], kind) for kind in ('error', 'warning'))
    if counts['error']:
        return f'{errors}, {warnings}: correct the errors before you train'
    return f'{warnings}: read them before you train' if counts['warning'] else 'no errors or warnings: ready to train'


def main(argv=None):
    args = parse_args(argv)
    findings = Findings()
    try:
        config = read_config(args.config)
        merge_options(config, read_options(args.cfg_options))
    except InputError as error:
        raise SystemExit(f'error: {error}') from None
    for name in args.loaders:
        print(f'\n{name}')
        try:
            if not config.get(name):
                raise InputError('a data loader of the config', file=args.config, field='--loaders', found=name)
            with naming_types(args.config):
                dataset = DATASETS.build(config[name].dataset)
            check(dataset, config, findings)
        except InputError as error:
            findings.add('error', error)
    if 'train_dataloader' in args.loaders and not findings.counts['error']:
        with naming_types(args.config):
            check_length(config, findings)
    print(f'\n{verdict(findings.counts)}')
    raise SystemExit(int(findings.counts['error'] > 0))


if __name__ == '__main__':
    main()
