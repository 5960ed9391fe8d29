"""Rank checkpoints by the points of held-out videos, and compare the ranking with the mAP.

The held-out videos are the same as in choose_threshold.py: those that train_dataloader.dataset.fold leaves out of the
training, else the videos of val_dataloader. The tool ends with an error if the config also trains on them, or if a
checkpoint was trained on one of them. The latter happens if more videos were labelled since, which changes the folds.

The tool chooses the last checkpoint whose point/mAP is within one standard error of the best one (Breiman et al. 1984).
The standard error is that of the difference between the two checkpoints, by a bootstrap over the held-out videos.

The columns marked "analysis" read the ground-truth segments of the held-out and of the test videos. They show how far
the ranking can be trusted. Do not choose anything by them. --points-only leaves them out.
"""

import argparse
import runpy
import sys
from pathlib import Path


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file of an experiment with a held-out fold')
    parser.add_argument('checkpoints', nargs='+', metavar='CHECKPOINT', help='files, in the order of training')
    parser.add_argument('--points-only', action='store_true', help='read the points only, no ground-truth segments')
    parser.add_argument('--cfg-options', nargs='+', action='extend', help='as in train.py, e.g. data_root=DIR')
    return parser.parse_args(argv)


if __name__ == '__main__':  # checks the arguments before the imports, which take seconds
    runpy.run_path(str(Path(__file__).resolve().parents[1] / 'starting.py'))['start'](
        __file__, parse_args, config='a config file', checkpoints='a local checkpoint'
    )

import numpy as np
import torch
from mmaction.registry import MODELS
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from scipy.stats import spearmanr

from fsptal_mm.apis.model_loading import load_local_checkpoint
from fsptal_mm.apis.operating_points import build_held_out, check_held_out
from fsptal_mm.evaluation.functional import (
    resample_videos,
    resampled_point_precision,
    sample_deviation,
    summary_table,
)
from fsptal_mm.evaluation.operating_point import MIN_POINTS, NOTHING_FOUND
from fsptal_mm.evaluation.samples import collect_detections, collect_points
from fsptal_mm.structures import Instances
from fsptal_mm.utils.configs import merge_options, naming_types, read_config, read_options
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.wording import counted

_POINTS, _ERROR = 'point/mAP', 'standard error'
_HELD_OUT, _TEST = 'held-out mAP (analysis)', 'test mAP (analysis)'


def run_metrics(model, loader, evaluators, found=None):
    """Run a model over the videos of a loader, and compute its metrics.

    Args:
        model (PointTAL): Model in evaluation mode.
        loader (DataLoader): Loader of the videos.
        evaluators (list[dict]): Configs of the metrics.
        found (list, optional): List that is extended by a pair (points, detections) for each video with points.

    Returns:
        dict[str, float]: Figures of all metrics, as fractions.
    """
    evaluator = Evaluator(evaluators)
    evaluator.dataset_meta = loader.dataset.metainfo
    with torch.no_grad():
        for batch in loader:
            samples = model.test_step(batch)
            evaluator.process(samples, batch)
            if found is not None:
                found += [
                    pair for pair in zip(map(collect_points, samples), map(collect_detections, samples)) if len(pair[0])
                ]
    return evaluator.evaluate(len(loader.dataset))


def rank(config, checkpoints, points_only, found=None):
    """Evaluate every checkpoint, and print to stderr which one is evaluated.

    Args:
        config (Config): Config of the experiment.
        checkpoints (list[str]): Files.
        points_only: Whether to leave out the columns that read ground-truth segments.
        found (dict, optional): Dict that gets, for each checkpoint, the pairs (points, detections) of the held-out
            videos.

    Returns:
        dict[str, dict[str, float]]: A row of figures for each checkpoint, as fractions.

    Raises:
        InputError: No video is held out, held-out videos are trained on, or no held-out video has a point; ground-truth
            segments are missing; or a checkpoint is missing, or belongs to another model or another fold.
    """
    dataset = build_held_out(config, with_segments=not points_only)
    analysis = [] if points_only else [config.test_evaluator]
    model = MODELS.build(config.model).to('cuda' if torch.cuda.is_available() else 'cpu').eval()
    held_out = Runner.build_dataloader({**(config.get('val_dataloader') or config.test_dataloader), 'dataset': dataset})
    test = None if points_only else Runner.build_dataloader(config.test_dataloader)
    rows = {}
    for number, path in enumerate(checkpoints, 1):
        print(f'checkpoint {number} of {len(checkpoints)}: {path}', file=sys.stderr, flush=True)
        datasets = (loader.dataset for loader in (held_out, test) if loader is not None)
        check_held_out(config, dataset, load_local_checkpoint(model, path, *datasets), path)
        pairs = []
        measures = run_metrics(model, held_out, [dict(type='PointMetric'), *analysis], pairs)
        if _POINTS not in measures:
            raise InputError('points in the held-out videos', file=dataset.ann_file, found='none')
        rows[path] = {_POINTS: measures[_POINTS]}
        if found is not None:
            found[path] = pairs
        if not points_only:
            rows[path][_HELD_OUT] = _main_figure(measures)
            rows[path][_TEST] = _main_figure(run_metrics(model, test, analysis))
    return rows


