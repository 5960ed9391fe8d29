"""Suggestions that the labelling page shows: likely detections of a model, which a person accepts or rejects."""

from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fsptal_mm.evaluation.labelling import likely_detections
from fsptal_mm.evaluation.results import read_results
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import get_field, known_id, read_json, to_positive


def read_suggestions(
    path: str | Path, video_ids: Container[str], classes: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Read suggestions from a results file.

    Args:
        path: A file of ``tools/suggest.py``, which holds score thresholds; or any other results file: then the
            threshold of all classes is the median of the scores in the file.
        video_ids: Ids of the videos of the project.
        classes (Sequence[str]): Names of the project's classes.

    Returns:
        dict[str, list[dict]]: The likely detections of each video of the project that is in the file, by video id, in
        the order of the file. A detection is a dict with ``start_sec``, ``end_sec``, ``label``, ``score`` and
        ``uncertainty``, and with ``best_sec`` if the file states the time of the best snippet. The most uncertain
        detection of a video comes first.

    Raises:
        InputError: The file cannot be read, has no video of the project, or has a label that is not among ``classes``.
    """
    results = read_results(path)
    found = {known_id(name, video_ids): entry for name, entry in results.items()}
    found.pop(None, None)
    if not found:
        raise InputError(
            'videos of the project', file=path, field='results', found=', '.join(list(results)[:5]) or 'none'
        )
    for name, entry in found.items():
        other = next((label for label in entry['labels'] if label not in classes), None)
        if other is not None:
            raise InputError(
                f'one of the classes {", ".join(classes)}', file=path, video=name, field='label', found=other
            )
    thresholds = _thresholds(path, results, classes)
    return {name: _suggestions(likely_detections(entry, thresholds)) for name, entry in found.items()}


def _thresholds(path, results, classes):
    """Score threshold of each class: as the file states it, else the median score, but at least a tiny number > 0."""
    content = read_json(path)
    if 'thresholds' in content:
        stated = get_field(content, 'thresholds', dict, file=path)
        return {name: to_positive(value, file=path, field=f'thresholds: {name}') for name, value in stated.items()}
    scores = np.concatenate([entry['scores'] for entry in results.values()])
    median = float(np.median(scores)) if len(scores) else 1.0
    return dict.fromkeys(classes, max(median, np.finfo(float).tiny))


def _suggestions(found):
    start_sec, end_sec = found['segments_sec'].T
    columns = {'start_sec': start_sec, 'end_sec': end_sec, 'score': found['scores']}
    columns |= {name: found[name] for name in ('uncertainty', 'best_sec') if name in found}
    rows = zip(*(column.tolist() for column in columns.values()))
    return [dict(zip(columns, row), label=label) for row, label in zip(rows, found['labels'])]
