import numpy as np
import pytest
from mmengine.dataset import DefaultSampler

from fsptal_mm.datasets import SharedClassBatchSampler
from fsptal_mm.utils.errors import InputError


class Labels:
    """A dataset of which only the video labels are known."""

    def __init__(self, *labels):
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def get_data_info(self, index):
        return dict(video_labels=np.array(self.labels[index], dtype=np.int64))


RARE = Labels([0], [1], [0, 2], [1], [3], [0], [])  # classes 2 and 3 have one video each


def make(dataset=RARE, seed=0, **kwargs):
    return SharedClassBatchSampler(DefaultSampler(dataset, seed=seed), **(dict(batch_size=5, num_pairs=2) | kwargs))


def epochs(sampler, numbers):
    """Batches of several epochs, one epoch after the other."""
    found = []
    for number in numbers:
        sampler.sampler.set_epoch(number)
        found += sampler
    return found


def test_batches_begin_with_pairs_of_different_videos_of_one_class():
    sampler = make()
    assert len(sampler) == 2  # ceil(7 / 5)
    batches = epochs(sampler, range(200))
    assert len(batches) == 400
    pairs, rest = [], []
    for batch in batches:
        assert len(batch) == 5
        pairs += [batch[:2], batch[2:4]]
        rest += batch[4:]
    assert all(first != second and set(RARE.labels[first]) & set(RARE.labels[second]) for first, second in pairs)
    # Pairs of both classes are equally frequent, though class 0 has three videos, and class 1 has two. The videos after
    # the pairs are drawn from all.
    share = np.mean([0 in RARE.labels[first] for first, _ in pairs])
    assert share == pytest.approx(0.5, abs=0.06)
    assert np.bincount(rest, minlength=7) / 400 == pytest.approx(1 / 7, abs=0.06)


def test_draws_depend_on_seed_epoch_and_rank_alone():
    first, second = epochs(make(), [3]), epochs(make(), [4])
    assert epochs(make(), [4, 3]) == second + first
    assert first != second
    assert epochs(make(seed=1), [3]) != first
    other = make()
    other.sampler.rank = 1
    assert epochs(other, [3]) != first


@pytest.mark.parametrize('dataset, options', [(Labels([0], [1], []), {}), (RARE, dict(num_pairs=0))])
def test_without_pairs_videos_are_drawn_one_by_one(dataset, options):
    batches = epochs(make(dataset, **options), range(9))
    assert all(len(batch) == 5 for batch in batches)
    assert {video for batch in batches for video in batch} == set(range(len(dataset)))


def test_more_pairs_than_fit_are_refused():
    with pytest.raises(InputError, match='num_pairs'):
        make(num_pairs=3)