def _main_figure(measures):
    """First mAP among the figures of a TALMetric, which is the average over tIoUs, if there is one."""
    for key, value in measures.items():
        if key.startswith('tal/mAP'):
            return value
    raise InputError('ground-truth segments in the held-out and the test videos for an analysis, else --points-only')


def choose(found):
    """Choose the last checkpoint whose point/mAP is within one standard error of the best.

    Args:
        found (dict[str, list]): Pairs (points, detections) of each checkpoint in the order of training, see
            :func:`rank`.

    Returns:
        tuple: The chosen checkpoint, and for each checkpoint the standard error (fraction) of its difference from the
        best one; NaN with a single video, which tells nothing about other videos.
    """
    num_videos = len(next(iter(found.values())))
    counts = np.vstack([np.ones((1, num_videos), dtype=int), resample_videos(num_videos)])
    mean_ap = {}  # by checkpoint: point/mAP of all videos, then of each resample
    for path, pairs in found.items():
        points, detections = (Instances.join(part) for part in zip(*pairs))
        num_classes = max(points.labels.max(), detections.labels.max(initial=0)) + 1
        mean_ap[path] = np.nanmean(resampled_point_precision(points, detections, num_classes, counts), axis=1)
    best = max(mean_ap.values(), key=lambda values: values[0])
    errors = {path: sample_deviation((values - best)[1:]) for path, values in mean_ap.items()}
    chosen = [path for path, values in mean_ap.items() if best[0] - values[0] <= errors[path]][-1]
    return chosen, errors if num_videos > 1 else dict.fromkeys(errors, np.nan)


def report(rows, found):
    """Describe the ranking as text: the table and the chosen checkpoint.

    With the mAP of an analysis, the text also has the rank correlation, and the mAP that the choice loses.
    """
    best, errors = choose(found)
    num_points = sum(len(points) for points, _ in found[best])
    table = {path: {_POINTS: row[_POINTS], _ERROR: errors[path], **row} for path, row in rows.items()}
    lines = [
        summary_table(table, 'checkpoint'),
        f'{counted(num_points, "point")} in {counted(len(found[best]), "held-out video")}; the {_ERROR} is that of the '
        'difference from the best checkpoint' + ', unknown with one video' * (len(found[best]) == 1),
    ]
    if num_points < MIN_POINTS:
        lines.append(
            f'only {counted(num_points, "held-out point")}: the choice is uncertain, but you can go on with it; '
            f'with {MIN_POINTS} or more it is steadier'
        )
    if not any(row[_POINTS] for row in rows.values()):
        return '\n'.join([*lines, f'none is chosen, since none finds a held-out point: {NOTHING_FOUND}'])
    if len(rows) > 1 and len({row[_POINTS] for row in rows.values()}) == 1:
        lines.append(f'all checkpoints have the same {_POINTS}, so it does not tell which one is better')
    rule = (
        'the last within one standard error of the best' if len(found[best]) > 1 else 'the best, of equal ones the last'
    )
    lines.append(f'chosen by {_POINTS}, {rule}: {best}')
    scores = {key: [row[key] for row in rows.values()] for key in next(iter(rows.values()))}
    if _TEST in scores:
        truth = scores[_TEST]
        if len(rows) > 1:
            correlations = (f'{spearmanr(scores[key], truth).statistic:.2f} ({key})' for key in (_POINTS, _HELD_OUT))
            lines.append(f'rank correlation with the test mAP (Spearman; analysis): {", ".join(correlations)}')
        lines.append(
            f'test mAP in percent (analysis): chosen {100 * rows[best][_TEST]:.2f}, best {100 * max(truth):.2f}, '
            f'last {100 * truth[-1]:.2f}; regret {100 * (max(truth) - rows[best][_TEST]):.2f}'
        )
    return '\n'.join(lines)


def main(argv=None):
    args = parse_args(argv)
    try:
        with naming_types(args.config):
            config = read_config(args.config)
            merge_options(config, read_options(args.cfg_options))
            init_default_scope(config.default_scope)
            MMLogger.get_current_instance().setLevel('WARNING')  # the metrics' own tables would hide ours
            found = {}
            print(report(rank(config, args.checkpoints, args.points_only, found), found))
    except InputError as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
