"""Measure how many points are saved, for the same mAP, if the videos to label are suggested and not drawn at random.

A simulated annotator labels videos of the generated dataset (``synthetic``) with the points that the generator drew.
For each seed, all strategies begin with the same random videos. Each round trains stage 1 from the start on the videos
labelled so far, tests it, and lets the strategy choose the next videos:

    suggested   uncertain videos that differ from the labelled ones, as tools/suggest.py does
    uncertain   the videos with the most uncertain detections
    different   the videos that differ most from the labelled ones
    random      videos drawn at random

The tool prints a table, and writes all figures to WORK_DIR/labelling_rounds.json after every round. Finished rounds are
not run again, whatever the config, so choose another WORK_DIR for another config.

Example:
    python tools/experiments/labelling_rounds.py --seeds 0 1 2 3 4
"""

import argparse
import copy
import itertools
import json
import math
import runpy
import shutil
import sys
from pathlib import Path

STRATEGIES = ('suggested', 'uncertain', 'different', 'random')


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--config', default='fsptal-tuned_synthetic', help='config of stage 1 (default: %(default)s)')
    parser.add_argument(
        '--seeds', nargs='+', type=int, default=[0, 1, 2, 3, 4], metavar='S', help='seeds (default: 0 to 4)'
    )
    parser.add_argument('--rounds', type=int, default=5, help='trainings of each strategy (default: %(default)s)')
    parser.add_argument('--videos', type=int, default=3, help='videos labelled in a round (default: %(default)s)')
    parser.add_argument('--steps', type=int, default=150, help='steps of each training (default: %(default)s)')
    parser.add_argument(
        '--strategies',
        nargs='+',
        choices=STRATEGIES,
        default=['suggested', 'random'],
        help='see above (default: %(default)s)',
    )
    parser.add_argument(
        '--work-dir', type=Path, default='work_dirs/labelling_rounds', help='folder of the runs (default: %(default)s)'
    )
    parser.add_argument('--cfg-options', nargs='+', action='extend', help='changes of the config, as in train.py')
    return parser.parse_args(argv)


if __name__ == '__main__':  # checks the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__, parse_args, config='a config file'
    )

import numpy as np
from mmengine.runner import Runner
from rich import box
from rich.table import Table

from fsptal_mm.apis import TALInferencer, mean_features, suggest_videos, unlabelled_videos
from fsptal_mm.apis.model_loading import find_config
from fsptal_mm.datasets.annotations.records import load_annotations
from fsptal_mm.datasets.synthetic.generator import ensure_synthetic
from fsptal_mm.evaluation import read_results
from fsptal_mm.evaluation.functional import render_markdown, sample_deviation
from fsptal_mm.utils.configs import merge_options, read_options
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.writing import atomic_write, write_json

_BATCH_SIZE = 8
_MEASURE = 'tal/mAP@0.1-0.7'


