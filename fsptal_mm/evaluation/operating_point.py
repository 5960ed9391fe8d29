"""Operating point of a checkpoint: score thresholds of its detections, chosen by held-out points."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fsptal_mm.structures import Instances
from fsptal_mm.utils.errors import InputError
from fsptal_mm.utils.reading import get_field, read_json, regular_file, to_number
from fsptal_mm.utils.wording import counted
from fsptal_mm.utils.writing import write_json

from .functional import match_points, resample_videos
from .samples import warn

MIN_POINTS = 30  # fewer give a warning; with 30, the 95% interval of a recall of 0.8 is 0.66 to 0.94
NOTHING_FOUND = 'step 5 of docs/guides/own_data.md says what to look at if a model finds no actions'
_RESAMPLES = 100
# Weight, as a number of points, of the shared threshold of all classes in the threshold of a single class; see
# choose_operating_point. For detections of one stage, 20 was the best of 10, 20 and one threshold for all classes (62
# runs on four datasets). For detections of both stages, whose scores are more alike between classes, 100 is better: in
# nine runs on three datasets (tools/experiments/operating_points.py), thresholds were chosen on one half of the
# held-out videos, and F1 by points on the other half is 77.5 % with 20, 77.7 % with 100. On the test videos of these
# runs, mean F1 at tIoU 0.5 is 67.1 % with 20, 68.4 % with 100, and 69.0 % with one threshold for all classes.
_SHARED_POINTS = 100
_SUFFIX = '.operating_point.json'
_FORMAT = 'fsptal_mm operating point'


@dataclass(frozen=True)
class Threshold:
    """Score threshold, with precision and recall by labelled points.

    Attributes:
        score: Lowest score of a detection that is kept.
        precision: Share of the kept detections that are true positives.
        recall: Share of the labelled instances that the kept detections find.
        num_points: Number of labelled instances.
    """

    score: float
    precision: float
    recall: float
    num_points: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.precision * self.recall / ((self.precision + self.recall) or 1)

    def __str__(self) -> str:
        return (
            f'score {self.score:.3f}, precision {100 * self.precision:.1f}, recall {100 * self.recall:.1f}, '
            f'F1 {100 * self.f1:.1f} ({counted(self.num_points, "point")})'
        )


def best_score(scores: np.ndarray, hits: np.ndarray, num_truth: int, counts: np.ndarray | None = None) -> float | None:
    """Choose the score threshold with the best F1.

    The threshold lies halfway between the lowest kept score and the next lower score, since scores in other videos
    differ a little. If several thresholds have the same F1, the highest is taken.

    Args:
        scores (np.ndarray): ``(N,)`` scores of detections, falling.
        hits (np.ndarray): ``(N,)`` bool: true positives, matched in the order of the scores, so that leaving out low
            scores changes no other match.
        num_truth: Number of instances to find.
        counts (np.ndarray, optional): ``(N,)``, how often each detection counts, as in a bootstrap. Default: once.

    Returns:
        float: The threshold; ``None`` if there is no true positive.
    """
    counts = np.ones(len(scores)) if counts is None else counts
    num_hits = np.cumsum(counts * hits)
    if not len(num_hits) or not num_hits[-1]:
        return None
    # F1 = 2 hits / (kept detections + instances), for each number of kept detections.
    half_f1 = num_hits / (np.cumsum(counts) + num_truth)
    is_last_of_ties = np.append(scores[1:] < scores[:-1], True)  # a threshold keeps all equal scores or none
    best = int(np.argmax(np.where(is_last_of_ties, half_f1, -1)))
    return float(scores[best : best + 2].mean())


@dataclass(frozen=True)
class OperatingPoint:
    """Score thresholds of a checkpoint.

    Attributes:
        overall: Threshold chosen on all classes together. Its precision and recall are measured on all classes, with
            the threshold of each class in ``by_class``.
        by_class: Threshold of each class by its name, in the order of the checkpoint.
        model: Digest of the model in the config, see :func:`model_digest`. Thresholds do not fit another model or NMS.
        num_videos: Number of held-out videos with a point.
        chosen_with: Checkpoint whose detections the thresholds were chosen with, if the operating point is stored
            beside another checkpoint; else empty.
    """

    overall: Threshold
    by_class: Mapping[str, Threshold]
    model: str
    num_videos: int
    chosen_with: str = ''

    @property
    def measured_by(self) -> str:
        """Words that say by which points, and with which checkpoint, precision and recall were measured."""
        return 'held-out points' + (f' with {self.chosen_with}, not with this checkpoint' if self.chosen_with else '')

    @property
    def scores(self) -> np.ndarray:
        """Score thresholds of the classes, ``(C,)``."""
        return np.array([threshold.score for threshold in self.by_class.values()], dtype=np.float64)

    def keeps(self, det: Instances) -> np.ndarray:
        """Mask of the kept detections, ``(N,)`` bool; class indices are in the order of the checkpoint."""
        return det.scores >= self.scores[det.labels]

    def select(self, det: Instances) -> Instances:
        """Keep the detections that reach the thresholds of their classes."""
        return det[self.keeps(det)]


def choose_operating_point(
    points: Instances, det: Instances, classes: Sequence[str], model: str = '', checkpoint: str = ''
) -> OperatingPoint:
    """Choose the thresholds with the best F1 by held-out points.

    True positives are those of :func:`~fsptal_mm.evaluation.functional.point_average_precision`: one detection for each
    labelled instance. Every other detection is a false positive, so every instance of every class must be labelled in
    these videos.

    The best threshold of a few videos depends on chance. Two steps make it steadier. First, the best threshold is
    computed on each of many bootstrap resamples of the videos, and the mean is taken (bagging, Breiman 1996). Second,
    the threshold of a class with n points is ``(n own + w shared) / (n + w)``, where ``own`` is the best threshold of
    the class, ``shared`` that of all classes together, and w is ``_SHARED_POINTS``.

    Args:
        points (Instances): Labelled instances of the held-out videos with points.
        det (Instances): Detections in these videos, with all scores.
        classes: Names of the classes, in the order of their indices.
        model: Digest of the model in the config.
        checkpoint: Checkpoint that made the detections, for the warnings. Default: the warnings name none.

    Raises:
        InputError: No detection covers one labelled instance and no other.
    """
    det = det[np.argsort(-det.scores, kind='stable')]
    hits = match_points(points, det) >= 0
    resamples = resample_videos(int(max(points.videos, default=0)) + 1, _RESAMPLES)
    shared = _mean_best_score(points, det, hits, resamples)
    if shared is None:
        found = f'none of {counted(len(det), "detection")} for {counted(len(points), "labelled instance")}'
        raise InputError(f'a detection that covers a point of the held-out videos; {NOTHING_FOUND}', found=found)
    said_of = f'{checkpoint}: ' if checkpoint else ''
    if len(points) < MIN_POINTS:
        warn(
            f'{said_of}only {counted(len(points), "held-out point")}: the threshold is uncertain, but can be used; '
            f'with {MIN_POINTS} or more it is steadier'
        )
    scores = np.full(len(classes), shared)
    for label, count in enumerate(np.bincount(points.labels, minlength=len(classes))):
        of_class = det.labels == label
        own = _mean_best_score(points[points.labels == label], det[of_class], hits[of_class], resamples)
        if own is not None:
            scores[label] = (count * own + _SHARED_POINTS * shared) / (count + _SHARED_POINTS)
    kept = det.scores >= scores[det.labels]
    by_class = {}
    for label, name in enumerate(classes):
        num_points = np.count_nonzero(points.labels == label)
        by_class[name] = _evaluated(scores[label], hits[kept & (det.labels == label)], num_points)
    missed = [label for label, own in enumerate(by_class.values()) if own.num_points and not own.recall]
    lost = [classes[label] for label in missed if not hits[det.labels == label].any()]
    if lost:
        warn(f'{said_of}no held-out instance of {", ".join(lost)} is found: label more of them, or train longer')
    for label in missed:
        if classes[label] not in lost:
            best = det.scores[hits & (det.labels == label)].max()
            warn(
                f'{said_of}no held-out instance of {classes[label]} is found at its threshold, {scores[label]:.3g}; '
                f'the best detection that covers one has the score {best:.3g}. Label more of them, or train longer. '
                f'A --score-threshold below {best:.3g} makes demo.py keep this detection, but holds for all classes'
            )
    overall = _evaluated(shared, hits[kept], len(points))
    return OperatingPoint(overall, by_class, model, len(np.unique(points.videos)))


def lower_thresholds(
    chosen: OperatingPoint, points: Instances, first: Instances, final: Instances, checkpoint: str = ''
) -> OperatingPoint:
    """Adapt the thresholds of a first model to a final model, by videos that both were trained on.

    The first model was trained without the held-out videos, by which its thresholds were chosen. The final model was
    trained on all videos, so no video is left to choose its thresholds by. They are those of the first model, but the
    same score may mean different things in two models. If the final model finds fewer points of a class in the common
    training videos than the first model with the same threshold, the threshold is lowered until both find equally many.

    No threshold is raised. In its training videos, a model finds nearly all points with far higher scores than in new
    videos, so these points cannot tell how high a threshold may be.

    Args:
        chosen (OperatingPoint): Operating point of the first model.
        points (Instances): Labelled instances of the videos.
        first (Instances): All detections of the first model in these videos.
        final (Instances): All detections of the final model in these videos.
        checkpoint: Checkpoint of the final model, for the warnings. Default: the warnings name none.

    Returns:
        OperatingPoint: With the new scores. Precision and recall are unchanged.
    """
    first, final = _hits(points, first), _hits(points, final)
    said_of = f'{checkpoint}: ' if checkpoint else ''
    by_class = {}
    for label, (name, threshold) in enumerate(chosen.by_class.items()):
        scores = final.scores[final.labels == label]
        needed = np.count_nonzero(first.scores[first.labels == label] >= threshold.score)
        if np.count_nonzero(scores >= threshold.score) < needed and len(scores):
            # Halfway between the score of the last true positive that is needed and the next score, as in best_score.
            last = min(needed, len(scores))
            threshold = replace(threshold, score=min(threshold.score, float(scores[last - 1 : last + 1].mean())))
        by_class[name] = threshold
        num_found, num_points = np.count_nonzero(scores >= threshold.score), np.count_nonzero(points.labels == label)
        if num_found < num_points / 2:
            warn(
                f'{said_of}{name}: the final model finds only {num_found} of {counted(num_points, "point")} in videos '
                'that it was trained on; train it longer, or with another --seed'
            )
    return replace(chosen, by_class=by_class)


def _hits(points, det):
    """True positives among detections, the highest score first."""
    det = det[np.argsort(-det.scores, kind='stable')]
    return det[match_points(points, det) >= 0]


def _mean_best_score(points, det, hits, resamples):
    """Mean of the best thresholds over resamples; ``None`` if no resample has a true positive.

    ``resamples`` ``(B, V)`` has the number of times that each video was drawn; its detections and points count as many
    times.
    """
    num_truth = resamples @ np.bincount(points.videos, minlength=resamples.shape[1])
    found = (best_score(det.scores, hits, num, draw[det.videos]) for num, draw in zip(num_truth, resamples))
    found = [score for score in found if score is not None]
    return float(np.mean(found)) if found else None


def _evaluated(score, hits, num_points):
    """Make a :class:`Threshold`; the mask ``hits`` tells which of the kept detections are true positives."""
    count = np.count_nonzero(hits)
    return Threshold(float(score), float(count / max(1, len(hits))), float(count / max(1, num_points)), int(num_points))


def model_digest(model: Mapping[str, Any]) -> str:
    """Compute a digest of the model of a config; it is the same for a config file and its dump."""
    return hashlib.sha256(json.dumps(model, sort_keys=True, default=str).encode()).hexdigest()


def operating_point_file(checkpoint: str | Path) -> Path:
    """Path of the operating point of a checkpoint, beside it: ``epoch_9.pth`` has ``epoch_9.operating_point.json``."""
    return Path(checkpoint).with_suffix(_SUFFIX)


def write_operating_point(checkpoint: str | Path, chosen: OperatingPoint) -> Path:
    """Write the operating point of a checkpoint beside it, atomically.

    The file holds a digest of the checkpoint, so that a later checkpoint of the same name does not use it.

    Returns:
        Path: The written file.

    Raises:
        InputError: There is no such checkpoint.
    """
    path = operating_point_file(regular_file(checkpoint, 'a local checkpoint'))
    write_json(path, {'format': _FORMAT, 'version': 1, 'checkpoint': _file_digest(checkpoint), **asdict(chosen)})
    return path


def read_operating_point(
    checkpoint: str | Path, model: str | None = None, classes: Sequence[str] | None = None
) -> OperatingPoint | None:
    """Read the operating point that was chosen for a checkpoint.

    Args:
        checkpoint: Local file.
        model: Digest of the model in the config. Default: not compared.
        classes: Names of the classes, in the order of the model. Default: not compared.

    Returns:
        OperatingPoint: ``None`` if the file does not exist. Also ``None``, with a warning, if the operating point was
        chosen for an earlier checkpoint of this name, for another model in the config, or for other classes.

    Raises:
        InputError: The file is damaged.
    """
    path = operating_point_file(checkpoint)
    if not path.is_file():
        return None
    content = read_json(path)
    if content.get('format') != _FORMAT or content.get('version') != 1:
        raise InputError(f'{_FORMAT!r}, version 1', file=path, field='format', found=content.get('format', 'none'))
    chosen = OperatingPoint(
        _read_threshold(get_field(content, 'overall', dict, file=path), path, 'overall'),
        {
            name: _read_threshold(entry, path, name)
            for name, entry in get_field(content, 'by_class', dict, file=path).items()
        },
        get_field(content, 'model', str, file=path),
        int(to_number(content.get('num_videos'), 0, file=path, field='num_videos')),
        get_field(content, 'chosen_with', str, file=path) if 'chosen_with' in content else '',
    )
    differs = None
    if content.get('checkpoint') != _file_digest(checkpoint):
        differs = 'another checkpoint of this name'
    elif model not in (None, chosen.model):
        differs = 'other settings of the model (NMS, ...) than those in use now'
    elif classes is not None and list(classes) != list(chosen.by_class):
        differs = f'other classes ({", ".join(chosen.by_class)})'
    if differs is None:
        return chosen
    warn(f'{path}: not used, since it was chosen for {differs}; choose_threshold.py renews it')
    return None


def _read_threshold(entry, path, name):
    if not isinstance(entry, dict):
        raise InputError('an object', file=path, field=name, found=entry)
    fields = ('score', 'precision', 'recall', 'num_points')
    values = [to_number(entry.get(field), file=path, field=f'{name}: {field}') for field in fields]
    return Threshold(*values[:3], int(values[3]))


def _file_digest(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
