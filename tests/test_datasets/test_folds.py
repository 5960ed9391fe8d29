import numpy as np
import pytest
from refusals import refused

from fsptal_mm.datasets.folds import Fold
from fsptal_mm.utils.errors import InputError

IDS = [f'video_{number}' for number in range(11)]
SALADS = [f'rgb-{user:02d}-{take}' for user in range(1, 9) for take in (1, 2)]


def fold(index=0, count=4, part='held_out', **fields):
    return Fold.from_config(dict(index=index, count=count, part=part, **fields))


def test_every_video_is_held_out_once_and_trained_on_otherwise():
    held_out = [fold(index).select(IDS) for index in range(4)]
    assert sorted(video for videos in held_out for video in videos) == sorted(IDS)
    assert sorted(map(len, held_out)) == [2, 3, 3, 3]  # 11 videos in 4 folds
    for index in range(4):  # each part keeps the order of the files
        assert fold(index, part='train').select(IDS) == [video for video in IDS if video not in held_out[index]]
    # The order of the ids does not change the folds; another seed does.
    for ids in (IDS[::-1], np.random.default_rng(0).permutation(IDS).tolist()):
        assert sorted(fold().select(ids)) == sorted(held_out[0])
    assert {tuple(fold(seed=seed).select(IDS)) for seed in range(5)} != {tuple(held_out[0])}


# Videos are grouped by the first group of the match, or by the whole match.
@pytest.mark.parametrize('group', [r'rgb-(\d+)-', r'rgb-\d+'])
def test_videos_of_one_person_stay_together(group):
    for index in range(3):
        parts = [fold(index, 3, part, group=group).select(SALADS) for part in ('train', 'held_out')]
        train, held_out = ({video[:6] for video in part} for part in parts)
        assert train.isdisjoint(held_out)
        assert len(parts[1]) in (4, 6)  # 8 persons of 2 videos in 3 folds


def test_large_groups_do_not_unbalance_the_folds():
    ids = [f'a-{number}' for number in range(6)] + [f'{letter}-0' for letter in 'bcdefg']
    # The 6 videos of group a fill one fold; the 6 other videos are the second fold.
    assert {len(fold(index, 2, group=r'^\w').select(ids)) for index in (0, 1)} == {6}


@pytest.mark.parametrize(
    'config, field',
    [
        ([0, 4], 'fold'),
        (dict(index=0, count=4), 'fold'),
        (dict(index=0, count=4, part='train', size=3), 'fold'),
        ({'index': 0, 'count': 4, 'part': 'train', 5: 6}, 'fold'),
        (dict(index=4, count=4, part='train'), 'fold.index'),
        (dict(index=-1, count=4, part='train'), 'fold.index'),
        (dict(index=0.0, count=4, part='train'), 'fold.index'),
        (dict(index=0, count=1, part='train'), 'fold.count'),
        (dict(index=0, count=True, part='train'), 'fold.count'),
        (dict(index=0, count=4, part='test'), 'fold.part'),
        (dict(index=0, count=4, part='train', group='('), 'fold.group'),
        (dict(index=0, count=4, part='train', group='x{9999999999}'), 'fold.group'),
        (dict(index=0, count=4, part='train', group=3), 'fold.group'),
        (dict(index=0, count=4, part='train', seed=-1), 'fold.seed'),
        (dict(index=0, count=4, part='train', seed=None), 'fold.seed'),
    ],
)
def test_bad_fields_are_named(config, field):
    with pytest.raises(InputError) as error:
        Fold.from_config(config)
    assert error.value.field == field


def test_groups_that_do_not_fit_the_ids():
    with refused('fold.count: found 3'):  # more folds than groups
        fold(count=3, group=r'^.').select(['a1', 'a2', 'b1', 'b2'])
    for group in (r'user(\d+)', r'(x)?'):  # one pattern does not match, the other matches an empty text
        with refused('video video_0: fold.group'):
            fold(group=group).select(IDS)
