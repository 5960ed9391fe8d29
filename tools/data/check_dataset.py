"""Check the data of a config before training on them: annotations, features and how they fit together.

Prints the counts and one line per finding; the exit status is 1 if any of them is an error.
"""

import argparse
from collections import Counter

import numpy as np
from mmaction.registry import DATASETS
from mmengine.utils import track_iter_progress

from fsptal_mm.datasets import PointsToSnippets, SnippetLoader
from fsptal_mm.utils.configs import OptionsAction, merge_options, naming_types, read_config
from fsptal_mm.utils.errors import InputError


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of an experiment')
    parser.add_argument(
        '--loaders', nargs='+', default=['train_dataloader', 'test_dataloader'], help='data loaders to check'
    )
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction, help='as in train.py, e.g. data_root=DIR')
    return parser.parse_args(argv)


def check(dataset):
    """Read every video of a dataset.

    Returns:
        tuple[dict, list[str], list[str]]: Counts, errors and warnings.
    """
    checked = [step for step in dataset.pipeline.transforms if isinstance(step, (SnippetLoader, PointsToSnippets))]
    lengths, dimensions, points, errors, warnings = [], Counter(), Counter(), [], []
    for index in track_iter_progress(range(len(dataset))):
        results = dataset.get_data_info(index)
        points.update(np.asarray(results['point_labels']).tolist())
        known_duration = results['duration_sec']
        try:
            for step in checked:
                results = step(results)
        except InputError as error:
            errors.append(str(error))
            continue
        lengths.append(len(results['features']))
        dimensions[' x '.join(map(str, results['features'].shape[1:]))] += 1
        expected = known_duration and results['grid'].num_snippets(known_duration)
        if expected and abs(lengths[-1] - expected) > 1:
            warnings.append(
                f'video {results["video_id"]}: {lengths[-1]} snippets, but the duration makes {expected:.1f}'
            )
    if len(dimensions) > 1:
        errors.append(f'features of different dimensions: {dict(dimensions)} (dimension: number of videos)')
    classes = dataset.metainfo['classes']
    counts = {
        'videos': len(dataset),
        'classes': len(classes),
        'points': sum(points.values()),
        'classes without a point': ', '.join(name for label, name in enumerate(classes) if not points[label]) or 'none',
        'feature dimension': ', '.join(dimensions),
        'snippets per video (min, median, max)': np.percentile(lengths, [0, 50, 100]).tolist() if lengths else 'none',
    }
    return counts, errors, warnings


def main(argv=None):
    args = parse_args(argv)
    failed = False
    try:
        config = read_config(args.config)
        merge_options(config, args.cfg_options)
        for name in args.loaders:
            with naming_types(args.config):
                dataset = DATASETS.build(config[name].dataset)
            counts, errors, warnings = check(dataset)
            print(f'\n{name}')
            for key, value in counts.items():
                print(f'  {key}: {value}')
            for kind, findings in (('warning', warnings), ('error', errors)):
                for finding in findings:
                    print(f'{kind}: {finding}')
            failed |= bool(errors)
    except InputError as error:
        print(f'error: {error}')
        failed = True
    raise SystemExit(int(failed))


if __name__ == '__main__':
    main()
