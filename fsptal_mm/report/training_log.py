"""Log of a training, from the files of mmengine's ``LocalVisBackend``."""

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MAX_POINTS = 500  # of a curve: more than a screen has room for
_NO_MEASURES = {'step', 'epoch', 'iter', 'lr', 'time', 'data_time', 'memory'}  # logged beside the figures


@dataclass
class TrainingLog:
    """Scalars of a run by name, each a dict from x to value.

    Attributes:
        unit: Unit of x: ``'epoch'`` or ``'iteration'``.
        losses: Means over the logged iterations of an epoch.
        measures: Measures of validation, as fractions.
        mining: Measures of the mining passes, ``mining/...`` and ``analysis/...``; x is the number of epochs done.
        broken_lines: Lines that could not be read, as ``file:line``.
    """

    unit: str = 'epoch'
    losses: dict = field(default_factory=dict)
    measures: dict = field(default_factory=dict)
    mining: dict = field(default_factory=dict)
    broken_lines: list = field(default_factory=list)

    @property
    def last(self) -> int:
        """Largest x with a loss; 0 without any."""
        return max((x for values in self.losses.values() for x in values), default=0)

    @property
    def late_fall(self) -> float:
        """Share of the fall of the total loss that happened in the last quarter; 0 where it did not fall, or too little
        is logged.

        Means of quarters are compared, from the last change of the set of losses on: a second stage has its own.
        """
        values = self._last_stage()
        quarter = len(values) // 4
        if not quarter or not np.isfinite(values).all():
            return 0.0
        first, before, last = values[0], np.mean(values[-2 * quarter : -quarter]), np.mean(values[-quarter:])
        return float((before - last) / (first - last)) if before > last and first > last else 0.0

    def _last_stage(self):
        """Total losses, in the order of x, while the losses were the same as at the end."""
        names = {}
        for name, values in self.losses.items():
            for x in values:
                names.setdefault(x, set()).add(name)
        latest = sorted(names, reverse=True)
        stage = itertools.takewhile(lambda x: names[x] == names[latest[0]], latest)
        total = self.losses.get('loss', {})
        return [total[x] for x in stage if x in total][::-1]

    def last_measures(self) -> tuple[int, dict[str, float]] | None:
        """Measures of the latest validation and its x, ``(x, {name: fraction})``; ``None`` without any."""
        at = max((x for values in self.measures.values() for x in values), default=None)
        return None if at is None else (at, {key: values[at] for key, values in self.measures.items() if at in values})


def scalar_files(work_dir: str | Path) -> list[Path]:
    """List the files of logged scalars below a work directory: one per start of the training, oldest first."""
    files = []
    for folder in sorted(Path(work_dir).glob('*/vis_data')):
        file = next(
            (file for file in [folder / 'scalars.json', *sorted(folder.glob('*.json'))] if file.is_file()), None
        )
        if file is not None:
            files.append(file)
    return files


def read_training_log(files: Sequence[Path]) -> TrainingLog:
    """Join the logs of a run that was interrupted and resumed, or started anew.

    From its first epoch on, a later start replaces what earlier ones logged: these epochs were trained again.

    Args:
        files (list[Path]): JSON, one object per line, oldest file first.

    Returns:
        TrainingLog: With the unit ``'epoch'``; with ``'iteration'`` if no epochs were logged (a loop over iterations).
    """
    log = TrainingLog()
    for file in files:
        losses, others = [], []
        for entry in _read_lines(file, log.broken_lines):
            (losses if any(key.startswith('loss') for key in entry) else others).append(entry)
        if losses:
            log.unit = 'epoch' if all('epoch' in entry for entry in losses) else 'iteration'
        x_of = (lambda entry: entry['epoch']) if log.unit == 'epoch' else (lambda entry: entry['step'])
        first = min((x_of(entry) for entry in losses), default=math.inf)
        for curves in (log.losses, log.measures, log.mining):
            for values in curves.values():
                for x in [x for x in values if x >= first]:
                    del values[x]
            for key in [key for key, values in curves.items() if not values]:
                del curves[key]
        _add_means(log.losses, losses, x_of)
        for entry in others:
            for key in [key for key in entry if key not in _NO_MEASURES]:
                kind = log.mining if key.startswith(('mining/', 'analysis/')) else log.measures
                # In the log, measures of TALMetric have its prefix; in results files they have none.
                kind.setdefault(key.removeprefix('tal/'), {})[entry['step']] = entry[key]
    return log


def thin(values: dict[int, float], factor: float = 1) -> tuple[list[int], list[float | None]]:
    """Scale a curve and thin it to two lists of at most ``MAX_POINTS``, x ascending; ``None`` for NaN and Inf."""
    x = sorted(values)
    x = [x[index] for index in np.unique(np.linspace(0, len(x) - 1, min(len(x), MAX_POINTS)).round().astype(int))]
    return x, [factor * values[at] if math.isfinite(values[at]) else None for at in x]


def _read_lines(file, broken_lines):
    """Yield objects with a step and numbers; a killed process leaves half a line behind."""
    for number, line in enumerate(file.read_text(encoding='utf-8', errors='replace').splitlines(), start=1):
        try:
            entry = json.loads(line)
            numbers = {key: value for key, value in entry.items() if isinstance(value, (int, float))}
        except (ValueError, AttributeError):
            broken_lines.append(f'{file}:{number}')
            continue
        if 'step' in numbers:
            yield numbers


def _add_means(curves, entries, x_of):
    sums = {}
    for entry in entries:
        for key in (key for key in entry if key.startswith('loss')):
            sums.setdefault((key, x_of(entry)), []).append(entry[key])
    for (key, x), values in sums.items():
        curves.setdefault(key, {})[x] = sum(values) / len(values)
