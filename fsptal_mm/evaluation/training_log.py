"""Reading of the log of a training, from the files of mmengine's ``LocalVisBackend``."""

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

# A stage is called too short if more than this share of the fall of its loss lies in the last quarter. The share is at
# most 0.11 in the finished runs of the benchmarks (four datasets; FS-PTAL in both stages, LACP and the base model),
# 0.13 and 0.16 in runs of 20 and 60 steps, and 0.21 to 0.34 in runs of a few epochs.
_LATE_FALL = 0.12
_NO_MEASURES = {'step', 'epoch', 'iter', 'lr', 'time', 'data_time', 'memory'}  # keys of a log that are no measures
_OF_MINING = ('mining/', 'refinement/', 'analysis/')  # beginnings of the keys that mining passes log


@dataclass
class TrainingLog:
    """Scalars of a run, as dicts from name to curve. A curve is a dict from x (epoch or iteration) to value.

    Attributes:
        unit: Unit of x: ``'epoch'`` or ``'iteration'``.
        losses: Losses: in epochs, means over the logged iterations of an epoch.
        measures: Measures of validation, as fractions.
        mining: Measures of the mining passes, ``mining/...``, ``refinement/...`` and ``analysis/...``; x is the number
            of epochs done.
        broken_lines: Lines that cannot be read, as ``file:line``.
    """

    unit: str = 'epoch'
    losses: dict = field(default_factory=dict)
    measures: dict = field(default_factory=dict)
    mining: dict = field(default_factory=dict)
    broken_lines: list = field(default_factory=list)

    @property
    def last(self) -> int:
        """Largest x with a loss; 0 if no loss is logged."""
        return max((x for values in self.losses.values() for x in values), default=0)

    @property
    def late_falls(self) -> list[float]:
        """Share of the fall of the total loss that happened in the last quarter, for each stage of the training.

        The fall in the last quarter is the mean of the third quarter minus that of the last one. A stage ends where the
        set of logged losses changes. Stages that are shorter than the last one are left out: if a loss begins only some
        epochs after the start, the epochs before it are no stage. The share is 0 if the loss did not fall, or if too
        few values are logged.
        """
        stages = self._stages()
        return [_late_fall(values) for values in stages if len(values) >= len(stages[-1])]

    def describe_late_falls(self) -> list[str]:
        """State for each stage whose loss still fell at its end that it is too short."""
        falls = self.late_falls
        parts = ['the training'] if len(falls) == 1 else [f'stage {stage + 1}' for stage in range(len(falls))]
        return [
            f'The loss still fell at the end of {part}: {100 * fall:.0f} % of its fall is in the last quarter. '
            f'Train longer: more {self.unit}s in train_cfg, and later ends of schedules and hooks.'
            for part, fall in zip(parts, falls)
            if fall > _LATE_FALL
        ]

    def _stages(self):
        """Total losses of each stage, in the order of x. All logs of a stage have the same set of losses."""
        names = {}
        for name, values in self.losses.items():
            for x in values:
                names.setdefault(x, set()).add(name)
        total = self.losses.get('loss', {})
        stages = itertools.groupby(sorted(names), key=lambda x: frozenset(names[x]))
        return [[total[x] for x in stage if x in total] for _, stage in stages]

    def measures_at(self, at: int) -> dict[str, float]:
        """Measures (fractions) of the validation at x, by name; empty if there was none."""
        return {key: values[at] for key, values in self.measures.items() if at in values}

    def last_measures(self) -> tuple[int, dict[str, float]] | None:
        """Latest validation: its x, and its measures as fractions by name; ``None`` if there was no validation."""
        at = max((x for values in self.measures.values() for x in values), default=None)
        return None if at is None else (at, self.measures_at(at))


def _late_fall(values):
    quarter = len(values) // 4
    if not quarter or not np.isfinite(values).all():
        return 0.0
    before, last = np.mean(values[-2 * quarter : -quarter]), np.mean(values[-quarter:])
    whole_fall = values[0] - last
    return float((before - last) / whole_fall) if before > last and whole_fall > 0 else 0.0


def scalar_files(work_dir: str | Path) -> list[Path]:
    """List the files of logged scalars below a work directory: one per start of the training, the oldest first."""
    files = []
    for folder in sorted(Path(work_dir).glob('*/vis_data')):
        file = next(
            (file for file in [folder / 'scalars.json', *sorted(folder.glob('*.json'))] if file.is_file()), None
        )
        if file is not None:
            files.append(file)
    return files


def read_training_log(files: Sequence[Path]) -> TrainingLog:
    """Read and join the logs of a run, which may have been interrupted and resumed, or started anew.

    If a training was started again at epoch n, the logs of earlier starts are dropped from epoch n on, since these
    epochs were trained again.

    Args:
        files (list[Path]): Files with a JSON object per line, the oldest first.

    Returns:
        TrainingLog: Its unit is ``'epoch'``, or ``'iteration'`` if no epochs are logged (a loop over iterations).
    """
    log = TrainingLog()
    for file in files:
        losses, others = [], []
        for entry in _read_lines(file, log.broken_lines):
            has_loss = any(key.startswith('loss') for key in entry)
            (losses if has_loss else others).append(entry)
        if losses:
            log.unit = 'epoch' if all('epoch' in entry for entry in losses) else 'iteration'
        x_of = (lambda entry: entry['epoch']) if log.unit == 'epoch' else (lambda entry: entry['step'])
        first = min((x_of(entry) for entry in losses), default=math.inf)
        for curves in (log.losses, log.measures, log.mining):  # drop what earlier starts have logged for x >= first
            for values in curves.values():
                for x in [x for x in values if x >= first]:
                    del values[x]
            for key in [key for key, values in curves.items() if not values]:
                del curves[key]
        _add_means(log.losses, losses, x_of)
        for entry in others:
            for key in [key for key in entry if key not in _NO_MEASURES]:
                kind = log.mining if key.startswith(_OF_MINING) else log.measures
                # The log has the prefix of TALMetric before its measures; results files have none.
                kind.setdefault(key.removeprefix('tal/'), {})[entry['step']] = entry[key]
    return log


def _read_lines(file, broken_lines):
    """Yield the numbers of each line that has a ``step``; note the lines that are no JSON in ``broken_lines``."""
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
    """Add the mean of each loss over the entries with the same x, such as all entries of one epoch, to its curve."""
    logged = {}
    for entry in entries:
        for key in (key for key in entry if key.startswith('loss')):
            logged.setdefault((key, x_of(entry)), []).append(entry[key])
    for (key, x), values in logged.items():
        curves.setdefault(key, {})[x] = sum(values) / len(values)