class Rounds:
    """Rounds of labelling on the generated dataset: training, test, and choice of the next videos.

    Args:
        args (Namespace): Arguments of the command line.
    """

    def __init__(self, args):
        self.args = args
        config = find_config(args.config)
        merge_options(config, read_options(args.cfg_options))
        data = config.train_dataloader.dataset
        self.root = ensure_synthetic(data.data_root, **data.get('generator', {}))
        self.videos = load_annotations(self.root / 'annotations.json', subset='train').videos
        self.means = mean_features([self.root / 'features/train'])
        for name in ('train_dataloader', 'test_dataloader'):
            config[name].update(num_workers=0, persistent_workers=False)
        config.train_dataloader.batch_size = _BATCH_SIZE
        config.update(val_dataloader=None, val_cfg=None, val_evaluator=None, custom_hooks=[], log_level='WARNING')
        config.default_hooks.logger.interval = 1000
        self.config = config

    def train(self, labelled, seed, folder):
        """Train and test with the labelled videos, unless that is done; return mAP in percent, and the checkpoint."""
        epochs = math.ceil(self.args.steps / math.ceil(len(labelled) / _BATCH_SIZE))
        checkpoint, finished = folder / f'epoch_{epochs}.pth', folder / 'finished.json'
        if finished.is_file():
            stored = json.loads(finished.read_text())
            if (stored['videos'], stored['steps']) == (labelled, self.args.steps):
                return stored['mAP'], checkpoint
        shutil.rmtree(folder, ignore_errors=True)
        config = copy.deepcopy(self.config)
        config.work_dir, config.experiment_name = str(folder), '_'.join(folder.parts[-2:])
        config.randomness = dict(seed=seed)
        with atomic_write(folder / 'labelled.txt') as file:
            file.write('\n'.join(labelled))
        config.train_dataloader.dataset.split_file = str((folder / 'labelled.txt').absolute())
        config.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=epochs, val_interval=epochs)
        config.default_hooks.checkpoint.interval = epochs
        runner = Runner.from_cfg(config)
        runner.train()
        figure = 100 * runner.test()[_MEASURE]
        write_json(finished, dict(videos=labelled, steps=self.args.steps, mAP=figure))
        return figure, checkpoint

    def choose(self, strategy, labelled, checkpoint, rng):
        """Choose the videos to label next, by the detections of the latest checkpoint; return their ids."""
        others = [name for name in self.videos if name not in labelled]
        if strategy == 'random':
            return rng.permutation(others)[: self.args.videos].tolist()
        found = checkpoint.parent / 'found'
        if not (found / 'results.json').is_file():
            paths = [str(self.root / f'features/train/{name}.npy') for name in others]
            TALInferencer(self.config, checkpoint)(paths, score_threshold=-math.inf, out_dir=found)
        results = read_results(found / 'results.json')
        videos, _ = unlabelled_videos(results, {name: self.videos[name] for name in labelled})
        if strategy == 'uncertain':
            videos = sorted(videos, key=lambda video: -video.uncertainty)
        else:
            if strategy == 'different':  # equal uncertainties, so that only the distance counts
                videos = [video._replace(uncertainty=1.0) for video in videos]
            videos = suggest_videos(videos, labelled, self.means)
        return [video.video_id for video in videos[: self.args.videos]]

    def run(self, strategy, seed):
        """Run the rounds of a strategy; after each, yield ``videos`` and ``points`` so far, and ``mAP`` in percent."""
        rng = np.random.default_rng(seed)
        labelled, checkpoint = [], None
        for number in range(self.args.rounds):
            # The first round is the same for all strategies.
            labelled = labelled + self.choose(strategy if number else 'random', labelled, checkpoint, rng)
            folder = self.args.work_dir / f'seed_{seed}' / (f'{strategy}_{number}' if number else 'first')
            figure, checkpoint = self.train(labelled, seed, folder)
            points = sum(len(self.videos[name].point_sec) for name in labelled)
            yield dict(videos=labelled, points=points, mAP=figure)


def points_needed(rounds, target):
    """Number of points at which the mAP of a strategy first reaches a target; NaN if it never does.

    Between two rounds, the mAP is interpolated linearly.
    """
    previous = None
    for current in rounds:
        if current['mAP'] >= target:
            if previous is None:
                return float(current['points'])
            share = (target - previous['mAP']) / (current['mAP'] - previous['mAP'])
            return previous['points'] + share * (current['points'] - previous['points'])
        previous = current
    return math.nan


def report(curves):
    """Describe all rounds as a Markdown table, and say how many points reach the last mAP of ``random``, seed by seed.

    Args:
        curves (dict): Rounds as :meth:`Rounds.run` yields them, by strategy, then by seed.
    """
    table = Table('strategy', 'videos', 'points', 'mAP@0.1-0.7', box=box.MARKDOWN)
    for strategy, by_seed in curves.items():
        for rounds in zip(*by_seed.values()):
            points, figures = ([one[name] for one in rounds] for name in ('points', 'mAP'))
            spread = f'{np.mean(figures):.1f} ± {sample_deviation(figures):.1f}'
            table.add_row(strategy, str(len(rounds[0]['videos'])), f'{np.mean(points):.0f}', spread)
    lines = [render_markdown(table)]
    for strategy in [name for name in curves if name != 'random' and 'random' in curves]:
        for seed, last in ((seed, rounds[-1]) for seed, rounds in curves['random'].items()):
            rounds = curves[strategy][seed]
            needed = points_needed(rounds, last['mAP'])
            told = f'not reached with {rounds[-1]["points"]}' if math.isnan(needed) else f'{needed:.0f}'
            at_random = f'mAP {last["mAP"]:.1f} takes {last["points"]} points at random'
            lines.append(f'seed {seed}: {at_random}, {strategy}: {told}')
    return '\n'.join(lines)


def main(argv=None):
    args = parse_args(argv)
    curves = {strategy: {} for strategy in args.strategies}
    try:
        rounds = Rounds(args)
        for seed, strategy in itertools.product(args.seeds, args.strategies):
            done = curves[strategy][seed] = []
            for one in rounds.run(strategy, seed):
                done.append(one)
                print(f'seed {seed}, {strategy}: {one["points"]} points, mAP {one["mAP"]:.1f}', flush=True)
                write_json(args.work_dir / 'labelling_rounds.json', curves)
    except InputError as error:
        sys.exit(f'error: {error}')
    print(report(curves))


if __name__ == '__main__':
    main()
