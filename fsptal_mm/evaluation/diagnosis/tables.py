"""Tables of diagnoses, with several models below each other."""

import math
from collections.abc import Iterator

from rich import box
from rich.table import Table

from ..functional import render_markdown
from .errors import ERROR_TYPES


def overview_table(diagnoses: dict[str, dict]) -> str:
    """Tabulate the main numbers of each model.

    Args:
        diagnoses (dict[str, dict]): Results of :meth:`Diagnosis.to_dict`, by the name of the model.

    Returns:
        str: Markdown; in percent, except for the numbers of instances and detections.
    """
    first = next(iter(diagnoses.values()))
    tious = first['tiou_thresholds']
    span = f'@{tious[0]:.4g}' + (f'-{tious[-1]:.4g}' if len(tious) > 1 else '')
    missed = f'missed, tIoU {first["tiou"]:.4g}'
    table = _table('model', 'instances', 'detections', f'mAP{span}', f'mAP_N{span}', missed)
    for name, diagnosis in diagnoses.items():
        counts = str(diagnosis['num_instances']), str(diagnosis['num_detections'])
        table.add_row(name, *counts, *(_percent(diagnosis[key]) for key in ('mAP', 'mAP_N', 'missed_share')))
    return render_markdown(table)


def error_table(diagnoses: dict[str, dict]) -> str:
    """Tabulate the share of each error type among the best detections, and the gain of mAP and mAP_N without this type.

    Args:
        diagnoses (dict[str, dict]): Results of :meth:`Diagnosis.to_dict`, by the name of the model.

    Returns:
        str: Markdown, in percent and percentage points; four rows per model.
    """
    table = _table('in percent', '', *(kind.replace('_', ' ') for kind in ERROR_TYPES))
    for name, diagnosis in diagnoses.items():
        at = f'tIoU {diagnosis["tiou"]:.4g}'
        rows = {
            f'share of the first G, {at}': diagnosis['profile'][0]['shares'],
            f'share of all 10 G, {at}': diagnosis['top_10G']['shares'],
            'mAP gained without': {kind: gain['mAP'] for kind, gain in diagnosis['gains'].items()},
            'mAP_N gained without': {kind: gain['mAP_N'] for kind, gain in diagnosis['gains'].items()},
        }
        for heading, figures in rows.items():
            table.add_row(name, heading, *(_percent(figures[kind]) if kind in figures else '' for kind in ERROR_TYPES))
    return render_markdown(table)


def bucket_table(diagnoses: dict[str, dict], characteristic: str) -> str:
    """Tabulate the missed instances and mAP_N in each bucket of a characteristic.

    Args:
        diagnoses (dict[str, dict]): Results of :meth:`Diagnosis.to_dict`, by the name of the model; all for the same
            videos and the same bounds of the buckets.
        characteristic: ``length``, ``coverage`` or ``num_instances``.

    Returns:
        str: Markdown; in percent, except for the numbers of instances; two rows per model.
    """
    buckets = next(iter(diagnoses.values()))['characteristics'][characteristic]['buckets']
    headings = [f'{bucket["bucket"]} {describe_range(bucket)}' for bucket in buckets]
    table = _table(characteristic.replace('_', ' '), '', *headings, 'all', 'sensitivity', 'impact')
    total = next(iter(diagnoses.values()))['num_instances']
    table.add_row('', 'instances', *(str(bucket['num_instances']) for bucket in buckets), str(total), '', '')
    for name, diagnosis in diagnoses.items():
        entry = diagnosis['characteristics'][characteristic]
        missed = [_percent(bucket['missed_share']) for bucket in entry['buckets']]
        values = [_percent(bucket['mAP_N']) for bucket in entry['buckets']]
        whole = _percent(diagnosis['mAP_N']), _percent(entry['sensitivity']), _percent(entry['impact'])
        heading = f'missed, tIoU {diagnosis["tiou"]:.4g}'
        table.add_row(name, heading, *missed, _percent(diagnosis['missed_share']), '', '')
        table.add_row(name, 'mAP_N', *values, *whole)
    return render_markdown(table)


def describe_range(bucket: dict) -> str:
    """Describe the range of a bucket's values, e.g. ``(3, 6]``."""
    if bucket['up_to'] is None:
        return f'> {bucket["above"]:g}'
    return f'({bucket["above"]:g}, {bucket["up_to"]:g}]' if bucket['above'] else f'<= {bucket["up_to"]:g}'


def figure_rows(diagnoses: dict[str, dict]) -> Iterator[tuple]:
    """List all numbers, one in each row, for spreadsheets and data frames.

    Args:
        diagnoses (dict[str, dict]): Results of :meth:`Diagnosis.to_dict`, by the name of the model.

    Yields:
        tuple: ``(model, measure, group, of, value)``. ``group`` is a G-bin or a characteristic, ``of`` an error type or
        a bucket; both may be empty. Examples: ``('ours', 'share', '1G', 'background', 0.2)``, ``('ours', 'gain of
        mAP', '', 'background', 0.1)``, ``('ours', 'missed_share', 'length', 'XS', 0.4)``. Values are fractions and
        counts; ``None`` stands for NaN.
    """
    for model, diagnosis in diagnoses.items():
        for measure in ('mAP', 'mAP_N', 'num_instances', 'num_missed', 'missed_share', 'num_detections'):
            yield model, measure, '', '', diagnosis[measure]
        for entry in diagnosis['profile']:
            for kind, share in entry['shares'].items():
                yield model, 'share', entry['rank'], kind, share
        for kind, gain in diagnosis['gains'].items():
            for measure, value in gain.items():
                yield model, f'gain of {measure}', '', kind, value
        for characteristic, entry in diagnosis['characteristics'].items():
            for measure in ('sensitivity', 'impact'):
                yield model, measure, characteristic, '', entry[measure]
            for bucket in entry['buckets']:
                for measure in ('num_instances', 'num_missed', 'missed_share', 'mAP_N'):
                    yield model, measure, characteristic, bucket['bucket'], bucket[measure]


def _table(first, *headings):
    table = Table(first, box=box.MARKDOWN)
    for heading in headings:
        table.add_column(heading, justify='right' if heading else 'left', no_wrap=True)
    return table


def _percent(fraction):
    return '-' if fraction is None or math.isnan(fraction) else f'{100 * fraction:.1f}'
