import numpy as np
import pytest
import torch
from refusals import refused

from fsptal_mm.datasets import ExtendPointLabels, SampleSnippets
from fsptal_mm.engine.random_numbers import without_random_samples
from fsptal_mm.structures import SnippetGrid


def video(num_snippets, points=(), clicks=(), training=True):
    """A video of 0.5 s per snippet, whose features are the snippets' own numbers; points are pairs (snippet, class)."""
    instances = np.full((num_snippets, 3), -1, dtype=np.int32)
    for number, place in enumerate(points):
        instances[place] = number
    background = np.zeros(num_snippets, dtype=bool)
    background[list(clicks)] = True
    return dict(
        video_id='v1',
        features=np.arange(num_snippets, dtype=np.float32)[:, None],
        grid=SnippetGrid(0.5, 0.25),
        snippet_instances=instances,
        background_labels=background,
        video_labels=np.array([0, 1, 2]),
        is_training=training,
    )


def places(results):
    return results['features'][:, 0].tolist()


def points(results):
    return {
        (*place,): results['snippet_instances'][(*place,)] for place in np.argwhere(results['snippet_instances'] >= 0)
    }


def test_bins_give_a_random_snippet_each():
    torch.manual_seed(0)
    drawn = np.array([places(SampleSnippets(4)(video(12))) for _ in range(200)])
    for number in range(4):  # bins of three snippets; each of these comes up
        assert set(drawn[:, number]) == {3 * number, 3 * number + 1, 3 * number + 2}


def test_labels_of_bins_by_hand():
    # Bins [0, 2.5), [2.5, 5) ... of ten snippets; their middles, 1.25, 3.75, 6.25 and 8.75, lie in snippets 1, 3, 6, 8.
    found = SampleSnippets(4)(video(10, [(0, 0), (3, 1), (9, 0)], clicks=[5], training=False))
    assert places(found) == [1, 3, 6, 8]
    assert points(found) == {(0, 0): 0, (1, 1): 1, (3, 0): 2}  # none of the three is lost
    assert found['background_labels'].tolist() == [False, False, True, False]
    assert (found['grid'].snippet_sec, found['grid'].offset_sec) == (1.25, 0.25)  # four bins in the same 5 s
    assert found['video_labels'].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    'short, expected', [('interpolate', [0, 0.25, 0.75, 1]), ('repeat', [0, 0, 1, 1]), ('keep', [0, 1])]
)
@pytest.mark.parametrize('training', [True, False])
def test_short_videos(short, expected, training):
    found = SampleSnippets(4, short=short)(video(2, [(1, 2)], training=training))
    assert places(found) == pytest.approx(expected)
    assert {place[0] for place in points(found)} == set(np.flatnonzero(np.array(expected) > 0.5))
    assert found['grid'].snippet_sec == (0.5 if short == 'keep' else 0.25)


def test_windows_hold_a_point_and_its_classes_alone():
    torch.manual_seed(0)
    for _ in range(100):
        found = SampleSnippets(3, mode='crop')(video(10, [(1, 0), (8, 2)], clicks=[2]))
        start, stop = found['snippet_range']
        assert places(found) == list(range(start, stop))
        assert start in (0, 1, 6, 7)  # the windows with a point
        first = start < 2
        assert points(found) == ({(1 - start, 0): 0} if first else {(8 - start, 2): 1})
        assert found['video_labels'].tolist() == ([0] if first else [2])
        assert found['background_labels'].tolist() == [first and place == 2 for place in range(start, stop)]
        assert found['grid'].to_sec(0) == 0.25 + 0.5 * start


def test_windows_without_points_reach_both_ends_and_keep_the_video_labels():
    torch.manual_seed(0)
    found = [SampleSnippets(3, mode='crop')(video(6)) for _ in range(100)]
    assert {results['snippet_range'] for results in found} == {(0, 3), (1, 4), (2, 5), (3, 6)}
    assert all(results['video_labels'].tolist() == [0, 1, 2] for results in found)


def test_one_of_several_lengths_is_drawn():
    torch.manual_seed(0)
    assert {len(SampleSnippets([3, 6, 20], mode='crop')(video(9))['features']) for _ in range(50)} == {3, 6, 9}


def test_nothing_is_drawn_in_a_test_and_in_passes_before_an_epoch():
    whole = SampleSnippets(3, mode='crop')(video(6, [(1, 0)], training=False))
    assert places(whole) == list(range(6))
    assert 'snippet_range' not in whole

    class Part:
        def __init__(self, **fields):
            vars(self).update(fields)

    crop, bins = SampleSnippets(3, mode='crop'), SampleSnippets(3)
    inner = [Part(pipeline=Part(transforms=[step])) for step in (crop, bins)]
    with without_random_samples(Part(dataset=Part(datasets=inner))):  # below wrappers
        assert places(crop(video(6))) == list(range(6))
        assert places(bins(video(6))) == [1, 3, 5]
    assert len(crop(video(6))['features']) == 3


@pytest.mark.parametrize(
    'options, field',
    [
        (dict(num_snippets=0), 'num_snippets'),
        (dict(num_snippets=[3, 4]), 'num_snippets'),  # several lengths are for windows
        (dict(num_snippets=[], mode='crop'), 'num_snippets'),
        (dict(num_snippets=3, mode='window'), 'mode'),
        (dict(num_snippets=3, short='pad'), 'short'),
    ],
)
def test_bad_arguments_are_named(options, field):
    with refused(f'SampleSnippets.{field}'):
        SampleSnippets(**options)


def test_extended_labels_cannot_be_sampled():
    with refused('SampleSnippets before ExtendPointLabels'):
        SampleSnippets(3)(ExtendPointLabels()(video(6, [(1, 0)])))
