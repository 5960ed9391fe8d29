"""Transforms of labels and grid: points to snippets, label extension (paper's Sec. 3.1, Appendix A), resize, crop."""

from typing import Any

import numpy as np
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from fsptal_mm.structures import NO_INSTANCE, SnippetGrid
from fsptal_mm.utils.errors import InputError, check_numbers

_MAX_WEIGHT = 1000  # largest sampling weight (Eq. 1): a snippet of weight w becomes about w extended snippets
_EXTENT = 0.5  # theta of the paper: an extended snippet takes the labels of original snippets at most this far away


@TRANSFORMS.register_module()
class PointsToSnippets(BaseTransform):
    """Label the snippets in which points lie. Only this transform converts label times from seconds to snippets.

    If two points of one class lie in one snippet, the snippet is labelled with the instance of the earlier point.
    Extractors may drop the last, incomplete snippet of a video. A point in the dropped snippet labels the last snippet
    that has features.

    Required keys: ``features``, ``grid``, ``duration_sec``, ``num_classes``, ``point_sec``, ``point_labels``,
    ``point_instances``, ``background_sec``. Added: ``snippet_instances (T, C)`` int32, the instance of class c that
    is labelled in snippet t, or -1; ``background_labels (T,)`` bool.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the labels of the snippets.

        Raises:
            InputError: A point lies outside the video.
        """
        num_snippets = len(results['features'])
        instances = np.full((num_snippets, results['num_classes']), NO_INSTANCE, dtype=np.int32)
        snippets, labels = self._snippets(results, 'point_sec', num_snippets), results['point_labels']
        # Each pair (snippet, class) has a number. Of several points with the same number, np.unique takes the first,
        # which is the earliest, since points are sorted by time.
        cells = snippets * results['num_classes'] + labels
        first = np.unique(cells, return_index=True)[1]
        instances[snippets[first], labels[first]] = results['point_instances'][first]
        background_labels = np.zeros(num_snippets, dtype=bool)
        background_labels[self._snippets(results, 'background_sec', num_snippets)] = True
        results['snippet_instances'], results['background_labels'] = instances, background_labels
        return results

    @staticmethod
    def _snippets(results, field, num_snippets):
        """Snippets ``(N,)`` of the times in ``results[field]``, clipped to the snippets that have features."""
        snippets = results['grid'].to_snippet(results[field])
        # The incomplete snippet at the end counts as one snippet, or as many as ResizeSnippets makes of one.
        behind = -(-num_snippets // results['resized_from']) if 'resized_from' in results else 1
        last = max(num_snippets - 1 + behind, int(results['grid'].to_snippet(results['duration_sec'])))
        # On a grid of overlapping clips, snippet 0 begins after the start of the video. A point before snippet 0 gets a
        # negative index, which is no error.
        first = 0 if 'window' in results else min(0, int(results['grid'].to_snippet(0.0)))
        outside = (snippets < first) | (snippets > last)
        if outside.any():
            expected = f'times within the video of {results["duration_sec"]:.2f} s and {num_snippets} snippets'
            shape = results['features'].shape
            if len(shape) == 2 and shape[1] > snippets.max() and 'window' not in results:
                expected += f'; if {shape} is (D, T), transpose the features by np.save(path, array.T)'
            raise InputError(
                expected,
                file=next(iter(results.get('feature_paths') or [None])),
                video=results['video_id'],
                field=field,
                found=np.asarray(results[field])[outside][:5].tolist(),
            )
        return snippets.clip(0, num_snippets - 1)


@TRANSFORMS.register_module()
class ExtendPointLabels(BaseTransform):
    """Label extension (Eq. 1, module A of the paper): stretch time around points, so that more snippets have labels.

    Snippets on and beside points are sampled more densely, and the additional snippets take the labels of the points.
    For training only, since videos at test time have no labels.

    Required keys: ``features (T_ori, D)``, ``snippet_instances``, ``background_labels``. Changed: the labels, to
    length T, and with ``stage='features'`` the features. Added: ``snippet_positions (T,)``, the fractional index of the
    original snippet at which an extended snippet is sampled; with ``stage='embedding'``, ``embedding_positions`` is the
    same array.

    Args:
        label_weight: tau_1, sampling weight of labelled snippets (Table 3).
        neighbour_weight: tau_2, sampling weight of the snippets beside a run of labelled snippets (Table 3).
        stage: ``'features'`` (the paper): resample the features. ``'embedding'``: keep the features; the model
            resamples the embedded features. The convolution of the embedding then sees the same time scale as in a
            test, and processes fewer snippets. Clips need ``'embedding'``, since they cannot be resampled.

    Raises:
        InputError: A weight is not from 1 to 1000, or ``stage`` has another value.
    """

    def __init__(self, label_weight: float = 2.5, neighbour_weight: float = 1.67, stage: str = 'features') -> None:
        weights = dict(label_weight=label_weight, neighbour_weight=neighbour_weight)
        check_numbers('ExtendPointLabels', 1, _MAX_WEIGHT, **weights)
        if stage not in ('features', 'embedding'):
            raise InputError("'features' or 'embedding'", field='ExtendPointLabels.stage', found=stage)
        self.label_weight = label_weight
        self.neighbour_weight = neighbour_weight
        self.stage = stage

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Extend the labels and, with ``stage='features'``, resample the features.

        Raises:
            InputError: The features are clips, and ``stage`` is ``'features'``: clips cannot be resampled.
        """
        instances = results['snippet_instances']
        positions = self.sampling_positions((instances != NO_INSTANCE).any(1))
        if self.stage == 'features':
            results['features'] = interpolate(results['features'], positions)
        else:
            results['embedding_positions'] = positions
        results['snippet_instances'] = carry_labels(instances, positions, NO_INSTANCE)
        results['background_labels'] = carry_labels(results['background_labels'][:, None], positions, False)[:, 0]
        results['snippet_positions'] = positions
        return results

    def sampling_positions(self, labelled: np.ndarray) -> np.ndarray:
        """Positions of the extended snippets among the original snippets (Eq. 1).

        Args:
            labelled (np.ndarray): ``(T_ori,)`` bool: whether a snippet has a point.

        Returns:
            np.ndarray: ``(T,)`` ascending positions in ``[0, T_ori - 1]``; ``0, 1, 2, ...`` if no snippet has a point.
        """
        weight = np.ones(len(labelled))
        weight[:-1][labelled[1:]] = self.neighbour_weight
        weight[1:][labelled[:-1]] = self.neighbour_weight
        weight[labelled] = self.label_weight
        # In stretched time, each snippet is as long as its weight: snippets of weights 1, 3, 1 end at times 1, 4, 5.
        cumulative = np.concatenate([[0.0], np.cumsum(weight)])
        num_snippets = int(np.floor(cumulative[-1] + 0.5))
        # Stretched time is cut into extended snippets of equal length. Their centres (in the example 0.5, 1.5, ... 4.5)
        # are mapped back to original time, where snippet t covers [t, t + 1]. Half a snippet is subtracted, so that
        # position t is the centre of snippet t.
        quantiles = (np.arange(num_snippets) + 0.5) * cumulative[-1] / num_snippets
        positions = np.interp(quantiles, cumulative, np.arange(len(cumulative))) - 0.5
        return np.clip(positions, 0, len(labelled) - 1)


@TRANSFORMS.register_module()
class ResizeSnippets(BaseTransform):
    """Resample the features of a video to a fixed number of snippets by linear interpolation.

    This is usual on ActivityNet, whose videos are short and mostly show one action. The grid is changed accordingly, so
    that times of labels and proposals stay correct. Put this transform before ``PointsToSnippets``, which reads the
    grid.

    Required keys: ``features``, ``grid``. Changed: both. Added: ``resized_from``, the number of snippets before.

    Args:
        num_snippets: Length T of every video afterwards.
    """

    def __init__(self, num_snippets: int) -> None:
        check_numbers('ResizeSnippets', 1, whole=True, num_snippets=num_snippets)
        self.num_snippets = num_snippets

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Resample the features and change the grid.

        Raises:
            InputError: The features are clips.
        """
        original, grid = len(results['features']), results['grid']
        scale = original / self.num_snippets
        # Positions of the centres of the new snippets, among the original ones. Start and end of the video do not move.
        positions = np.clip((np.arange(self.num_snippets) + 0.5) * scale - 0.5, 0, original - 1)
        results['features'] = interpolate(results['features'], positions)
        results['grid'] = SnippetGrid(grid.snippet_sec * scale, grid.offset_sec)
        results['resized_from'] = original
        return results


@TRANSFORMS.register_module()
class CropToWindow(BaseTransform):
    """Crop the features to the window of a sample, and pad them with zeros behind the end of the video.

    For datasets with ``windows``. The grid is shifted accordingly, so that times stay correct. Put this transform
    before the transform that packs.

    Required keys: ``features``, ``grid``, ``window``. Changed: ``features``, ``grid``.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Crop the features and shift the grid.

        Raises:
            InputError: The dataset has no ``windows``.
        """
        if 'window' not in results:
            raise InputError(
                'a dataset with windows, which CropToWindow needs', video=results['video_id'], field='windows'
            )
        (start, stop), grid = results['window'], results['grid']
        inside = results['features'][start:stop]
        results['features'] = np.pad(inside, ((0, stop - start - len(inside)), (0, 0)))
        results['grid'] = SnippetGrid(grid.snippet_sec, float(grid.to_sec(start)))
        return results


def interpolate(features: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Interpolate features linearly.

    Args:
        features (np.ndarray): ``(T, D)``.
        positions (np.ndarray): ``(N,)`` fractional indices of snippets, within ``[0, T - 1]``.

    Returns:
        np.ndarray: ``(N, D)``.

    Raises:
        InputError: The features are clips.
    """
    if features.ndim != 2:
        expected = "features (T, D); clips need ExtendPointLabels(stage='embedding'), which resamples embedded features"
        raise InputError(expected, field='features', found=f'clips of shape {features.shape}')
    left = np.floor(positions).astype(np.int64)
    right = np.minimum(left + 1, len(features) - 1)
    share = (positions - left).astype(features.dtype)[:, None]
    return features[left] * (1 - share) + features[right] * share


def carry_labels(labels: np.ndarray, positions: np.ndarray, empty: int | bool) -> np.ndarray:
    """Carry labels ``(T_ori, K)`` of original snippets over to the extended snippets, ``(T, K)``.

    An extended snippet takes the labels of each original snippet that is at most ``_EXTENT`` away. If there is no
    extended snippet within this distance of a labelled original snippet, its labels go to the nearest extended snippet
    (the earlier one, if two are equally near). If two original snippets label the same column of an extended snippet,
    the label of the earlier one counts. ``empty`` is the value that means no label.
    """
    carried = np.full((len(positions), labels.shape[1]), empty, dtype=labels.dtype)
    labelled = np.flatnonzero((labels != empty).any(1))
    first = np.searchsorted(positions, labelled - _EXTENT)
    last = np.searchsorted(positions, labelled + _EXTENT)
    for snippet, start, stop in zip(labelled, first, last):
        if start == stop:  # no extended snippet is near enough
            start = int(np.abs(positions - snippet).argmin())
            stop = start + 1
        part = carried[start:stop]  # a view of carried: writing into it changes carried
        part[part == empty] = np.broadcast_to(labels[snippet], part.shape)[part == empty]
    return carried
