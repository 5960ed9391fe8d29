"""Sampling of a fixed number of snippets, as some methods do in training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmaction.registry import TRANSFORMS
from mmcv.transforms import BaseTransform

from fsptal_mm.structures import NO_INSTANCE, SnippetGrid
from fsptal_mm.utils.errors import InputError, check_numbers

from .labels import carry_labels, interpolate

_MODES = ('bins', 'crop')
_SHORT = ('interpolate', 'repeat', 'keep')


@TRANSFORMS.register_module()
class SampleSnippets(BaseTransform):
    """Sample snippets of a video, so that videos have one length, or a largest length.

    Public codes train in this way: ASM-Loc and DELU on one random snippet of each bin, SF-Net on a random window.
    Without this transform, as in most of our configs, videos have all their snippets. Put it behind
    ``PointsToSnippets`` and before ``ExtendPointLabels``. ``ResizeSnippets`` interpolates instead, and draws nothing.

    Only training draws random numbers. In a test, and in passes over the training videos before an epoch, which set
    ``at_random`` to ``False``, ``'bins'`` takes the middle snippet of each bin, and ``'crop'`` the whole video.

    Required keys: ``features``, ``snippet_instances``, ``background_labels``, ``grid``. Changed: all of them, and by a
    crop ``video_labels``. Added by a crop: ``snippet_range``, the first snippet of the window and the one behind it.

    Args:
        num_snippets: Number of snippets, >= 1. With ``'crop'``, it is the largest number, or a list of such numbers,
            from which one is drawn whenever a video is read.
        mode: ``'bins'``: the video is cut into ``num_snippets`` equal bins, and one snippet is taken from each. Labels
            go to the nearest sampled snippets, so that none is lost. A sampled snippet then stands for the time of its
            whole bin. ``'crop'``: if the video has more snippets, a window of ``num_snippets`` of them is taken. If the
            video has points, only windows with a point are drawn, and the video labels become the classes of the points
            in the window.
        short: Treatment of videos with fewer than ``num_snippets`` snippets, with ``'bins'``. ``'interpolate'``: linear
            interpolation, as in ASM-Loc. ``'repeat'``: bins that lie in one snippet repeat it, as in DELU. ``'keep'``:
            they stay as they are.

    Raises:
        InputError: ``num_snippets`` is no whole number >= 1, or ``mode`` or ``short`` has another value.
    """

    def __init__(self, num_snippets: int | Sequence[int], mode: str = 'bins', short: str = 'interpolate') -> None:
        several = isinstance(num_snippets, (list, tuple)) and mode == 'crop' and len(num_snippets) > 0
        lengths = tuple(num_snippets) if several else (num_snippets,)
        for length in lengths:
            check_numbers('SampleSnippets', 1, whole=True, num_snippets=length)
        for name, value, known in (('mode', mode, _MODES), ('short', short, _SHORT)):
            if value not in known:
                raise InputError(f'one of {known}', field=f'SampleSnippets.{name}', found=value)
        self.lengths = lengths
        self.mode = mode
        self.short = short
        self.at_random = True

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Sample features and labels.

        Raises:
            InputError: The features are clips, and have to be interpolated; or labels are extended already.
        """
        if 'snippet_positions' in results:
            expected = 'SampleSnippets before ExtendPointLabels'
            raise InputError(expected, video=results['video_id'], field='pipeline', found='the other order')
        at_random = self.at_random and bool(results.get('is_training'))
        if self.mode == 'bins':
            self._sample_bins(results, at_random)
        elif at_random:
            self._crop(results)
        return results

    def _sample_bins(self, results, at_random):
        features, number = results['features'], self.lengths[0]
        total, grid = len(features), results['grid']
        if total <= number and self.short == 'keep':
            return
        shares = torch.rand(number, dtype=torch.float64).numpy() if at_random else np.full(number, 0.5)
        places = (np.arange(number) + shares) * total / number  # in snippets: snippet t covers [t, t + 1)
        if total <= number and self.short == 'interpolate':
            positions = np.clip((np.arange(number) + 0.5) * total / number - 0.5, 0, total - 1)
            results['features'] = interpolate(features, positions)
        else:
            positions = np.minimum(places.astype(np.int64), total - 1)
            results['features'] = features[positions]
        results['snippet_instances'] = carry_labels(results['snippet_instances'], positions, NO_INSTANCE)
        results['background_labels'] = carry_labels(results['background_labels'][:, None], positions, False)[:, 0]
        results['grid'] = SnippetGrid(grid.snippet_sec * total / number, grid.offset_sec)

    def _crop(self, results):
        length = self.lengths[int(torch.randint(len(self.lengths), ()))]
        instances, grid = results['snippet_instances'], results['grid']
        labelled = (instances != NO_INSTANCE).any(1)
        total, has_points = len(instances), bool(labelled.any())
        if total <= length:
            return
        points_before = np.concatenate([[0], np.cumsum(labelled)])
        # Number of labelled snippets in the window that begins at snippet 0, 1, ...
        points_inside = points_before[length:] - points_before[:-length]
        starts = np.flatnonzero(points_inside) if has_points else np.arange(len(points_inside))
        start = int(starts[int(torch.randint(len(starts), ()))])
        window = slice(start, start + length)
        for name in ('features', 'snippet_instances', 'background_labels'):
            results[name] = results[name][window]
        results['grid'] = SnippetGrid(grid.snippet_sec, float(grid.to_sec(start)))
        results['snippet_range'] = (start, start + length)
        if has_points:
            results['video_labels'] = np.flatnonzero((instances[window] != NO_INSTANCE).any(0))
