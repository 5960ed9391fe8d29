"""Figures of a table from what its runs left behind, as JSON and Markdown, in percent."""

import math
from dataclasses import dataclass

import numpy as np
from mmaction.registry import DATASETS, METRICS
from rich import box
from rich.table import Table as RichTable
from table_runs import Experiment
from tables import Row

from fsptal_mm.config_errors import config_errors
from fsptal_mm.evaluation import read_results, to_instances
from fsptal_mm.evaluation.functional import (
    Instances,
    paired_difference,
    render_markdown,
    resample_videos,
    resampled_average_precision,
    sample_deviation,
    touches_any,
)

NUM_RESAMPLES = 1000


@dataclass(frozen=True)
class Entry:
    """A row of a table on one data set.

    Attributes:
        data: Name of the data set.
        row (Row): The row.
        seeds: Seeds of its runs.
        experiment (Experiment, optional): ``None`` where the data set has no such config.
    """

    data: str
    row: Row
    seeds: tuple
    experiment: Experiment | None

    def figures(self):
        """Measures (fractions) of the finished runs, by seed."""
        found = {seed: self.experiment.metrics(seed) for seed in self.seeds if self.experiment is not None}
        return {seed: entry['metrics'] for seed, entry in found.items() if entry is not None}


class TestVideos:
    """The test videos of a config, and how the config judges detections on them; reads the true segments.

    Args:
        config (Config): A resolved config.
    """

    __test__ = False  # not a test, whatever pytest makes of the name

    @config_errors()
    def __init__(self, config):
        dataset = DATASETS.build(config.test_dataloader.dataset)
        metric = METRICS.build(config.test_evaluator)
        infos = [dataset.get_data_info(index) for index in range(len(dataset))]
        videos = list({info['video_id']: info for info in infos}.values())  # windows of one video are one
        self.protocol = metric.protocol
        self.ids = [video['video_id'] for video in videos]
        self.classes = dataset.metainfo['classes']
        self.gt = Instances.from_videos(
            [video['gt_segments_sec'] for video in videos], [video['gt_segment_labels'] for video in videos]
        )
        ambiguous = Instances.from_videos([video['ambiguous_sec'] for video in videos])
        self.ambiguous = ambiguous if metric.ambiguous == 'drop' else None
        self.counts = resample_videos(len(videos), NUM_RESAMPLES)

    def resampled(self, results_file):
        """Main average mAP of a results file on each of the resamples, ``(B,)`` fractions."""
        det = to_instances(read_results(results_file), self.ids, self.classes, file=results_file)
        if self.ambiguous is not None:
            det = det[~touches_any(det, self.ambiguous)]
        tious = self.protocol.tiou_thresholds
        return self.protocol.main_average(
            resampled_average_precision(self.gt, det, tious, len(self.classes), self.counts)
        )


def summarize(table, entries):
    """Figures of all rows on one data set.

    Args:
        table (Table): The table.
        entries (list[Entry]): Its rows on this data set.

    Returns:
        list[dict]: One per row, percent: ``label``, ``data``, ``config``, ``cfg_options``, ``seeds``, ``finished``
        (seeds), ``metrics`` (``mean``, ``deviation`` and ``by_seed`` of each measure), ``main`` (the measure that is
        compared), ``difference`` to the reference (``mean``, ``interval``, ``deviation``, ``by_seed``, ``seeds``) or
        ``None``, ``published``, ``note``.
    """
    reference = next(entry for entry in entries if entry.row.label == table.reference)
    videos = TestVideos(reference.experiment.config)
    main = videos.protocol.average_keys[0]
    resampled = {}

    def resample(entry, seed):
        key = entry.experiment.fingerprint, seed
        if key not in resampled:
            resampled[key] = videos.resampled(entry.experiment.results_file(seed))
        return resampled[key]

    def compare(entry):
        pair = entry.figures(), reference.figures()
        seeds = [seed for seed in entry.seeds if seed in pair[0] and seed in pair[1]]
        if entry is reference or not seeds:
            return None
        values = ([figures[seed][main] for seed in seeds] for figures in pair)
        resamples = (np.stack([resample(part, seed) for seed in seeds]) for part in (entry, reference))
        difference = paired_difference(*values, *resamples)
        return {
            'mean': 100 * difference.mean,
            'interval': [100 * difference.low, 100 * difference.high],
            'deviation': _number(100 * difference.spread),
            'by_seed': (100 * difference.by_seed).tolist(),
            'seeds': seeds,
        }

    return [_row(entry, main) | {'difference': compare(entry)} for entry in entries]


