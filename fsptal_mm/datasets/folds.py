"""Folds of a dataset, to hold out some of the training videos."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fsptal_mm.utils.errors import InputError, check_numbers

from .point_sampling import video_rng

_PARTS = ('train', 'held_out')


@dataclass(frozen=True)
class Fold:
    """One of ``count`` folds of a set of videos, or all videos outside this fold.

    Args:
        index: Index of the fold, from 0.
        count: Number of folds, >= 2.
        part: ``'held_out'``: the videos of the fold. ``'train'``: all other videos.
        group: Regular expression that is searched in the video id. Videos for which the matched text is the same form a
            group, which stays in one fold: with ``'P[0-9]+'``, all videos of person P01. If the expression has
            parentheses, only the text that the first pair matches counts. ``None``: each video is a group.
        seed: Seed for the order in which groups are assigned to folds, >= 0.
    """

    index: int
    count: int
    part: str
    group: str | None = None
    seed: int = 0

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> 'Fold':
        """Build a fold from a config ``dict(index=..., count=..., part=..., [group=..., seed=...])``.

        Raises:
            InputError: A field is missing, unknown or wrong.
        """
        fields = set(config) if isinstance(config, dict) else set()
        if not {'index', 'count', 'part'} <= fields <= {'index', 'count', 'part', 'group', 'seed'}:
            found = sorted(fields, key=str) if isinstance(config, dict) else config
            raise InputError('index, count and part (and group and seed if needed)', field='fold', found=found)
        fold = cls(**config)
        check_numbers('fold', 2, whole=True, count=fold.count)
        check_numbers('fold', 0, fold.count - 1, whole=True, index=fold.index)
        check_numbers('fold', 0, whole=True, seed=fold.seed)
        if fold.part not in _PARTS:
            raise InputError(f'one of {_PARTS}', field='fold.part', found=fold.part)
        if not (fold.group is None or _is_expression(fold.group)):
            raise InputError('a regular expression', field='fold.group', found=fold.group)
        return fold

    def select(self, video_ids: Iterable[str]) -> list[str]:
        """Assign the videos to folds, and select the videos of this part.

        Groups are assigned one by one, the largest first; groups of equal size in an order drawn with ``seed``. Each
        group goes to the fold that has the fewest videos so far. The folds do not depend on the order of ``video_ids``.

        Args:
            video_ids (Iterable[str]): Ids, each once.

        Returns:
            list[str]: Ids of the videos of this part, in the order of the input.

        Raises:
            InputError: ``group`` does not match an id, or there are fewer groups than folds.
        """
        groups = defaultdict(list)
        for video_id in video_ids:
            groups[self._group_of(video_id)].append(video_id)
        if len(groups) < self.count:
            expected = f'at most {len(groups)}, the number of videos (or of their groups)'
            raise InputError(expected, field='fold.count', found=self.count)
        order = sorted(groups, key=lambda name: (-len(groups[name]), video_rng(self.seed, name).random(), name))
        folds = [[] for _ in range(self.count)]
        for name in order:
            min(folds, key=len).extend(groups[name])
        held_out = set(folds[self.index])
        return [video_id for video_id in video_ids if (video_id in held_out) == (self.part == 'held_out')]

    def _group_of(self, video_id):
        """Name of the group of a video: the text in its id that ``group`` matches, or the id itself."""
        if self.group is None:
            return video_id
        match = re.search(self.group, video_id)
        name = match and match.group(1 if match.re.groups else 0)  # re.groups: number of parentheses in the expression
        if not name:
            raise InputError(f'a match of {self.group!r} in every video id', video=video_id, field='fold.group')
        return name


def _is_expression(value):
    try:
        return isinstance(value, str) and bool(re.compile(value))
    except (re.error, OverflowError, RecursionError):  # raised for '(', 'x{9999999999}' and '(' * 10000
        return False
