"""Writing of the report: one HTML file, which needs neither the network nor another file."""

import base64
import hashlib
import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import jinja2
import numpy as np

import fsptal_mm
from fsptal_mm import visualization  # its drawing functions are imported at their first use
from fsptal_mm.evaluation.diagnosis import ERROR_TYPES
from fsptal_mm.utils.wording import counted
from fsptal_mm.utils.writing import atomic_write
from fsptal_mm.visualization.palette import INK, PAPER

from .curves import MAX_POINTS, thin
from .names import readable
from .published import Published
from .results import VIDEO_TIOU
from .run import Run
from .timelines import MAX_DETECTIONS, group_by_test_set, make_timelines

_TEMPLATE = Path(__file__).parent / 'template'
# Beginnings of the keys of measures that are logged as fractions; the charts show them in percent.
_IN_PERCENT = ('mAP@', 'AR@', 'AUC', 'video_', 'point/', 'point_')
_SCRIPTS = ('common.js', 'charts.js', 'timelines.js', 'page.js')


def write_report(
    path: str | Path, runs: Sequence[Run], published: Sequence[Published] = (), num_videos: int = 3
) -> None:
    """Write the report, atomically.

    All texts from files are escaped. In addition, the content security policy of the page blocks every request, and all
    scripts but the page's own.

    Args:
        path: HTML file to write.
        runs (list[Run]): Runs to show side by side, each in a colour of its own.
        published (Sequence[Published]): Published results to list below those of the runs. Default: none.
        num_videos: Number of best videos, and of worst videos, to draw as timelines.

    Raises:
        WriteError: The file cannot be written.
    """
    script = '\n'.join((_TEMPLATE / name).read_text(encoding='utf-8') for name in _SCRIPTS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies['json.dumps_kwargs'] = {'allow_nan': False, 'separators': (',', ':')}
    environment.filters['percent'] = _percent
    environment.filters['readable'] = readable
    environment.filters['counted'] = counted
    groups = group_by_test_set(runs)
    html = environment.get_template('report.html').render(
        script=script,
        script_digest=digest,
        style=(_TEMPLATE / 'report.css').read_text(encoding='utf-8'),
        version=fsptal_mm.__version__,
        date=datetime.now().strftime('%Y-%m-%d %H:%M'),
        runs=runs,
        summary=_summary(runs, published),
        published=published,
        class_tables=[_class_table(runs, numbers) for numbers in groups],
        diagnoses=[_diagnosis(runs, numbers) for numbers in groups if runs[numbers[0]].segment_result],
        units={runs[numbers[0]].result.unit for numbers in groups},
        error_types=ERROR_TYPES,
        differences=_differences(runs),
        limits={'points': MAX_POINTS, 'detections': MAX_DETECTIONS, 'videos': num_videos, 'tiou': VIDEO_TIOU},
        content={
            'runs': [run.name for run in runs],
            'charts': _charts(runs),
            'timelines': [make_timelines(runs, numbers, num_videos) for numbers in groups],
            'tiou': VIDEO_TIOU,
        },
    )
    with atomic_write(path, errors='backslashreplace') as file:  # the name of a folder need not be valid UTF-8
        file.write(html)


def _summary(runs, published):
    """Content of the tables of measures.

    Returns:
        dict: ``rows``, a dict per run with its measures and the data they were measured on (``of``); ``tables``, each
        a heading, the keys of its columns, and rows of published results; ``best``, the best value of each key.
    """
    rows = []
    for run in runs:
        measures, of = run.measures, 'held-out videos' if run.tests_held_out else 'test'
        if not measures and (validation := run.validation):
            at, measures = validation
            of = f'validation, {run.log.unit} {at}'
        if not measures:
            of = 'no video was held out' if run.nothing_held_out else 'nothing measured yet'
        rows.append({'run': run, 'measures': measures, 'of': of})
    keys = list(dict.fromkeys(key for row in rows for key in row['measures']))
    of_detections = [key for key in keys if key.startswith('mAP@')]
    if of_detections or not keys:
        of_detections += dict.fromkeys(key for row in published for key in row.metrics if key not in of_detections)
    of_points = [key for key in keys if key.startswith('point/')]
    further = [key for key in keys if key not in of_detections and key not in of_points]
    tables = [
        ('Mean average precision', of_detections, published),
        ('By points', of_points, ()),
        ('Further measures', further, ()),
    ]
    best = {key: max(row['measures'].get(key, -np.inf) for row in rows) for key in keys}
    return {
        'rows': rows,
        'tables': [table for table in tables if table[1]] or tables[:1],
        'best': best if len(runs) > 1 else {},
    }


def _class_table(runs, numbers):
    """Content of the table of classes, for the runs with these ``numbers``, which share a test set."""
    first = runs[numbers[0]].result
    test_set = first.test_set
    counts = np.bincount(first.truth.labels, minlength=len(test_set.classes))
    columns = [(number, *column) for number in numbers for column in runs[number].result.class_columns()]
    return {
        'unit': first.unit,
        'columns': [(number, name) for number, name, _ in columns],
        'rows': [
            (test_set.classes[label], int(counts[label]), [values[label] for *_, values in columns])
            for label in np.flatnonzero(counts)
        ],
        'videos': counted(len(test_set.ids), runs[numbers[0]].test_video),
        'without': [name for name, count in zip(test_set.classes, counts) if not count],
    }


def _diagnosis(runs, numbers):
    """Content of the section of diagnoses, for the runs with these ``numbers``, which share a test set."""
    found = {runs[number].name: runs[number].segment_result.diagnosis.to_dict() for number in numbers}
    # A folder name that is no valid UTF-8 has lone surrogates as a Python string, which matplotlib refuses.
    drawn = {name.encode(errors='backslashreplace').decode(): diagnosis for name, diagnosis in found.items()}
    return {
        'runs': list(zip(numbers, found.values())),
        'pictures': [
            (_svg(draw(drawn), f'{draw.__name__} {numbers}'), caption)
            for draw, caption in (
                (
                    visualization.draw_error_profile,
                    'Error types of the best detections, and the gain without each of them',
                ),
                (visualization.draw_sensitivity, 'mAP_N by length, coverage and number of the ground-truth segments'),
                (visualization.draw_false_negatives, 'Share of the ground-truth segments that no detection finds'),
            )
        ],
    }


def _svg(figure, name):
    """Convert a figure of matplotlib to SVG that can stand in HTML: without the lines before the root element.

    Texts stay texts; they are not converted to outlines. The ids in the SVG are derived from ``name``, so that they are
    reproducible, and different for each figure of the page. The colours INK and PAPER become those of the page, which
    may be light or dark.
    """
    import matplotlib  # only runs with ground-truth segments have figures

    file = io.StringIO()
    nothing = dict.fromkeys(('Date', 'Creator', 'Format', 'Type'))
    with matplotlib.rc_context({'svg.fonttype': 'none', 'svg.hashsalt': name}):
        figure.savefig(file, format='svg', metadata=nothing, transparent=True)
    text = file.getvalue().replace(INK, 'var(--text)').replace(PAPER, 'var(--panel)')
    return text[text.index('<svg') :]


def _charts(runs):
    """Content of the charts, in the order of the page; each chart has a series per run."""
    charts = []
    for kind in ('losses', 'measures', 'mining'):
        for key in dict.fromkeys(key for run in runs for key in getattr(run.log, kind) if _is_drawn(key)):
            series = []
            for number, run in enumerate(runs):
                if key in getattr(run.log, kind):
                    x, y = thin(getattr(run.log, kind)[key], 100 if key.startswith(_IN_PERCENT) else 1)
                    series.append({'run': number, 'x': x, 'y': y})
            units = {runs[entry['run']].log.unit for entry in series}
            charts.append(
                {'kind': kind, 'title': readable(key), 'x_title': ' or '.join(sorted(units)), 'series': series}
            )
    return charts


def _is_drawn(key):
    """Tell whether a curve is drawn.

    Of mAP at single tIoUs, AR and AUC, only mAP@0.5 and AR@100 are drawn, since the other curves look alike.
    """
    return not key.startswith(('mAP@', 'AR@', 'AUC')) or '-' in key or key in (f'mAP@{VIDEO_TIOU}', 'AR@100')


def _differences(runs):
    """Settings that differ between the configs of the runs: pairs of a key and a list of the value of each run."""
    flat = [_flatten(run.config.to_dict()) if run.config is not None else {} for run in runs]
    keys = sorted({key for settings in flat for key in settings} - {'work_dir'})
    rows = [(key, [settings.get(key, '') for settings in flat]) for key in keys]
    return [row for row in rows if len(set(row[1])) > 1]


def _flatten(value, prefix=''):
    """Settings by dotted names, such as ``model.neck.type`` or ``hooks.0.interval``; values as texts of Python."""
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)) and any(isinstance(part, (dict, list, tuple)) for part in value):
        items = enumerate(value)
    else:
        return {prefix: repr(value)}
    flat = {}
    for key, part in items:
        flat |= _flatten(part, f'{prefix}.{key}' if prefix else str(key))
    return flat


def _percent(fraction):
    return '–' if fraction is None or np.isnan(fraction) else f'{100 * fraction:.1f}'
