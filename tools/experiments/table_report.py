"""Summary of a table of experiments from the files of its runs, as JSON and Markdown, in percent."""

import math
from dataclasses import dataclass

import numpy as np
from mmaction.registry import MODELS
from rich import box
from rich.table import Table as RichTable
from table_runs import Experiment
from tables import Row

from fsptal_mm.evaluation.functional import (
    paired_difference,
    render_markdown,
    resample_videos,
    resampled_average_precision,
    sample_deviation,
)
from fsptal_mm.report.results import load_test_set

NUM_RESAMPLES = 1000
_SUPERVISION = {'segments': 'segments', 'clicks': 'video labels, background clicks'}  # by `supervision` of the dataset


@dataclass(frozen=True)
class Entry:
    """Row of a table on one dataset.

    Attributes:
        data: Name of the dataset.
        row (Row): Definition of the row.
        seeds: Seeds of its runs.
        experiment (Experiment, optional): Experiment whose runs give the figures; ``None`` if the dataset has no config
            for this row.
    """

    data: str
    row: Row
    seeds: tuple
    experiment: Experiment | None

    def figures(self):
        """Measures (fractions) of the finished runs, by seed."""
        found = {seed: self.experiment.metrics(seed) for seed in self.seeds if self.experiment is not None}
        return {seed: entry['metrics'] for seed, entry in found.items() if entry is not None}


def supervision(config):
    """Name the kind of labels that a config trains on."""
    given = config.train_dataloader.dataset.get('supervision')
    if given in _SUPERVISION:
        return _SUPERVISION[given]
    head = MODELS.get(config.model.get('head', {}).get('type', ''))
    return getattr(head, 'supervision', 'points')


def resampled_main_average(test_set, counts, results_file):
    """Main average mAP of a results file on resamples of the test videos.

    Args:
        test_set (GroundTruth): The videos.
        counts (np.ndarray): ``(B, V)``, how often each resample has each video.
        results_file: Detections in ActivityNet's format.

    Returns:
        np.ndarray: ``(B,)`` fractions.
    """
    det = test_set.without_ambiguous(test_set.read_detections(results_file))
    tious = test_set.protocol.tiou_thresholds
    ap = resampled_average_precision(test_set.segments, det, tious, len(test_set.classes), counts)
    return test_set.protocol.main_average(ap)


def summarize(table, entries):
    """Collect the figures of all rows on one dataset.

    Args:
        table (Table): The table.
        entries (list[Entry]): Rows of the table, all on the same dataset.

    Returns:
        list[dict]: One dict for each row, with figures in percent:

        - ``label``, ``data``, ``config``, ``cfg_options``, ``published``: the row
        - ``supervision``: kind of labels that the row is trained on
        - ``seeds``, ``finished``: all seeds, and those with a finished run
        - ``metrics``: ``mean``, ``deviation`` and ``by_seed`` of each measure
        - ``main``: name of the measure that is compared
        - ``difference``: ``mean``, ``interval``, ``deviation``, ``by_seed`` and ``seeds`` of the difference to the
          reference, or ``None``
        - ``note``: text in place of figures, or ``None``
    """
    reference = next(entry for entry in entries if entry.row.label == table.reference)
    test_set = load_test_set(reference.experiment.config)
    test_set.check_has_segments(reference.experiment.config.test_dataloader.dataset.get('ann_file'))
    counts = resample_videos(len(test_set.ids), NUM_RESAMPLES)
    main = test_set.protocol.average_keys[0]
    resampled = {}

    def resample(entry, seed):
        key = entry.experiment.fingerprint, seed
        if key not in resampled:
            resampled[key] = resampled_main_average(test_set, counts, entry.experiment.results_file(seed))
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
    """Collect the dict of a row that :func:`summarize` returns, without ``difference``."""
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
        'supervision': entry.row.supervision or (supervision(entry.experiment.config) if entry.experiment else '-'),
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
    """Format the whole table as text.

    Args:
        content (dict): ``name``, ``title``, ``reference``, ``source``, ``date``, ``command``, ``version``, ``rows`` of
            :func:`summarize`, and ``failed``, a dict from run to the last lines of its log.

    Returns:
        str: Markdown.
    """
    rows = content['rows']
    main = ' or '.join(dict.fromkeys(row['main'] for row in rows))
    seeds = {}
    for row in rows:  # a row may have fewer seeds than the others
        seeds[row['data']] = max(seeds.get(row['data'], []), row['seeds'], key=len)
    lines = [
        f'# {content["name"]}: {content["title"]}',
        '',
        f'{content["date"]}, fsptal_mm {content["version"]}: `{content["command"]}`',
        '',
        f'In percent, of the last checkpoint. `{main}`: mean ± sample standard deviation over the seeds ('
        + '; '.join(f'{data}: {", ".join(map(str, numbers))}' for data, numbers in seeds.items())
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
    names = ['data', 'row']
    if len({row['supervision'] for row in rows}) > 1:
        names.append('supervision')
    table = RichTable(*names, box=box.MARKDOWN)
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
        table.add_row(row['data'], row['label'], *(row[name] for name in names[2:]), *cells)
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
