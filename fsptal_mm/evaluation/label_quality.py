"""Quality of pseudo labels over training. For analysis only: ground-truth segments never reach training."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fsptal_mm.structures import segment_iou
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import get_field, get_label, read_json, shown, to_number

LABEL_FOLDER = 'pseudo_labels'  # in a work directory; PseudoLabelMiningHook writes epoch_N.json there after each pass
MEASURES = ('action_precision', 'action_recall', 'background_precision', 'background_recall', 'segment_tiou')
_WRITTEN_BY = "what custom_hooks=[dict(type='PseudoLabelMiningHook', dump=True, ...)] writes during training"
_FIELDS = ('action', 'background', 'segments', 'given', 'edges_sec')


def label_quality(videos: Iterable[dict]) -> dict[str, float]:
    """Evaluate mined labels against ground-truth segments.

    Snippets are those that the model sees, after label extension. A snippet shows the classes whose ground-truth
    segments hold its middle, and background if there is none. Precision and recall are over the snippets (for actions:
    pairs of a snippet and a class) of all videos with ground-truth segments. Snippets with a given label are left out,
    since their labels were not mined.

    Args:
        videos (Iterable[dict]): Videos of one mining pass, as ``PseudoLabelMiningHook`` writes them. ``action``,
            ``background`` and ``given`` (labelled by annotators) are runs of labelled snippets, in seconds;
            ``segments`` are the best segments of the search; ``edges_sec`` are the edges of the snippets;
            ``gt_segments`` is the ground truth. A video without ``gt_segments`` is left out.

    Returns:
        dict[str, float]: ``action_precision``, ``action_recall``, ``background_precision``, ``background_recall``, and
        ``segment_tiou``. The last one is a mean over the best segments of the search: of their highest tIoU with a
        ground-truth segment of their class. A measure is missing if its denominator is 0.
    """
    num_hits, num_mined, num_true = (dict(action=0, background=0) for _ in range(3))
    overlaps = []
    for video in videos:
        if not video.get('gt_segments'):
            continue
        classes = sorted({row['label'] for field in ('action', 'gt_segments') for row in video[field]})
        edges = np.asarray(video['edges_sec'])
        free = ~_in_runs(edges, video['given'])
        mined, truth = (_in_segments(edges, video[field], classes)[free] for field in ('action', 'gt_segments'))
        background = _in_runs(edges, video['background'])[free]
        for kind, found, expected in (('action', mined, truth), ('background', background, ~truth.any(1))):
            num_hits[kind] += int((found & expected).sum())
            num_mined[kind] += int(found.sum())
            num_true[kind] += int(expected.sum())
        overlaps += _best_overlaps(video['segments'], video['gt_segments'])
    figures = {}
    for kind, hits in num_hits.items():
        for part, total in (('precision', num_mined[kind]), ('recall', num_true[kind])):
            if total:
                figures[f'{kind}_{part}'] = hits / total
    return figures | ({'segment_tiou': float(np.mean(overlaps))} if overlaps else {})


def _in_runs(edges_sec, runs):
    """Find the snippets whose middle lies in one of the ``runs [start, end)``, as ``(T,)`` bool."""
    middle = (edges_sec[1:] + edges_sec[:-1]) / 2
    inside = np.zeros(len(middle), dtype=bool)
    for start, end in runs:
        inside |= (start <= middle) & (middle < end)
    return inside


def _in_segments(edges_sec, rows, classes):
    """Find the snippets whose middle lies in a segment of each class, as ``(T, C)`` bool."""
    of_class = [[row['segment'] for row in rows if row['label'] == label] for label in classes]
    return np.stack([_in_runs(edges_sec, runs) for runs in of_class], 1)


def _best_overlaps(found, truth):
    """Highest tIoU of every found segment with a ground-truth segment of its class, 0 if its class has none."""
    segments, gt_segments = (np.reshape([row['segment'] for row in rows], (-1, 2)) for rows in (found, truth))
    labels, gt_labels = (np.array([row['label'] for row in rows], dtype=object) for rows in (found, truth))
    overlap = segment_iou(segments, gt_segments)
    return np.where(labels[:, None] == gt_labels, overlap, 0).max(1).tolist()


def read_label_dumps(work_dir: str | Path) -> dict[int, dict[str, dict]]:
    """Read the pseudo labels that the mining passes of a run wrote.

    Args:
        work_dir: Work directory of the run.

    Returns:
        dict[int, dict[str, dict]]: Labels by the number of epochs done, ascending, then by video id, as
        ``PseudoLabelMiningHook`` writes them.

    Raises:
        InputError: The folder does not exist or holds no dumps, or a dump cannot be read or lacks a field.
    """
    folder = Path(work_dir, LABEL_FOLDER)
    if not Path(work_dir).is_dir():
        raise InputError('a work directory', file=work_dir, found='no such folder')
    numbers = {path: re.fullmatch(r'epoch_(\d+)\.json', path.name) for path in folder.glob('*.json')}
    paths = {int(match[1]): path for path, match in numbers.items() if match}
    if not paths:
        raise InputError(f'epoch_N.json, {_WRITTEN_BY}', file=folder, found='none')
    return {epoch: _read_dump(paths[epoch]) for epoch in sorted(paths)}


def _read_dump(path):
    """Labels of one mining pass by video id, checked."""
    content = read_json(path)
    for video_id, video in content.items():
        fields = video.items() if isinstance(video, dict) else ()
        lists = [field for field, value in fields if isinstance(value, list)]
        if not set(_FIELDS) <= set(lists):
            expected = f'lists in the fields {", ".join(_FIELDS)}, {_WRITTEN_BY}'
            raise InputError(expected, file=path, video=video_id, found=lists or shown(video))
    return {video_id: _to_labels(video, file=path, video=video_id) for video_id, video in content.items()}


def _to_labels(entry, **where):
    """Convert the labels of a video. The caller has checked that the fields are lists."""
    name = 'gt_segments' if 'gt_segments' in entry else 'true_segments'  # name of the field in older dumps
    truth = [] if entry.get(name) is None else get_field(entry, name, list, **where)
    labels = {}
    for field, rows in dict(action=entry['action'], segments=entry['segments'], gt_segments=truth).items():
        ends = [_to_run(get_field(row, 'segment', list, **where), field, **where) for row in rows]
        labels[field] = [dict(label=get_label(row, **where), segment=run) for row, run in zip(rows, ends)]
    for field in ('background', 'given'):
        labels[field] = [_to_run(run, field, **where) for run in entry[field]]
    labels['edges_sec'] = [to_number(edge, field='edges_sec', **where) for edge in entry['edges_sec']]
    return labels


def _to_run(run, field, **where):
    """Convert ``[start, end]`` in seconds. Times may be negative: the first snippets can begin before the video."""
    if not isinstance(run, list) or len(run) != 2:
        raise InputError('a start and an end in seconds', field=field, found=shown(run), **where)
    start, end = (to_number(time, field=field, **where) for time in run)
    if end < start:
        raise InputError('an end after the start', field=field, found=run, **where)
    return [start, end]


def quality_over_training(work_dir: str | Path) -> dict[int, dict[str, float]]:
    """Evaluate the labels of every mining pass of a run, see :func:`label_quality`.

    Args:
        work_dir: Work directory of the run.

    Returns:
        dict[int, dict[str, float]]: Measures by the number of epochs done, ascending.

    Raises:
        InputError: There are no dumps, see :func:`read_label_dumps`, or they hold no ground-truth segments.
    """
    figures = {epoch: label_quality(videos.values()) for epoch, videos in read_label_dumps(work_dir).items()}
    if not any(figures.values()):
        expected = (
            'ground-truth segments, which PseudoLabelMiningHook(analysis=True, dump=True) adds where there are any'
        )
        raise InputError(expected, file=Path(work_dir, LABEL_FOLDER), field='gt_segments', found='none')
    return figures