def _row(entry, main):
    figures = entry.figures()
    metrics = {}
    for key in next(iter(figures.values()), {}):
        values = [100 * measures[key] for measures in figures.values()]
        metrics[key] = {
            'mean': float(np.mean(values)),
            'deviation': _number(sample_deviation(values)),
            'by_seed': values,
        }
    return {
        'label': entry.row.label,
        'data': entry.data,
        'config': str(entry.experiment.config_file) if entry.experiment else None,
        'cfg_options': list(entry.experiment.options) if entry.experiment else None,
        'seeds': list(entry.seeds),
        'finished': list(figures),
        'main': main,
        'metrics': metrics,
        'published': entry.row.published,
        'note': None if entry.experiment else entry.row.absent,
    }


def _number(value):
    return None if math.isnan(value) else value  # JSON has no NaN


def to_markdown(content):
    """The whole table as text.

    Args:
        content (dict): ``name``, ``title``, ``reference``, ``source``, ``date``, ``command``, ``version``, ``rows`` as
            of :func:`summarize`, and ``failed``, a dict from run to what its log said.

    Returns:
        str: Markdown.
    """
    rows = content['rows']
    main = ' or '.join(dict.fromkeys(row['main'] for row in rows))
    seeds = {row['data']: ', '.join(map(str, row['seeds'])) for row in rows}
    lines = [
        f'# {content["name"]}: {content["title"]}',
        '',
        f'{content["date"]}, fsptal_mm {content["version"]}: `{content["command"]}`',
        '',
        f'In percent, of the last checkpoint. `{main}`: mean ± sample standard deviation over the seeds ('
        + '; '.join(f'{data}: {numbers}' for data, numbers in seeds.items())
        + f'). `minus {content["reference"]}`: mean over the seeds of the paired difference, [95 % interval of '
        f'{NUM_RESAMPLES} bootstrap resamples of the test videos], ± sample standard deviation over the seeds.'
        + (f' Published figures: {content["source"]}.' if content['source'] else ''),
        '',
        _table(content['reference'], rows, main),
    ]
    for run, message in content['failed'].items():
        lines += ['', f'Failed: {run}', '', *(f'    {line}' for line in message.splitlines())]
    return '\n'.join(lines) + '\n'


def _table(reference, rows, main):
    keys = [key for key in _union(row['metrics'] for row in rows) if key.startswith('mAP@') and '-' not in key]
    on = _union(row['published'] for row in rows)
    table = RichTable('data', 'row', box=box.MARKDOWN)
    headings = [*(key.removeprefix('mAP') for key in keys), main, 'each seed', f'minus {reference}']
    for heading in [*headings, *(f'published ({name})' for name in on)]:
        table.add_column(heading, justify='right', no_wrap=True)
    for row in rows:
        cells = [f'{row["metrics"][key]["mean"]:.1f}' if key in row['metrics'] else '-' for key in keys]
        figures = row['metrics'].get(row['main'])
        cells += [
            row['note'] or (_spread(figures) if figures else '-'),
            _each_seed(row, figures),
            _difference(row['difference']),
            *(f'{row["published"][name]:.4g}' if name in row['published'] else '' for name in on),
        ]
        table.add_row(row['data'], row['label'], *cells)
    return render_markdown(table)


def _union(dicts):
    return list(dict.fromkeys(key for keys in dicts for key in keys))


def _spread(figures, sign=''):
    deviation = figures['deviation']
    return f'{figures["mean"]:{sign}.1f}' + ('' if deviation is None else f' ± {deviation:.1f}')


def _each_seed(row, figures):
    if not figures:
        return '-'
    values = dict(zip(row['finished'], figures['by_seed']))
    return ' / '.join(f'{values[seed]:.1f}' if seed in values else 'missing' for seed in row['seeds'])


def _difference(difference):
    if difference is None:
        return ''
    low, high = difference['interval']
    deviation = difference['deviation']
    return f'{difference["mean"]:+.1f} [{low:+.1f}, {high:+.1f}]' + ('' if deviation is None else f' ± {deviation:.1f}')
